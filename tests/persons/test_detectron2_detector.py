"""detectron2's networks, if installed: real forward passes compared to its own predictor, boxes in pixels."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("detectron2", reason="detectron2 is not installed; its project documents the installation")
import detectron2.modeling
import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import DefaultPredictor
from detectron2.structures import Boxes, ImageList, Instances
from frames_and_videos import assert_valid, red_rectangles, write_shard_list

from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.batches import Batches
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.detectron2_detector import Detectron2
from workflow_scripts.persons.models import DEFAULT_MODELS, SECONDS_PER_FRAME
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.settings import GeneratedSettings

pytestmark = pytest.mark.slow  # trains a network

PAPER = DEFAULT_MODELS["detectron2"]


def paper_config(model: str = PAPER) -> CfgNode:
    """Returns the config of a model, by default the paper's, on the CPU."""
    config = get_cfg()
    config.merge_from_file(model_zoo.get_config_file(model))
    config.MODEL.DEVICE = "cpu"
    return config


def small_config() -> CfgNode:
    """Returns the config of a narrower network for frames of 100 rows."""
    config = paper_config()
    config.MODEL.RESNETS.DEPTH, config.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    config.MODEL.FPN.OUT_CHANNELS = config.MODEL.ROI_BOX_HEAD.FC_DIM = 32
    config.MODEL.RPN.CONV_DIMS = [-1]
    config.MODEL.RPN.POST_NMS_TOPK_TEST = 60
    config.INPUT.MIN_SIZE_TEST, config.INPUT.MAX_SIZE_TEST = 100, 150
    config.MODEL.WEIGHTS = ""
    return config


def random_weights(config: CfgNode, folder: Path) -> Path:
    """Writes random weights whose scores favour persons."""
    torch.manual_seed(0)
    network = detectron2.modeling.build_model(config)
    for name, values in network.named_buffers():  # with untrained norms, deep networks overflow
        if name.endswith(("stem.conv1.norm.weight", "conv3.norm.weight")):
            values.fill_(0.1)
    if config.MODEL.META_ARCHITECTURE == "RetinaNet":
        network.head.cls_score.bias.data.view(-1, 80)[:, 0] += 7
    else:
        network.roi_heads.box_predictor.cls_score.bias.data[0] = 15
    DetectionCheckpointer(network, str(folder)).save("random")
    return folder / "random.pth"


@pytest.fixture
def small(tmp_path: Path) -> PersonsSettings:
    """The small network, by a config file and with random weights."""
    (tmp_path / "small.yaml").write_text(small_config().dump())
    weights = random_weights(small_config(), tmp_path)
    return PersonsSettings(model=str(tmp_path / "small.yaml"), weights=str(weights))


def noise(*sizes: tuple[int, int]) -> list[np.ndarray]:
    """Returns a random frame (height, width, 3) of each size."""
    return [np.random.default_rng(n).integers(256, size=(*size, 3), dtype=np.uint8) for n, size in enumerate(sizes)]


def test_detectron2_paper_network_equals_its_own_predictor(tmp_path: Path) -> None:
    weights = random_weights(paper_config(), tmp_path)
    (frame,) = noise((48, 64))
    (boxes,) = Detectron2(PersonsSettings(weights=str(weights))).detect([frame])
    assert len(boxes) > 2
    assert_like_the_predictor(boxes, frame, paper_config(), weights)


@pytest.mark.parametrize(
    "model", ["COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml", "COCO-Detection/retinanet_R_50_FPN_3x.yaml"]
)
def test_detectron2_other_networks_equal_its_own_predictor(model: str, tmp_path: Path) -> None:
    config = paper_config(model)
    config.INPUT.MIN_SIZE_TEST = 64
    weights = random_weights(config, tmp_path)
    (frame,) = noise((48, 64))
    detector = Detectron2(PersonsSettings(model=model, weights=str(weights), short_side=64))
    (boxes,) = detector.detect([frame])
    assert len(boxes)
    assert_like_the_predictor(boxes, frame, config, weights)
    picture = detector.picture(frame)
    assert picture.image.shape[1] == 64
    with torch.inference_mode():
        (output,) = detector._network([picture._asdict()])
    assert output["instances"].get_fields().keys() == {"pred_boxes", "scores", "pred_classes"}


