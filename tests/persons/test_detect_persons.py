"""The persons stage: boxes of every video by id, broken videos as rows, the stride, what is kept."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from idt_tools.attributes import read_attributes
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.identity import video_id
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detect_persons import boxes_of, detect_persons
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """The list of a shard with two generated videos and a file that is none."""
    generated = GeneratedSettings(motions=("wave",), scenes=("bricks", "beach"), per_pair=1, frames=4)
    paths = [row["path"] for row in generate_videos(tmp_path / "videos", generated)]
    (tmp_path / "videos" / "broken.avi").write_text("no video at all")
    rows = []
    for path in [*paths, "broken.avi"]:
        stat = (tmp_path / "videos" / path).stat()
        rows.append(
            {
                "video_id": video_id(path),
                "path": str(tmp_path / "videos" / path),
                "bytes": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
            }
        )
    write_columns(tmp_path / "shard.tsv", rows, ["video_id", "path", "bytes", "mtime_ns"])
    return tmp_path / "shard.tsv"


def run(shard: Path, output: str, settings: PersonsSettings, store: str = "store", detector: str = "hog") -> Path:
    out = shard.parent / output
    detect_persons(shard, out, shard.parent / store, detector, settings)
    return out


def test_every_video_has_a_group_and_a_status(shard: Path) -> None:
    out = run(shard, "a.h5", PersonsSettings())
    with h5py.File(out) as file:
        assert read_attributes(file)["stage"] == "persons"
        assert list(file) == sorted(file) and len(file) == 3
        for name, group in file.items():
            boxes, told = group["boxes"][:], read_attributes(group)
            assert boxes.dtype == np.float32 and boxes.shape[1] == 6
            if name.startswith("broken"):
                assert told["status"] == "unreadable" and told["reason"] and not len(boxes)
                continue
            assert told["status"] == "ok"
            assert (told["n_frames"], told["width"], told["height"]) == (4, 160, 120)
            assert len(boxes) and (np.diff(boxes[:, 0]) >= 0).all()
            assert set(boxes[:, 0]) <= {0, 1, 2, 3}
            assert (boxes[:, 1:3] >= 0).all() and (boxes[:, 3:5] <= (160, 120)).all()
    again = run(shard, "b.h5", PersonsSettings(), store="another store")
    assert out.read_bytes() == again.read_bytes()


def test_settings_of_other_detectors_recompute_nothing(shard: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(shard, "a.h5", PersonsSettings())
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    run(shard, "b.h5", PersonsSettings(weights="elsewhere.pkl", batch_size=2))
    assert "computed" not in caplog.text
    run(shard, "c.h5", PersonsSettings(hog_threshold=0.2))
    assert caplog.text.count("computed") == 3


def test_a_shard_that_was_stopped_goes_on_with_the_next_video(
    shard: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(shard, "whole.h5", PersonsSettings(), store="another store")
    videos_left = [1]

    def detect(hog: Hog, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        boxes = found(hog, frames)
        if not videos_left:
            raise RuntimeError("the GPU is gone")
        videos_left.pop()
        return boxes

    found = Hog.detect
    monkeypatch.setattr(Hog, "detect", detect)
    with pytest.raises(RuntimeError, match="the GPU is gone"):
        run(shard, "a.h5", PersonsSettings())
    monkeypatch.undo()
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    assert run(shard, "a.h5", PersonsSettings()).read_bytes() == whole.read_bytes()
    assert caplog.text.count("computed") == 1, "the broken video and the one before are kept"


class Counting:
    """Finds one person per frame, at the x that the frame's brightness says, and notes it."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.looked: list[int] = []

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        before = len(self.looked)
        self.looked += [int(frame[0, 0, 0]) for frame in frames]
        return [np.array([[x, 0, x + 20.0, 2, 1]], np.float32) for x in self.looked[before:]]


@pytest.mark.parametrize("stride", [1, 2, 3, 100])
@pytest.mark.parametrize("n_frames", [0, 1, 64, 70])
def test_every_frame_has_boxes_where_few_are_looked_at(stride: int, n_frames: int) -> None:
    frames = (np.full((4, 5, 3), number, np.uint8) for number in range(n_frames))
    counting = Counting()
    result = boxes_of(frames, counting, stride)
    boxes = result.arrays["boxes"]
    assert counting.looked == sorted({*range(0, n_frames, stride), *range(n_frames)[-1:]})
    assert result.attributes["n_frames"] == n_frames
    assert boxes[:, 0].tolist() == list(range(n_frames))
    if stride < 20:  # farther on, the person has left his place
        np.testing.assert_allclose(boxes[:, 1], np.arange(n_frames), atol=1e-4)


@pytest.mark.skipif(find_spec("detectron2") is not None, reason="detectron2 is installed here")
def test_a_missing_detector_stops_before_any_work(shard: Path) -> None:
    with pytest.raises(StageError, match="detectron2 cannot be used here"):
        run(shard, "a.h5", PersonsSettings(), detector="detectron2")
    assert not (shard.parent / "store").exists() and not (shard.parent / "a.h5").exists()


def test_a_stride_of_zero_is_refused(shard: Path) -> None:
    with pytest.raises(StageError, match=r"persons\.stride"):
        run(shard, "a.h5", PersonsSettings(stride=0))
