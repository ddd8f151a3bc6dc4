"""The persons stage: its file, the store, the frames that are skipped, and errors."""

import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from frames_and_videos import write_shard_list
from hypothesis import given
from hypothesis import strategies as st

from idt_tools.attributes import read_attributes
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detect_persons import boxes_of, detect_persons
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """The list of a shard with two generated videos and a broken file."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.avi").write_text("no video at all")
    generated = GeneratedSettings(motions=("wave",), scenes=("bricks", "beach"), per_pair=1, frames=4)
    return write_shard_list(tmp_path, generated, "broken.avi")


def detect(shard: Path, output: str, settings: PersonsSettings, store: str = "store", detector: str = "hog") -> Path:
    out = shard.parent / output
    detect_persons(shard, out, shard.parent / store, detector, settings)
    return out


def test_detect_persons_writes_a_group_per_video(shard: Path) -> None:
    out = detect(shard, "a.h5", PersonsSettings())
    with h5py.File(out) as file:
        assert read_attributes(file)["stage"] == "persons"
        assert list(file) == sorted(file) and len(file) == 3
        for name, group in file.items():
            boxes, attributes = group["boxes"][:], read_attributes(group)
            assert boxes.dtype == np.float32 and boxes.shape[1] == 6
            if name.startswith("broken"):
                assert attributes["status"] == "unreadable" and attributes["reason"] and not len(boxes)
                continue
            assert attributes["status"] == "ok"
            assert (attributes["n_frames"], attributes["width"], attributes["height"]) == (4, 160, 120)
            assert len(boxes) and (np.diff(boxes[:, 0]) >= 0).all()
            assert set(boxes[:, 0]) <= {0, 1, 2, 3}
            assert (boxes[:, 1:3] >= 0).all() and (boxes[:, 3:5] <= (160, 120)).all()
    repeated = detect(shard, "b.h5", PersonsSettings(), store="another store")
    assert out.read_bytes() == repeated.read_bytes()


def test_detect_persons_ignores_settings_of_other_detectors(shard: Path, caplog: pytest.LogCaptureFixture) -> None:
    detect(shard, "a.h5", PersonsSettings())
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    detect(shard, "b.h5", PersonsSettings(weights="elsewhere.pkl", batch_size=2))
    assert "computed" not in caplog.text
    detect(shard, "c.h5", PersonsSettings(hog_threshold=0.2))
    assert caplog.text.count("computed") == 3


def test_detect_persons_resumes_a_stopped_shard(
    shard: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = detect(shard, "whole.h5", PersonsSettings(), store="another store")
    videos_left = [1]

    def detect_once(hog: Hog, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        boxes = hog_detect(hog, frames)
        if not videos_left:
            raise RuntimeError("the GPU is gone")
        videos_left.pop()
        return boxes

    hog_detect = Hog.detect
    monkeypatch.setattr(Hog, "detect", detect_once)
    with pytest.raises(RuntimeError, match="the GPU is gone"):
        detect(shard, "a.h5", PersonsSettings())
    monkeypatch.undo()
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    assert detect(shard, "a.h5", PersonsSettings()).read_bytes() == whole.read_bytes()
    assert caplog.text.count("computed") == 1, "the broken video and the one before are not computed again"


class BrightnessDetector:
    """Finds one person per frame, whose x is the brightness of the frame, and records the brightness."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.brightness: list[int] = []

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        before = len(self.brightness)
        self.brightness += [int(frame[0, 0, 0]) for frame in frames]
        return [np.array([[x, 0, x + 20.0, 2, 1]], np.float32) for x in self.brightness[before:]]


@pytest.mark.parametrize("stride", [1, 2, 3, 100])
@pytest.mark.parametrize("n_frames", [0, 1, 64, 70])
def test_boxes_of_all_frames_with_a_stride(stride: int, n_frames: int) -> None:
    frames = (np.full((4, 5, 3), number, np.uint8) for number in range(n_frames))
    detector = BrightnessDetector()
    result = boxes_of(frames, detector, stride)
    boxes = result.arrays["boxes"]
    assert detector.brightness == sorted({*range(0, n_frames, stride), *range(n_frames)[-1:]})
    assert result.attributes["n_frames"] == n_frames
    assert boxes[:, 0].tolist() == list(range(n_frames))
    if stride < 20:  # with a larger stride, the boxes do not overlap
        np.testing.assert_allclose(boxes[:, 1], np.arange(n_frames), atol=1e-4)