@pytest.mark.parametrize("model", SECONDS_PER_FRAME["detectron2"])
def test_detectron2_priced_models_are_published(model: str) -> None:
    assert Path(model_zoo.get_config_file(model)).is_file() and model_zoo.get_checkpoint_url(model)


def assert_like_the_predictor(boxes: np.ndarray, frame: np.ndarray, config: CfgNode, weights: Path) -> None:
    config.MODEL.WEIGHTS, config.MODEL.MASK_ON = str(weights), False
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = config.MODEL.RETINANET.SCORE_THRESH_TEST = 0.5
    instances = DefaultPredictor(config)(frame[..., ::-1])["instances"]
    instances = instances[instances.pred_classes == 0]
    expected = np.column_stack([instances.pred_boxes.tensor, instances.scores])
    expected = expected[(expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])]
    np.testing.assert_allclose(*(rows[np.lexsort(rows.T)] for rows in (boxes, expected)), atol=1e-3)


def test_detectron2_frames_of_different_sizes(small: PersonsSettings) -> None:
    frames = noise((72, 100), (72, 100), (100, 72), (40, 190), (72, 100), (240, 320), (100, 72))
    detector = Detectron2(small)
    assert detector.detect([]) == []
    alone = detector.detect(frames)
    for frame, boxes in zip(frames, alone, strict=True):
        assert len(boxes) > 2
        assert_valid(boxes, *frame.shape[:2])
        assert_like_the_predictor(boxes, frame, small_config(), Path(small.weights))
    detector.batches = Batches(detector.boxes_of, 3)  # as on a GPU
    with ThreadPoolExecutor(3) as videos:
        for batched in videos.map(detector.detect, [frames, frames[::-1], frames]):
            batched = batched if batched[0].shape == alone[0].shape else batched[::-1]
            for boxes, expected in zip(batched, alone, strict=True):
                np.testing.assert_allclose(*(rows[np.lexsort(rows.T)] for rows in (boxes, expected)), atol=1e-2)


def test_detectron2_boxes_are_the_same_bytes_beside_other_videos(small: PersonsSettings) -> None:
    detector, frames = Detectron2(small), noise((72, 100), (100, 72), (72, 100))
    alone = detector.detect(frames)
    with ThreadPoolExecutor(3) as videos:
        for detections in videos.map(detector.detect, [frames, frames, frames]):
            for boxes, expected in zip(detections, alone, strict=True):
                np.testing.assert_array_equal(boxes, expected)


