"""torchvision's detectors: real forward passes, boxes in pixels of the frames, and a small network that is trained."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("torchvision", reason="torchvision is not installed here; `make test-persons` installs it")
import torch
from frames_and_videos import assert_valid, red_rectangles, write_shard_list
from torchvision.models import detection, get_model_weights, list_models
from torchvision.models.detection.image_list import ImageList
from toy_detector import toy_mask_rcnn, train_toy

from workflow_scripts.ground.identity import video_id
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.batches import Batches
from workflow_scripts.persons.boxes import overlaps
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.detectors import make_detector
from workflow_scripts.persons.models import SECONDS_PER_FRAME
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.persons.torchvision_detector import Torchvision
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings

pytestmark = pytest.mark.slow  # trains a network

NETWORK = "maskrcnn_resnet50_fpn_v2"


def small_toy(weights: None, weights_backbone: None) -> detection.MaskRCNN:
    """Replaces `maskrcnn_resnet50_fpn_v2`."""
    return toy_mask_rcnn()


@pytest.fixture
def toy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of random weights of the toy, which replaces the published network."""
    monkeypatch.setattr(detection, NETWORK, small_toy)
    torch.manual_seed(0)
    torch.save(toy_mask_rcnn().state_dict(), tmp_path / "toy.pt")
    return tmp_path / "toy.pt"


def random_weights(model: str, file: Path) -> dict[str, torch.Tensor]:
    """Returns random weights of a model whose scores favour persons, and writes them to a file."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = getattr(detection, model)(weights=None, weights_backbone=None).state_dict()
    n_classes = len(get_model_weights(model).COCO_V1.meta["categories"])
    for name, values in state.items():
        if any(part in name for part in ("cls_score", "cls_logits", "classification_head.module_list")):
            if name.endswith("bias") and len(values) % n_classes == 0:
                values.view(-1, n_classes)[:, 1] += 7
        elif name.endswith("running_var"):  # the same network, but with a greater effect of the norm's epsilon
            values *= 1e-4
            state[name.replace("running_var", "weight")] *= 1e-2
    torch.save(state, file)
    return state


def noise(*sizes: tuple[int, int]) -> list[np.ndarray]:
    """Returns a random frame (height, width, 3) of each size."""
    return [np.random.default_rng(n).integers(256, size=(*size, 3), dtype=np.uint8) for n, size in enumerate(sizes)]


@pytest.mark.parametrize("model", list_models(module=detection))
def test_torchvision_equals_the_model_with_published_weights(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision builds the reference as if the random weights were the published ones, which it would download."""
    state, fixed = random_weights(model, tmp_path / "random.pt"), model.startswith("ssd")
    detector = Torchvision(
        PersonsSettings(model=model, weights=str(tmp_path / "random.pt"), short_side=0 if fixed else 96)
    )
    (tmp_path / "random.pt").unlink()
    (frame,) = noise((72, 100))
    ((boxes,), (again,)) = detector.detect([frame]), detector.detect([frame])
    assert len(boxes)
    assert_valid(boxes, 72, 100)
    np.testing.assert_array_equal(boxes, again)

    published = get_model_weights(model)
    monkeypatch.setattr(published, "get_state_dict", lambda *_, **__: state)
    size: dict[str, Any] = {} if fixed else {"min_size": 96}
    reference = getattr(detection, model)(weights=published.COCO_V1, **size).eval()
    image = torch.as_tensor(frame).permute(2, 0, 1) / 255
    with torch.inference_mode():
        (theirs,), (ours,) = reference([image]), detector._network([image])
    assert ours.keys() == {"boxes", "labels", "scores"}, "no masks and no keypoints"
    are_persons = (theirs["labels"] == 1) & (theirs["scores"] > 0.5)
    expected = torch.column_stack([theirs["boxes"], theirs["scores"]])[are_persons].numpy()
    expected = expected[(expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])]
    np.testing.assert_allclose(boxes, expected[np.argsort(-expected[:, 4], kind="stable")], rtol=1e-4, atol=1e-3)


