"""detectron2's Mask R-CNN, where it is installed: real forward passes beside its own predictor, boxes mapped back."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("detectron2", reason="detectron2 is not installed here; its project's instructions say how")
import detectron2.modeling
import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import DefaultPredictor
from detectron2.structures import Boxes, ImageList, Instances
from frames_and_videos import list_videos, red_rectangles

from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.batches import Batches
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.detectron2_detector import Detectron2
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.settings import GeneratedSettings

PAPER = PersonsSettings().model


def paper_config() -> CfgNode:
    """That of the network that the paper names, for this CPU."""
    config = get_cfg()
    config.merge_from_file(model_zoo.get_config_file(PAPER))
    config.MODEL.DEVICE = "cpu"
    return config


def small_config() -> CfgNode:
    """A network of the same make, thinner and for frames of 100 rows."""
    config = paper_config()
    config.MODEL.RESNETS.DEPTH, config.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    config.MODEL.FPN.OUT_CHANNELS = config.MODEL.ROI_BOX_HEAD.FC_DIM = 32
    config.MODEL.RPN.CONV_DIMS = [-1]
    config.MODEL.RPN.POST_NMS_TOPK_TEST = 60
    config.INPUT.MIN_SIZE_TEST, config.INPUT.MAX_SIZE_TEST = 100, 150
    config.MODEL.WEIGHTS = ""
    return config


def random_weights(config: CfgNode, folder: Path) -> Path:
    """Random weights whose scores lean to persons, in a file."""
    torch.manual_seed(0)
    network = detectron2.modeling.build_model(config)
    for name, values in network.named_buffers():  # norms that nothing has fitted let deep networks overflow
        if name.endswith(("stem.conv1.norm.weight", "conv3.norm.weight")):
            values.fill_(0.1)
    network.roi_heads.box_predictor.cls_score.bias.data[0] = 15
    DetectionCheckpointer(network, str(folder)).save("random")
    return folder / "random.pth"


@pytest.fixture
def small(tmp_path: Path) -> PersonsSettings:
    """The small network by a config file of one's own, with random weights."""
    (tmp_path / "small.yaml").write_text(small_config().dump())
    weights = random_weights(small_config(), tmp_path)
    return PersonsSettings(model=str(tmp_path / "small.yaml"), weights=str(weights))


def noise(*sizes: tuple[int, int]) -> list[np.ndarray]:
    """A frame (height, width, 3) of each size."""
    return [np.random.default_rng(n).integers(256, size=(*size, 3), dtype=np.uint8) for n, size in enumerate(sizes)]


def test_the_paper_s_network_finds_what_detectron2_s_own_predictor_does(tmp_path: Path) -> None:
    weights = random_weights(paper_config(), tmp_path)
    (frame,) = noise((48, 64))
    (boxes,) = Detectron2(PersonsSettings(weights=str(weights))).detect([frame])
    assert len(boxes) > 2
    assert_like_the_predictor(boxes, frame, paper_config(), weights)


def assert_like_the_predictor(boxes: np.ndarray, frame: np.ndarray, config: CfgNode, weights: Path) -> None:
    config.MODEL.WEIGHTS, config.MODEL.ROI_HEADS.SCORE_THRESH_TEST, config.MODEL.MASK_ON = str(weights), 0.5, False
    found = DefaultPredictor(config)(frame[..., ::-1])["instances"]
    found = found[found.pred_classes == 0]
    expected = np.column_stack([found.pred_boxes.tensor, found.scores])
    expected = expected[(expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])]
    np.testing.assert_allclose(*(rows[np.lexsort(rows.T)] for rows in (boxes, expected)), atol=1e-3)


def test_frames_of_all_sizes_are_found_as_one_by_one(small: PersonsSettings) -> None:
    frames = noise((72, 100), (72, 100), (100, 72), (40, 190), (72, 100), (240, 320), (100, 72))
    detector = Detectron2(small)
    assert detector.detect([]) == []
    alone = detector.detect(frames)
    for frame, boxes in zip(frames, alone, strict=True):
        height, width = frame.shape[:2]
        assert boxes.dtype == np.float32 and boxes.shape[1] == 5 and len(boxes) > 2
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:4] <= (width, height)).all()
        assert (boxes[:, 2:4] > boxes[:, :2]).all()
        assert (np.diff(boxes[:, 4]) <= 0).all() and (boxes[:, 4] > 0.5).all()
        assert_like_the_predictor(boxes, frame, small_config(), Path(small.weights))
    detector.batches = Batches(detector.look, 3)  # as on a GPU
    with ThreadPoolExecutor(3) as videos:
        for together in videos.map(detector.detect, [frames, frames[::-1], frames]):
            together = together if together[0].shape == alone[0].shape else together[::-1]
            for boxes, expected in zip(together, alone, strict=True):
                np.testing.assert_allclose(*(rows[np.lexsort(rows.T)] for rows in (boxes, expected)), atol=1e-2)


def test_a_video_s_boxes_are_the_same_bytes_beside_others(small: PersonsSettings) -> None:
    detector, frames = Detectron2(small), noise((72, 100), (100, 72), (72, 100))
    alone = detector.detect(frames)
    with ThreadPoolExecutor(3) as videos:
        for beside in videos.map(detector.detect, [frames, frames, frames]):
            for boxes, expected in zip(beside, alone, strict=True):
                np.testing.assert_array_equal(boxes, expected)