@pytest.mark.parametrize(("height", "width"), [(120, 160), (50, 90), (90, 50), (40, 190), (240, 320)])
def test_detectron2_boxes_are_in_pixels_of_the_frame(
    height: int, width: int, small: PersonsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network's head is replaced: it returns the red rectangle in the resized and padded picture."""
    padded = []

    def with_new_head(config: CfgNode, build: Callable[[CfgNode], Any] = detectron2.modeling.build_model) -> Any:
        def head(images: ImageList, features: object, proposals: object, targets: None) -> tuple[list, dict]:
            padded.append(images.tensor[0, 0].numel() > np.prod(images.image_sizes[0]))
            outputs = []
            for image, size in zip(images.tensor, images.image_sizes, strict=True):  # BGR minus the mean: red is 131
                rows, columns = torch.nonzero(image[2] > 4, as_tuple=True)
                box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                classes, scores = (
                    torch.tensor([16, 0, 0]),
                    torch.tensor([0.95, 0.6, 0.9]),
                )  # a dog, and the person twice
                outputs.append(Instances(size, pred_boxes=Boxes(box.repeat(3, 1)), scores=scores, pred_classes=classes))
            return outputs, {}

        network = build(config)
        network.roi_heads.forward = head
        return network

    monkeypatch.setattr(detectron2.modeling, "build_model", with_new_head)
    frames, truth = red_rectangles(height, width)
    detector = Detectron2(small)
    one_by_one, batched = detector.detect(frames), detector.boxes_of([detector.picture(frame) for frame in frames])
    assert any(padded)
    for detections in (one_by_one, batched):
        for boxes, corners in zip(detections, truth, strict=True):
            assert boxes[:, 4].tolist() == [np.float32(0.9), np.float32(0.6)]
            np.testing.assert_allclose(boxes[:, :4], [corners, corners], atol=max(1, height / 90))


GENERATED = GeneratedSettings(motions=("wave",), scenes=("bricks", "beach"), per_pair=1, frames=6)


def test_detectron2_boxes_are_the_same_bytes_for_any_threads(small: PersonsSettings, tmp_path: Path) -> None:
    videos = write_shard_list(tmp_path, GENERATED)
    settings = PersonsSettings(model=small.model, weights=small.weights, stride=4)
    for threads in (1, 2):
        torch.set_num_threads(threads)  # as the environment may set it
        output = tmp_path / f"{threads}.h5"
        detect_persons(videos, output, tmp_path / f"store {threads}", "detectron2", settings, threads=threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()
    with h5py.File(output) as file:
        assert len(file) == 2
        for group in file.values():
            assert set(group["boxes"][:, 0]) == set(range(6)), "the detector gets frames 0, 4 and 5"


def test_detectron2_parameters_do_not_depend_on_paths(small: PersonsSettings, tmp_path: Path) -> None:
    config = small_config()
    config.MODEL.WEIGHTS = small.weights
    (tmp_path / "names its weights.yaml").write_text(config.dump())
    by_config = Detectron2(PersonsSettings(model=str(tmp_path / "names its weights.yaml")))
    assert by_config.parameters == Detectron2(small).parameters
    assert str(tmp_path) not in str(by_config.parameters)


def test_detectron2_weights_in_the_format_of_the_model_zoo(small: PersonsSettings, tmp_path: Path) -> None:
    arrays = {name: values.numpy() for name, values in torch.load(small.weights)["model"].items()}
    with open(tmp_path / "zoo.pkl", "wb") as file:
        pickle.dump({"model": arrays, "__author__": "Detectron2 Model Zoo"}, file)
    (frame,) = noise((72, 100))
    published = PersonsSettings(model=small.model, weights=str(tmp_path / "zoo.pkl"))
    np.testing.assert_array_equal(Detectron2(published).detect([frame]), Detectron2(small).detect([frame]))


@pytest.mark.parametrize("content", ["nothing", "text", "list", "another network"])
def test_detectron2_wrong_weights(content: str, small: PersonsSettings, tmp_path: Path) -> None:
    weights = Path(small.weights)
    if content == "nothing":
        weights.unlink()
    elif content == "text":
        weights.write_text("no weights")
    else:
        torch.save([1, 2] if content == "list" else {"model": {"fc.weight": torch.zeros(3)}}, weights)
    with pytest.raises(StageError, match=r"persons\.weights: .*random\.pth") as error:
        detect_persons(
            write_shard_list(tmp_path, GENERATED), tmp_path / "persons.h5", tmp_path / "store", "detectron2", small
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store").exists() and not (tmp_path / "persons.h5").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "COCO-InstanceSegmentation/mask_rcnn_R_202_FPN_3x.yaml",
            r"persons\.model: .*R_202.*Model Zoo.* such as .*mask_rcnn_R_101_FPN_3x",
        ),
        ("MODEL: {NETWORK: none}\n", r"persons\.model: .*MODEL\.NETWORK"),
        ("no: [config", r"persons\.model: "),
        ("VERSION: 2\nMODEL: {WEIGHTS: ''}\n", r"persons\.weights: .* names no weights"),
    ],
)
def test_detectron2_wrong_model(model: str, message: str, tmp_path: Path) -> None:
    if "/" not in model:
        (tmp_path / "model.yaml").write_text(model)
        model = str(tmp_path / "model.yaml")
    with pytest.raises(StageError, match=message) as error:
        Detectron2(PersonsSettings(model=model))
    assert "\n" not in str(error.value)
