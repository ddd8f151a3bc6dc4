"""The index of a dataset: every file has a row, its companions change only where the files do."""

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
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    generate_videos(
        root, GeneratedSettings(motions=("walk", "spin"), scenes=("bricks",), per_pair=4, frames=4, width=64, height=48)
    )
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "videos"))


def _index(root: Path, folder: Path, **settings: object) -> list[dict[str, str]]:
    index = folder / "index.tsv"
    given = {"layout": "folder", "root": str(root), "shards": 3, **settings}
    index_videos("d", index, DatasetSettings(**given), seed=0, sample_videos=5, max_failed_fraction=0.5)
    return read_columns(index)


def _times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in [*folder.glob("shards/*.tsv"), *folder.glob("s*.tsv")]}


def test_every_file_has_a_row_and_every_usable_one_a_shard(root: Path, tmp_path: Path) -> None:
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


def test_a_new_video_touches_its_own_shard_and_not_the_sample(root: Path, tmp_path: Path) -> None:
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


def test_the_sample_is_drawn_anew_when_asked_or_of_another_size(root: Path, tmp_path: Path) -> None:
    _index(root, tmp_path / "results")
    chosen = [row["video_id"] for row in read_columns(tmp_path / "results" / "sample.tsv")]
    (root / "walk" / "walk_bricks_00.mp4").unlink()
    settings = DatasetSettings(layout="folder", root=str(root), shards=3)
    index = tmp_path / "results" / "index.tsv"
    index_videos("d", index, settings, seed=0, sample_videos=5, resample=True)
    there = {row["video_id"] for row in read_columns(index)}
    again = [row["video_id"] for row in read_columns(tmp_path / "results" / "sample.tsv")]
    assert set(again) <= there and set(chosen) & there <= set(again)  # by hash: who was drawn and is there stays
    index_videos("d", index, settings, seed=0, sample_videos=3)
    assert len(read_columns(tmp_path / "results" / "sample.tsv")) == 3


def test_a_shard_without_videos_is_gone(root: Path, tmp_path: Path) -> None:
    _index(root, tmp_path / "results", shards=50)
    shards = {path.stem for path in (tmp_path / "results" / "shards").glob("*.tsv")}
    (root / "walk" / "walk_bricks_00.mp4").unlink()
    _index(root, tmp_path / "results", shards=50)
    left = {path.stem for path in (tmp_path / "results" / "shards").glob("*.tsv")}
    assert shards - left <= {shard_of(video_id("walk/walk_bricks_00.mp4"), 50)}


def test_a_manifest_says_labels_groups_and_splits(root: Path, tmp_path: Path) -> None:
    lines = ["path,label,group,split", "walk/walk_bricks_00.mp4,a,g1,train", "walk/walk_bricks_01.mp4,a,g2,test"]
    lines += ["spin/spin_bricks_00.mp4,b,g1,train", "spin/spin_bricks_01.mp4,b,g2,test", "spin/gone.mp4,b,g3,test"]
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    given = {"layout": "manifest", "manifest": str(root / "list.csv")}
    rows = _index(root, tmp_path / "column", splits="column", **given)
    assert [row["status"] for row in rows if "gone" in row["path"]] == ["missing"]
    parts = {row["video_id"]: row["part"] for row in read_columns(tmp_path / "column" / "splits.tsv")}
    assert sorted(parts.values()) == ["test", "test", "train", "train"]
    (unread,) = read_columns(tmp_path / "column" / "unread.tsv")
    assert (unread["split"], unread["part"], unread["label"], unread["status"]) == ("1", "test", "b", "missing")
    assert parts[video_id("walk/walk_bricks_01.mp4")] == "test"
    _index(root, tmp_path / "groups", splits="leave_one_group_out", **given)
    assert {row["split"] for row in read_columns(tmp_path / "groups" / "splits.tsv")} == {"1", "2"}
    only = _index(root, tmp_path / "some", include="walk/*", splits="leave_one_group_out", **given)
    assert [row["label"] for row in only] == ["a", "a"]


def test_generated_videos_have_a_scene_and_are_tested_in_places_of_their_own(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\na.mp4,x\n", "has no `path`"),
        ("path,label\na.mp4,x\na.mp4,y\n", r"line 3: line 2 gives the same video 'a.mp4' another label"),
        ("path,label\n,x\n", "line 2: the path is empty"),
    ],
)
def test_a_wrong_manifest_is_told_with_its_line(root: Path, tmp_path: Path, text: str, sentence: str) -> None:
    (root / "list.csv").write_text(text)
    with pytest.raises(StageError, match=sentence):
        _index(root, tmp_path / "results", layout="manifest", manifest=str(root / "list.csv"))


def test_nothing_included_or_nobody_there_is_an_error(root: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"no video in .* matches include: 'jump/\*'"):
        _index(root, tmp_path / "results", include="jump/*")
    with pytest.raises(StageError, match="does not exist"):
        _index(root / "nowhere", tmp_path / "results")


def test_the_sample_is_uniform_over_the_videos(tmp_path: Path) -> None:
    names = [f"video-{i}" for i in range(60)]
    counts: Counter[str] = Counter()
    for seed in range(200):
        _update_sample(tmp_path / "sample.tsv", names[::-1] if seed % 2 else names, seed, 15, resample=False)
        drawn = {row["video_id"] for row in read_columns(tmp_path / "sample.tsv")}
        assert len(drawn) == 15
        counts.update(drawn)
    assert sum((counts[name] - 50) ** 2 / 50 for name in names) < 80  # chi squared, about 44 expected
