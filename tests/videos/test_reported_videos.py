"""Videos that users reported, in the index and in the stages that decode them."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import idt_tools
from idt_tools.attributes import read_attributes
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.persons.detect_persons import boxes_of
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings, keeps_all
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings, ReadingSettings

NAMES = (
    "vfr_called_truncated/drop25_mkvmerge.mkv",
    "vfr_called_truncated/drop25_copy.avi",
    "one_bad_packet/corrupt_h264.mp4",
    "one_bad_packet/hole_h264.mp4",
    "rotation_ignored/rot90.mp4",
    "metadata_not_utf8/meta_latin1.avi",
    "cover_art_first/cover_first2.mp4",
)


@pytest.fixture
def root(shared: Path, tmp_path: Path) -> Path:
    """A dataset of reported videos."""
    folder = tmp_path / "videos" / "a"
    folder.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(shared / "videos" / "reported" / name, folder)
    return folder.parent


def index_by_name(root: Path, folder: Path, **limits: float) -> dict[str, dict[str, str]]:
    """Returns the rows of the index by file name."""
    settings = DatasetSettings(root=str(root), shards=1)
    index_videos("d", folder / "index.tsv", settings, max_failed_fraction=1, reading=ReadingSettings(**limits))  # type: ignore[arg-type]
    return {Path(row["path"]).name: row for row in read_columns(folder / "index.tsv")}


def test_index_videos_header_values_of_reported_videos(root: Path, tmp_path: Path) -> None:
    rows = index_by_name(root, tmp_path / "index")
    assert {row["status"] for row in rows.values()} == {"ok"}
    variable_rate = rows["drop25_mkvmerge.mkv"]
    assert (variable_rate["n_frames"], variable_rate["fps"]) == ("", "") and 67 <= int(
        variable_rate["estimated_frames"]
    ) <= 89
    assert float(variable_rate["seconds"]) == pytest.approx(2.966, abs=0.01)
    assert (rows["drop25_copy.avi"]["n_frames"], rows["drop25_copy.avi"]["seconds"]) == ("67", "2.95")
    assert float(rows["drop25_copy.avi"]["fps"]) == pytest.approx(67 / 2.95)
    for name, size in {"rot90.mp4": ("160", "120"), "cover_first2.mp4": ("160", "120")}.items():
        assert (rows[name]["width"], rows[name]["height"], rows[name]["n_frames"]) == (*size, "45")


def test_stages_count_the_same_frames(root: Path, tmp_path: Path) -> None:
    rows = index_by_name(root, tmp_path / "index")
    (shard,) = (tmp_path / "index" / "shards").glob("*.tsv")
    store_frames(shard, tmp_path / "frames.h5", tmp_path / "store1", FramesSettings(short_side=48))
    extract_shard(shard, tmp_path / "tracks.h5", tmp_path / "store2", TrajectoriesSettings(max_side=120))
    expected = {"corrupt_h264.mp4": (44, 1), "drop25_mkvmerge.mkv": (67, 0), "rot90.mp4": (45, 0)}
    with h5py.File(tmp_path / "frames.h5") as frames, h5py.File(tmp_path / "tracks.h5") as tracks:
        for name, counts in expected.items():
            stored, tracked = (read_attributes(file[rows[name]["video_id"]]) for file in (frames, tracks))
            assert (stored["n_frames"], stored["n_skipped"]) == (tracked["n_frames"], tracked["n_skipped"]) == counts
            assert stored["fps"] == pytest.approx(tracked["fps"])
        variable_rate = read_attributes(frames[rows["drop25_mkvmerge.mkv"]["video_id"]])
        assert variable_rate["fps"] == pytest.approx(67 / 2.966, rel=0.01)
        rotated = read_attributes(tracks[rows["rot90.mp4"]["video_id"]])
        assert (rotated["width"], rotated["height"]) == (120, 90)
        for file in (frames, tracks):
            hole = read_attributes(file[rows["hole_h264.mp4"]["video_id"]])
            assert hole["status"] == "corrupted" and "11 of 45 frames are damaged" in hole["reason"]
        ends = tracks[rows["corrupt_h264.mp4"]["video_id"]]["info"][:, 0]
        assert (
            len(ends) and not ((ends >= 23) & (ends < 23 + 15)).any()
        )  # resized frames keep the information about the gap


def test_reading_settings_apply_to_all_stages(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "a" / "meta_latin1.avi", root / "a" / "again.avi")
    rows = index_by_name(root, tmp_path / "index", max_frame_side=159)
    assert rows["rot90.mp4"]["status"] == "too_large" and rows["meta_latin1.avi"]["status"] == "ok"
    for path in (root / "a").iterdir():
        if path.name not in ("hole_h264.mp4", "rot90.mp4"):
            path.unlink()
    rows = index_by_name(root, tmp_path / "index")
    (shard,) = (tmp_path / "index" / "shards").glob("*.tsv")
    hole = rows["hole_h264.mp4"]["video_id"]
    lenient = ReadingSettings(max_corrupt_fraction=0.3)
    for reading, status in ((ReadingSettings(), "corrupted"), (lenient, "ok")):  # the second uses no stored results
        store_frames(shard, tmp_path / "f.h5", tmp_path / "store1", FramesSettings(short_side=48), reading=reading)
        extract_shard(shard, tmp_path / "t.h5", tmp_path / "store2", TrajectoriesSettings(max_side=80), reading=reading)
        for path in ("f.h5", "t.h5"):
            with h5py.File(tmp_path / path) as file:
                assert read_attributes(file[hole])["status"] == status


class BrightnessDetector:
    """Finds one box per frame, whose score is the brightness of the frame."""

    parameters: dict[str, object] = {}  # noqa: RUF012

    def detect(self, frames: object) -> list[np.ndarray]:
        return [np.array([[0, 0, 9, 9, frame.mean()]], np.float32) for frame in frames]  # type: ignore[attr-defined]


def test_boxes_of_a_video_with_a_damaged_frame(shared: Path) -> None:
    path = shared / "videos" / "reported" / "one_bad_packet" / "corrupt_h264.mp4"
    result = boxes_of(idt_tools.read_video(path), BrightnessDetector(), stride=1)  # type: ignore[arg-type]
    frames = list(idt_tools.read_video(path))
    assert (result.attributes["n_frames"], result.attributes["n_skipped"]) == (44, 1)
    assert (result.arrays["boxes"][:, 0] == range(44)).all()
    assert np.allclose(result.arrays["boxes"][:, 5], [frame.mean() for frame in frames])


def test_index_videos_totals_of_a_wrong_header(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos" / "a"
    folder.mkdir(parents=True)
    for name in ("lying_header.avi", "another.avi"):
        shutil.copy(shared / "videos" / "hostile" / "lying_header.avi", folder / name)
    rows = index_by_name(folder.parent, tmp_path / "index")
    assert rows["lying_header.avi"]["n_frames"] == "25"
    totals = json.loads((tmp_path / "index" / "totals.json").read_text())
    assert (totals["frames"], totals["pixels"], totals["seconds"]) == (50, 50 * 160 * 120, 2.0)
    assert keeps_all("auto", 100, totals["pixels"])