@pytest.mark.parametrize(("height", "width"), [(120, 160), (50, 90), (90, 50), (40, 190), (240, 320)])
def test_boxes_come_back_in_the_frame_s_own_pixels(
    height: int, width: int, small: PersonsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is made to answer what a red rectangle covers in the picture that reaches it, resized and padded."""
    padded = []

    def planted(config: CfgNode, build: Callable[[CfgNode], Any] = detectron2.modeling.build_model) -> Any:
        def answer(images: ImageList, features: object, proposals: object, targets: None) -> tuple[list, dict]:
            padded.append(images.tensor[0, 0].numel() > np.prod(images.image_sizes[0]))
            found = []
            for image, size in zip(images.tensor, images.image_sizes, strict=True):  # BGR minus the mean: red is 131
                rows, columns = torch.nonzero(image[2] > 4, as_tuple=True)
                box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                classes, scores = torch.tensor([16, 0, 0]), torch.tensor([0.95, 0.6, 0.9])  # a dog; twice the person
                found.append(Instances(size, pred_boxes=Boxes(box.repeat(3, 1)), scores=scores, pred_classes=classes))
            return found, {}

        network = build(config)
        network.roi_heads.forward = answer
        return network

    monkeypatch.setattr(detectron2.modeling, "build_model", planted)
    frames, truth = red_rectangles(height, width)
    detector = Detectron2(small)
    one_by_one, together = detector.detect(frames), detector.boxes_of([detector.picture(frame) for frame in frames])
    assert any(padded)
    for found in (one_by_one, together):
        for boxes, corners in zip(found, truth, strict=True):
            assert boxes[:, 4].tolist() == [np.float32(0.9), np.float32(0.6)]
            np.testing.assert_allclose(boxes[:, :4], [corners, corners], atol=max(1, height / 90))


GENERATED = GeneratedSettings(motions=("wave",), scenes=("bricks", "beach"), per_pair=1, frames=6)


def test_the_stage_finds_the_same_bytes_whatever_the_threads(small: PersonsSettings, tmp_path: Path) -> None:
    videos, settings = (
        list_videos(tmp_path, GENERATED),
        PersonsSettings(model=small.model, weights=small.weights, stride=4),
    )
    for threads in (1, 2):
        torch.set_num_threads(threads)  # what the environment gives
        output = tmp_path / f"{threads}.h5"
        detect_persons(videos, output, tmp_path / f"store {threads}", "detectron2", settings, threads=threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()
    with h5py.File(output) as file:
        assert len(file) == 2
        for group in file.values():
            assert set(group["boxes"][:, 0]) == set(range(6)), "frames 0, 4 and 5 are looked at"


def test_names_and_places_of_files_are_no_part_of_what_the_boxes_depend_on(
    small: PersonsSettings, tmp_path: Path
) -> None:
    config = small_config()
    config.MODEL.WEIGHTS = small.weights
    (tmp_path / "names its weights.yaml").write_text(config.dump())
    by_config = Detectron2(PersonsSettings(model=str(tmp_path / "names its weights.yaml")))
    assert by_config.parameters == Detectron2(small).parameters
    assert str(tmp_path) not in str(by_config.parameters)


def test_weights_in_the_format_of_the_model_zoo(small: PersonsSettings, tmp_path: Path) -> None:
    arrays = {name: values.numpy() for name, values in torch.load(small.weights)["model"].items()}
    with open(tmp_path / "zoo.pkl", "wb") as file:
        pickle.dump({"model": arrays, "__author__": "Detectron2 Model Zoo"}, file)
    (frame,) = noise((72, 100))
    published = PersonsSettings(model=small.model, weights=str(tmp_path / "zoo.pkl"))
    np.testing.assert_array_equal(Detectron2(published).detect([frame]), Detectron2(small).detect([frame]))


@pytest.mark.parametrize("content", ["nothing", "text", "list", "another network"])
def test_wrong_weights_stop_before_any_work(content: str, small: PersonsSettings, tmp_path: Path) -> None:
    weights = Path(small.weights)
    if content == "nothing":
        weights.unlink()
    elif content == "text":
        weights.write_text("no weights")
    else:
        torch.save([1, 2] if content == "list" else {"model": {"fc.weight": torch.zeros(3)}}, weights)
    with pytest.raises(StageError, match=r"persons\.weights: .*random\.pth") as told:
        detect_persons(
            list_videos(tmp_path, GENERATED), tmp_path / "persons.h5", tmp_path / "store", "detectron2", small
        )
    assert "\n" not in str(told.value)
    assert not (tmp_path / "store").exists() and not (tmp_path / "persons.h5").exists()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("COCO-InstanceSegmentation/mask_rcnn_R_202_FPN_3x.yaml", r"persons\.model: .*R_202.*Model Zoo"),
        ("MODEL: {NETWORK: none}\n", r"persons\.model: .*MODEL\.NETWORK"),
        ("no: [config", r"persons\.model: "),
        ("VERSION: 2\nMODEL: {WEIGHTS: ''}\n", r"persons\.weights: .* names no weights"),
    ],
)
def test_a_model_that_is_none_is_one_sentence(model: str, sentence: str, tmp_path: Path) -> None:
    if "/" not in model:
        (tmp_path / "model.yaml").write_text(model)
        model = str(tmp_path / "model.yaml")
    with pytest.raises(StageError, match=sentence) as told:
        Detectron2(PersonsSettings(model=model))
    assert "\n" not in str(told.value)