def test_torchvision_default_network_in_batches(tmp_path: Path) -> None:
    random_weights(NETWORK, tmp_path / "random.pt")
    detector = Torchvision(PersonsSettings(weights=str(tmp_path / "random.pt"), short_side=64))
    frames = noise(*[(72, 100)] * 3)
    detections = detector.detect(frames)
    assert len(detections) == 3 and detector.detect([]) == []
    detector.batches = Batches(detector.boxes_of, 2)  # as on a GPU
    for boxes, in_batches in zip(detections, detector.detect(frames), strict=True):
        assert len(boxes) > 2
        np.testing.assert_allclose(*(rows[np.argsort(rows[:, 0])] for rows in (boxes, in_batches)), atol=1e-2)


def test_torchvision_parameters_name_the_size_that_is_set(toy_file: Path) -> None:
    default = make_detector("torchvision", PersonsSettings(weights=str(toy_file))).parameters
    assert default == make_detector("torchvision", PersonsSettings(weights=str(toy_file), model=NETWORK)).parameters
    assert default.keys() == {"detector", "model", "weights", "threshold"}, "the boxes stay valid"
    resized = make_detector("torchvision", PersonsSettings(weights=str(toy_file), short_side=90)).parameters
    assert resized == {**default, "short_side": 90}


def test_torchvision_models_are_priced() -> None:
    assert SECONDS_PER_FRAME["torchvision"].keys() == set(list_models(module=detection))


def test_torchvision_unknown_model() -> None:
    with pytest.raises(StageError, match=r"'R_101_FPN_3x'; choose .*fasterrcnn_mobilenet_v3_large_320_fpn, ") as error:
        make_detector("torchvision", PersonsSettings(model="R_101_FPN_3x"))
    assert "\n" not in str(error.value)


def test_torchvision_short_side_of_a_model_of_one_size(tmp_path: Path) -> None:
    random_weights("ssdlite320_mobilenet_v3_large", tmp_path / "random.pt")
    settings = PersonsSettings(
        model="ssdlite320_mobilenet_v3_large", weights=str(tmp_path / "random.pt"), short_side=240
    )
    with pytest.raises(StageError, match=r"persons\.short_side: ssdlite320.*320 x 320 pixels"):
        make_detector("torchvision", settings)


