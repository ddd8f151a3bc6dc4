"""The index of a dataset, and the files beside it."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.identity import shard_of, video_id
from workflow_scripts.ground.stage import StageError
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.videos.index_videos import _update_sample, index_videos
from workflow_scripts.videos.settings import DatasetSettings


@pytest.fixture(scope="module")
def generated_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated")
    generate_videos(
        root, GeneratedSettings(motions=("walk", "spin"), scenes=("bricks",), per_pair=4, frames=4, width=64, height=48)
    )
    return root


@pytest.fixture
def root(generated_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated_root, tmp_path / "videos"))


def _index(root: Path, folder: Path, **settings: object) -> list[dict[str, str]]:
    index = folder / "index.tsv"
    entry = {"layout": "folder", "root": str(root), "shards": 3, **settings}
    index_videos("d", index, DatasetSettings(**entry), seed=0, sample_videos=5, max_failed_fraction=0.5)
    return read_columns(index)


def _times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in [*folder.glob("shards/*.tsv"), *folder.glob("s*.tsv")]}


def test_index_videos_with_a_broken_video(root: Path, tmp_path: Path) -> None:
    (root / "walk" / "broken.avi").write_text("not a video")
    (root / "walk" / "notes.txt").write_text("not meant to be one")
    (root / ".hidden.mp4").write_text("")
    rows = _index(root, tmp_path / "results")
    assert [row["video_id"] for row in rows] == sorted(row["video_id"] for row in rows) and len(rows) == 9
    (broken,) = [row for row in rows if row["status"] != "ok"]
    assert broken["video_id"] == video_id("walk/broken.avi") and broken["status"] == "unreadable" and broken["reason"]
    good = [row for row in rows if row["status"] == "ok"]
    assert {(row["width"], row["height"], row["n_frames"]) for row in good} == {("64", "48", "4")}
    assert {row["label"] for row in good} == {"walk", "spin"}
    listed = {
        row["video_id"]: path.stem
        for path in (tmp_path / "results" / "shards").glob("*.tsv")
        for row in read_columns(path)
    }
    assert listed == {row["video_id"]: shard_of(row["video_id"], 3) for row in good}
    assert {row["video_id"] for row in read_columns(tmp_path / "results" / "splits.tsv")} == set(listed)


def test_index_videos_after_adding_a_video(root: Path, tmp_path: Path) -> None:
    _index(root, tmp_path / "results")
    before = _times(tmp_path / "results")
    sample = read_columns(tmp_path / "results" / "sample.tsv")
    assert len(sample) == 5
    _index(root, tmp_path / "results")
    assert _times(tmp_path / "results") == before
    shutil.copy(root / "walk" / "walk_bricks_00.mp4", root / "walk" / "new.mp4")
    _index(root, tmp_path / "results")
    after = _times(tmp_path / "results")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {f"{shard_of(video_id('walk/new.mp4'), 3)}.tsv", "splits.tsv"}
    assert read_columns(tmp_path / "results" / "sample.tsv") == sample


def test_index_videos_draws_the_sample_again(root: Path, tmp_path: Path) -> None:
    _index(root, tmp_path / "results")
    sample = [row["video_id"] for row in read_columns(tmp_path / "results" / "sample.tsv")]
    (root / "walk" / "walk_bricks_00.mp4").unlink()
    settings = DatasetSettings(layout="folder", root=str(root), shards=3)
    index = tmp_path / "results" / "index.tsv"
    index_videos("d", index, settings, seed=0, sample_videos=5, resample=True)
    listed = {row["video_id"] for row in read_columns(index)}
    new_sample = [row["video_id"] for row in read_columns(tmp_path / "results" / "sample.tsv")]
    assert set(new_sample) <= listed and set(sample) & listed <= set(new_sample)  # drawn by hash
    index_videos("d", index, settings, seed=0, sample_videos=3)
    assert len(read_columns(tmp_path / "results" / "sample.tsv")) == 3


def test_index_videos_removes_an_empty_shard(root: Path, tmp_path: Path) -> None:
    _index(root, tmp_path / "results", shards=50)
    shards = {path.stem for path in (tmp_path / "results" / "shards").glob("*.tsv")}
    (root / "walk" / "walk_bricks_00.mp4").unlink()
    _index(root, tmp_path / "results", shards=50)
    remaining = {path.stem for path in (tmp_path / "results" / "shards").glob("*.tsv")}
    assert shards - remaining <= {shard_of(video_id("walk/walk_bricks_00.mp4"), 50)}


def test_index_videos_of_a_manifest(root: Path, tmp_path: Path) -> None:
    lines = ["path,label,group,split", "walk/walk_bricks_00.mp4,a,g1,train", "walk/walk_bricks_01.mp4,a,g2,test"]
    lines += ["spin/spin_bricks_00.mp4,b,g1,train", "spin/spin_bricks_01.mp4,b,g2,test", "spin/gone.mp4,b,g3,test"]
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    entry = {"layout": "manifest", "manifest": str(root / "list.csv")}
    rows = _index(root, tmp_path / "column", splits="column", **entry)
    assert [row["status"] for row in rows if "gone" in row["path"]] == ["missing"]
    parts = {row["video_id"]: row["part"] for row in read_columns(tmp_path / "column" / "splits.tsv")}
    assert sorted(parts.values()) == ["test", "test", "train", "train"]
    (unread,) = read_columns(tmp_path / "column" / "unread.tsv")
    assert (unread["split"], unread["part"], unread["label"], unread["status"]) == ("1", "test", "b", "missing")
    assert parts[video_id("walk/walk_bricks_01.mp4")] == "test"
    _index(root, tmp_path / "groups", splits="leave_one_group_out", **entry)
    assert {row["split"] for row in read_columns(tmp_path / "groups" / "splits.tsv")} == {"1", "2"}
    included = _index(root, tmp_path / "some", include="walk/*", splits="leave_one_group_out", **entry)
    assert [row["label"] for row in included] == ["a", "a"]


def test_index_videos_of_generated_videos_with_shared_places(tmp_path: Path) -> None:
    generated = {"motions": ["walk", "spin"], "scenes": ["bricks", "city"], "per_pair": 3, "frames": 2, "places": 1}
    generated |= {"width": 64, "height": 48}
    rows = _index(Path(), tmp_path, layout="generated", generated=generated, splits="leave_one_group_out")
    scene = {row["video_id"]: row["scene"] for row in rows}
    parts = read_columns(tmp_path / "splits.tsv")
    for split, tested in (("1", "bricks"), ("2", "city")):
        for row in parts:
            if row["split"] == split:
                assert (scene[row["video_id"]] == tested) == (row["part"] == "test")


def test_index_videos_of_generated_videos(tmp_path: Path) -> None:
    generated = {"motions": ["walk", "spin"], "scenes": ["bricks", "city"], "per_pair": 3, "frames": 2}
    generated |= {"width": 64, "height": 48}
    rows = _index(Path(), tmp_path, layout="generated", generated=generated, splits="column")
    assert {(row["label"], row["scene"]) for row in rows} == {
        (m, s) for m in ("walk", "spin") for s in ("bricks", "city")
    }
    take = {row["video_id"]: row["group"] for row in rows}
    parts = read_columns(tmp_path / "splits.tsv")
    assert {take[row["video_id"]] for row in parts if row["part"] == "test"} == {"take00"}
    assert {take[row["video_id"]] for row in parts if row["part"] == "train"} == {"take01", "take02"}


def test_index_videos_without_included_videos_or_root(root: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"no video in .* matches include: 'jump/\*'"):
        _index(root, tmp_path / "results", include="jump/*")
    with pytest.raises(StageError, match="does not exist"):
        _index(root / "nowhere", tmp_path / "results")


def test_update_sample_is_uniform(tmp_path: Path) -> None:
    names = [f"video-{i}" for i in range(60)]
    counts: Counter[str] = Counter()
    for seed in range(200):
        _update_sample(tmp_path / "sample.tsv", names[::-1] if seed % 2 else names, seed, 15, resample=False)
        drawn = {row["video_id"] for row in read_columns(tmp_path / "sample.tsv")}
        assert len(drawn) == 15
        counts.update(drawn)
    assert sum((counts[name] - 50) ** 2 / 50 for name in names) < 80  # chi squared, about 44 expected
