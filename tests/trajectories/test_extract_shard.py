"""The trajectories stage: the tracker's trajectories by video, boxes, the store, and rows of the original extractor."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import idt_tools
from idt_tools import cli
from idt_tools.attributes import read_attributes
from idt_tools.trajectory_files import write_text_rows
from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings


@pytest.fixture(scope="module")
def shard_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard's list of two good videos and a broken one."""
    root = tmp_path_factory.mktemp("videos")
    settings = GeneratedSettings(motions=("walk",), scenes=("bricks",), per_pair=2, frames=20, width=128, height=96)
    paths = [root / row["path"] for row in generate_videos(root, settings)]
    broken = root / "broken.mp4"
    broken.write_bytes(paths[0].read_bytes()[:3000])
    columns = {"width": 128, "height": 96, "fps": 25, "bytes": 1, "mtime_ns": 1}
    rows = [{"video_id": path.stem, "path": path, **columns} for path in [*paths, broken]]
    write_columns(root / "shard.tsv", rows, ["video_id", "path", *columns])
    return root / "shard.tsv"


def test_extract_shard_equals_the_tracker(shard_list: Path, tmp_path: Path) -> None:
    extract_shard(shard_list, tmp_path / "s.h5", tmp_path / "store", TrajectoriesSettings())
    with h5py.File(tmp_path / "s.h5") as file:
        assert list(file) == ["broken", "walk_bricks_00", "walk_bricks_01"]
        video = file["walk_bricks_00"]
        trajectories = idt_tools.extract(idt_tools.read_video(shard_list.parent / "walk" / "walk_bricks_00.mp4"))
        assert np.array_equal(video["info"][:], trajectories.info, equal_nan=True) and len(trajectories) > 20
        assert np.array_equal(video["descriptors"][:], trajectories.descriptors.astype(np.float16))
        attributes = read_attributes(video)
        assert (attributes["n_frames"], attributes["width"], attributes["status"]) == (20, 128, "ok")
        assert "mbhy 330-425" in read_attributes(video["descriptors"])["meaning"]
        broken = read_attributes(file["broken"])
        extracted = tmp_path / "extracted.h5"
        clip = shard_list.parent / "walk" / "walk_bricks_00.mp4"
        assert cli.main(["extract", str(clip), "-o", str(extracted)]) == 0
        with h5py.File(extracted) as single:
            for name in ("info", "descriptors"):
                for rows in (video[name], file["broken"][name]):
                    for key in ("columns", "unit"):
                        assert np.array_equal(read_attributes(rows)[key], read_attributes(single[name])[key])
                assert len(read_attributes(video[name])["columns"]) == video[name].shape[1]
        assert broken["status"] != "ok" and broken["reason"]
        assert file["broken"]["descriptors"].shape == (0, 426)


def test_extract_shard_is_the_same_for_any_threads_and_from_the_store(shard_list: Path, tmp_path: Path) -> None:
    extract_shard(shard_list, tmp_path / "one.h5", tmp_path / "store1", TrajectoriesSettings())
    extract_shard(shard_list, tmp_path / "two.h5", tmp_path / "store2", TrajectoriesSettings(), threads=2)
    extract_shard(shard_list, tmp_path / "again.h5", tmp_path / "store1", TrajectoriesSettings())
    one = (tmp_path / "one.h5").read_bytes()
    assert one == (tmp_path / "two.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()


def test_extract_shard_with_boxes(shard_list: Path, tmp_path: Path) -> None:
    def write_boxes(path: Path, key: str, box: list[float]) -> None:
        rows = np.array([[frame, *box, 1] for frame in range(20)], np.float32)
        with write_hdf5(path, stage="persons", version=1, parameters={}) as file:
            for name in ("broken", "walk_bricks_00", "walk_bricks_01"):
                group = file.create_group(name)
                group.attrs["key"] = key
                dataset(group, "boxes", rows)

    write_boxes(tmp_path / "some.h5", "a", [0, 0, 127, 95])  # nothing is left to estimate the camera's motion
    arguments = (tmp_path / "store", TrajectoriesSettings())
    extract_shard(shard_list, tmp_path / "none.h5", *arguments)
    extract_shard(shard_list, tmp_path / "masked.h5", *arguments, boxes=tmp_path / "some.h5")
    with h5py.File(tmp_path / "none.h5") as without, h5py.File(tmp_path / "masked.h5") as masked:
        name = "walk_bricks_00"
        assert without[name].attrs["key"] != masked[name].attrs["key"]
        assert not np.array_equal(without[name]["descriptors"][:], masked[name]["descriptors"][:])


def test_extract_shard_reduces_large_frames(shard_list: Path, tmp_path: Path) -> None:
    extract_shard(shard_list, tmp_path / "s.h5", tmp_path / "store", TrajectoriesSettings(max_side=64))
    with h5py.File(tmp_path / "s.h5") as file:
        assert (file["walk_bricks_00"].attrs["width"], file["walk_bricks_00"].attrs["height"]) == (64, 48)


def test_extract_shard_with_rows_of_the_original_extractor(shard_list: Path, tmp_path: Path) -> None:
    one, two = (shard_list.parent / "walk" / f"walk_bricks_0{take}.mp4" for take in range(2))
    tracked = idt_tools.extract(idt_tools.read_video(one))
    (tmp_path / "rows" / "walk").mkdir(parents=True)
    write_text_rows(tmp_path / "rows" / "walk" / f"{one.stem}.txt", [tracked])
    (tmp_path / "rows" / f"{two.stem}.txt").write_text("1\t2\n")
    settings = TrajectoriesSettings(rows=str(tmp_path / "rows"))
    extract_shard(shard_list, tmp_path / "s.h5", tmp_path / "store", settings)
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_allclose(file[one.stem]["info"][:], tracked.info, atol=1e-5)
        np.testing.assert_allclose(file[one.stem]["descriptors"][:], tracked.descriptors, atol=1e-3)
        broken, other = (read_attributes(file[name]) for name in ("broken", two.stem))
        assert broken["status"] == "no_rows" and "broken.txt.gz" in broken["reason"]
        assert other["status"] == "corrupted" and "line 1: " in other["reason"]
    # Only a file of rows that was replaced is read again.
    write_text_rows(tmp_path / "rows" / f"{two.stem}.txt", [tracked])
    extract_shard(shard_list, tmp_path / "again.h5", tmp_path / "store", settings)
    with h5py.File(tmp_path / "again.h5") as file:
        assert len(file[two.stem]["info"]) == len(tracked)