@pytest.mark.parametrize(("height", "width"), [(120, 160), (50, 90), (90, 50), (40, 190), (240, 320)])
def test_torchvision_boxes_are_in_pixels_of_the_frame(
    height: int, width: int, toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network's head is replaced: it returns the red rectangle in the resized and padded picture."""
    inputs: list[ImageList] = []

    def with_new_head(network: detection.MaskRCNN) -> detection.MaskRCNN:
        def head(features: object, proposals: object, sizes: object, targets: None) -> tuple[list, dict]:
            outputs = []
            for image in inputs[-1].tensors:  # (3, h, w), minus mean, over standard deviation: red is 2.2, black -2.1
                rows, columns = torch.nonzero(image[0] > 0.05, as_tuple=True)
                box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                labels, scores = torch.tensor([18, 1, 1]), torch.tensor([0.95, 0.6, 0.9])  # a dog, and the person twice
                outputs.append({"boxes": box.repeat(3, 1), "labels": labels, "scores": scores})
            return outputs, {}

        network.transform.register_forward_hook(lambda module, args, output: inputs.append(output[0]))
        network.roi_heads.forward = head
        return network

    monkeypatch.setattr(detection, NETWORK, lambda **options: with_new_head(small_toy(**options)))
    frames, truth = red_rectangles(height, width)
    detector = Torchvision(PersonsSettings(weights=str(toy_file)))
    one_by_one, batched = detector.detect(frames), detector.boxes_of([detector.picture(frame) for frame in frames])
    assert inputs[0].tensors[0, 0].numel() > np.prod(inputs[0].image_sizes[0]), "it was padded"
    for detections in (one_by_one, batched):
        for boxes, corners in zip(detections, truth, strict=True):
            assert boxes[:, 4].tolist() == [np.float32(0.9), np.float32(0.6)]
            np.testing.assert_allclose(boxes[:, :4], [corners, corners], atol=max(1, height / 100))


def test_torchvision_weights_by_url(toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    by_url = make_detector("torchvision", PersonsSettings(weights=toy_file.as_uri()))
    by_path = make_detector("torchvision", PersonsSettings(weights=str(toy_file)))
    frame = np.random.default_rng(0).integers(256, size=(120, 160, 3), dtype=np.uint8)
    np.testing.assert_array_equal(by_url.detect([frame])[0], by_path.detect([frame])[0])


@pytest.mark.parametrize("content", ["nothing", "text", "list", "another network"])
def test_torchvision_wrong_weights(content: str, toy_file: Path, tmp_path: Path) -> None:
    if content == "nothing":
        toy_file.unlink()
    elif content == "text":
        toy_file.write_text("no weights")
    else:
        torch.save([1, 2] if content == "list" else {"fc.weight": torch.zeros(3)}, toy_file)
    videos = write_shard_list(tmp_path, GeneratedSettings(motions=("wave",), scenes=("beach",), per_pair=1, frames=2))
    with pytest.raises(StageError, match=r"persons\.weights: cannot load .*toy\.pt.*maskrcnn_resnet50_fpn_v2") as error:
        detect(videos, toy_file)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store").exists() and not (tmp_path / "persons.h5").exists()


def detect(videos: Path, weights: Path, **settings: int) -> dict[str, np.ndarray]:
    """Returns the boxes that the stage finds in each video of a list."""
    output = videos.parent / "persons.h5"
    persons_settings = PersonsSettings(weights=str(weights), **settings)
    detect_persons(videos, output, videos.parent / "store", "torchvision", persons_settings)
    with h5py.File(output) as file:
        return {name: group["boxes"][:] for name, group in file.items()}


def test_torchvision_boxes_are_the_same_bytes_for_any_threads(toy_file: Path, tmp_path: Path) -> None:
    state = torch.load(toy_file)
    state["roi_heads.box_predictor.cls_score.bias"][1] = 15
    torch.save(state, toy_file)
    videos = write_shard_list(tmp_path, GeneratedSettings(motions=("wave", "walk"), per_pair=1, frames=6))
    outputs = [tmp_path / f"{threads}.h5" for threads in (1, 3)]
    for output, threads in zip(outputs, (1, 3), strict=True):
        torch.set_num_threads(threads)  # as the environment may set it
        settings = PersonsSettings(weights=str(toy_file), stride=2)
        detect_persons(videos, output, output.with_suffix(".store"), "torchvision", settings, threads=threads)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    with h5py.File(outputs[0]) as file:
        assert all(len(group["boxes"]) for group in file.values())


def test_torchvision_trained_toy_finds_moving_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Persons, places and times are not those of the training. The stride is 2."""
    torch.set_num_threads(1)
    monkeypatch.setattr(detection, NETWORK, small_toy)
    torch.save(train_toy(steps=400), tmp_path / "toy.pt")
    generated = GeneratedSettings(motions=("walk", "jump"), per_pair=1, frames=16, seed=1)
    boxes_by_video = detect(write_shard_list(tmp_path, generated), tmp_path / "toy.pt", stride=2)
    ious, truths, correct = [], [], []
    for motion in generated.motions:
        for scene in generated.scenes:
            boxes = boxes_by_video[video_id(f"{motion}/{motion}_{scene}_00.mp4")]
            for number, frame in enumerate(render_with_truth(motion, scene, 0, generated)):
                truths.append(frame.box)
                iou = overlaps(boxes[boxes[:, 0] == number, 1:], frame.box[None])[:, 0]
                ious.append(iou.max(initial=0))
                correct += (iou > 0.5).tolist()
    recall, precision = np.mean(np.array(ious) > 0.5), np.mean(correct)
    constant_box = overlaps(np.median(truths, axis=0)[None], np.array(truths))[0]
    summary = (
        f"mean IoU {np.mean(ious):.2f}, recall {recall:.2f}, precision {precision:.2f}; one box for all has mean IoU "
    )
    summary += f"{constant_box.mean():.2f} and recall {np.mean(constant_box > 0.5):.2f}"
    print(summary)
    assert recall >= 0.85 and precision >= 0.65, summary
    assert np.mean(ious) > constant_box.mean() + 0.2, summary