def uniform(brightness: Iterable[int]) -> Iterable[np.ndarray]:
    """Yields a frame of one grey value for each value."""
    return (np.full((4, 5, 3), value, np.uint8) for value in brightness)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.integers(1, 4), st.floats(0, 255, exclude_min=True))
def test_boxes_of_adaptive_detects_what_differs_from_the_last_detected_frame(
    brightness: list[int], stride: int, adaptive: float
) -> None:
    detector = BrightnessDetector()
    boxes = boxes_of(uniform(brightness), detector, stride, adaptive).arrays["boxes"]
    candidates = sorted({*range(0, len(brightness), stride), len(brightness) - 1})
    expected = [brightness[0]]
    for number in candidates:
        if abs(brightness[number] - expected[-1]) >= adaptive:
            expected.append(brightness[number])
    assert detector.brightness == expected
    assert set(boxes[:, 0]) == set(range(len(brightness)))
    assert min(expected) - 1e-3 <= boxes[:, 1].min() and boxes[:, 1].max() <= max(expected) + 1e-3


def test_boxes_of_adaptive_zero_detects_equal_frames_too() -> None:
    detector = BrightnessDetector()
    boxes_of(uniform([7] * 5), detector, stride=1, adaptive=0)
    assert len(detector.brightness) == 5


@pytest.mark.parametrize(
    ("brightness", "n_detected"),
    [
        ([9] * 30, 1),  # nothing changes
        (range(0, 41), 9),  # steady motion: every fifth frame
        ([0] * 10 + [12] * 10, 2),  # a sudden motion after a rest
        (np.repeat(range(0, 90, 6), 3).tolist(), 15),  # each frame three times
    ],
)
def test_boxes_of_adaptive_moves_boxes_as_far_as_the_picture_changes(
    brightness: Iterable[int], n_detected: int
) -> None:
    """The position of the person is the brightness, so the boxes are those of every frame."""
    detector = BrightnessDetector()
    boxes = boxes_of(uniform(brightness), detector, stride=1, adaptive=5).arrays["boxes"]
    assert len(detector.brightness) == n_detected
    np.testing.assert_allclose(boxes[:, 1], list(brightness), atol=1e-4)


def test_boxes_of_adaptive_with_a_stride() -> None:
    """Frames 0, 2, 4, ... are candidates. Boxes move evenly between two candidates."""
    detector = BrightnessDetector()
    boxes = boxes_of(uniform([0, 50, 2, 60, 8, 70, 14]), detector, stride=2, adaptive=5).arrays["boxes"]
    assert detector.brightness == [0, 8, 14]
    np.testing.assert_allclose(boxes[:, 1], [0, 1, 2, 5, 8, 11, 14], atol=1e-4)


def test_detect_persons_recomputes_for_another_adaptive(shard: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = detect(shard, "a.h5", PersonsSettings(adaptive=0))
    with h5py.File(out) as file:
        assert "adaptive" not in json.loads(read_attributes(file)["parameters"]), "earlier results stay valid"
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    detect(shard, "b.h5", PersonsSettings(adaptive=2))
    assert caplog.text.count("computed") == 3


@pytest.mark.skipif(find_spec("detectron2") is not None, reason="detectron2 is installed here")
def test_detect_persons_without_the_detector(shard: Path) -> None:
    with pytest.raises(StageError, match="detectron2 cannot be used here"):
        detect(shard, "a.h5", PersonsSettings(), detector="detectron2")
    assert not (shard.parent / "store").exists() and not (shard.parent / "a.h5").exists()


def test_detect_persons_with_a_stride_of_zero(shard: Path) -> None:
    with pytest.raises(StageError, match=r"persons\.stride"):
        detect(shard, "a.h5", PersonsSettings(stride=0))
