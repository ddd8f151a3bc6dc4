"""Sketches of stored trajectories equal those of videos that are encoded while they are tracked."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest

from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.ground.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings, keeps_all
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

pytestmark = pytest.mark.slow  # runs stages

SETTINGS = TrajectoriesSettings(max_side=120)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The list of a shard with good, short and broken videos, and a table of two sampled ones."""
    folder = tmp_path_factory.mktemp("videos")
    generated = GeneratedSettings(
        motions=("walk", "wave"), scenes=("bricks",), per_pair=2, frames=22, width=144, height=96
    )
    long_videos = [
        folder / "made" / "long" / row["path"] for row in generate_videos(folder / "made" / "long", generated)
    ]
    short = GeneratedSettings(motions=("spin",), scenes=("beach",), per_pair=1, frames=9, width=144, height=96)
    generate_videos(folder / "made" / "short", short)
    index_videos("made", folder / "index.tsv", DatasetSettings(root=str(folder / "made"), shards=1), sample_videos=2)
    # Only the tracking detects this damage, because the video was indexed before.
    content = long_videos[0].read_bytes()
    long_videos[0].write_bytes(content[: len(content) // 2])
    (listed,) = (folder / "shards").glob("*.tsv")
    return listed, folder / "sample.tsv"


@pytest.fixture(scope="module")
def boxes(shard: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("persons") / "boxes.h5"
    with write_hdf5(path, stage="persons", version=1, parameters={}) as file:
        for row in read_columns(shard[0]):
            group = file.create_group(row["video_id"])
            group.attrs["key"] = "drawn"
            dataset(group, "boxes", np.array([[frame, 20, 10, 100, 80, 1] for frame in range(22)], np.float32))
    return path


@pytest.mark.parametrize("per_channel", [False, True])
def test_encode_shard_gives_the_same_file_with_stored_and_streamed_trajectories(
    shard: tuple[Path, Path], boxes: Path, tmp_path: Path, per_channel: bool
) -> None:
    listed, sample = shard
    extract_shard(listed, tmp_path / "all.h5", tmp_path / "t1", SETTINGS, boxes)
    extract_shard(listed, tmp_path / "sample.h5", tmp_path / "t2", SETTINGS, boxes, only=sample)
    with h5py.File(tmp_path / "sample.h5") as file:
        assert set(file) == {row["video_id"] for row in read_columns(sample)} and len(file) == 2

    small = EncodingSettings(components=4, sample_descriptors=50, sketch_dim=64, em_iterations=5)
    fitted = dataclasses.replace(small, per_channel=per_channel)
    fit_codebook(sample, [tmp_path / "all.h5"], tmp_path / "codebook.h5", fitted)
    fit_codebook(sample, [tmp_path / "sample.h5"], tmp_path / "again.h5", fitted)
    assert (tmp_path / "codebook.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()

    encode_shard(
        tmp_path / "all.h5", tmp_path / "codebook.h5", tmp_path / "kept.h5", tmp_path / "e1", SETTINGS,
        fisher=per_channel,
    )  # fmt: skip
    encode_shard(
        tmp_path / "sample.h5", tmp_path / "codebook.h5", tmp_path / "streamed.h5", tmp_path / "e2", SETTINGS,
        videos=listed, boxes=boxes, threads=2, fisher=per_channel,
    )  # fmt: skip
    assert (tmp_path / "kept.h5").read_bytes() == (tmp_path / "streamed.h5").read_bytes()
    with h5py.File(tmp_path / "kept.h5") as file:
        assert set(file["status"].asstr()[:]) == {"ok", "too_short", "unreadable", "no_trajectories"}


def test_encode_shard_does_not_encode_again_if_fewer_trajectories_are_stored(
    shard: tuple[Path, Path], boxes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed, sample = shard
    extract_shard(listed, tmp_path / "all.h5", tmp_path / "t", SETTINGS, boxes)
    fitted = EncodingSettings(components=4, sample_descriptors=50, sketch_dim=64, em_iterations=5)
    fit_codebook(sample, [tmp_path / "all.h5"], tmp_path / "codebook.h5", fitted)
    encode_shard(tmp_path / "all.h5", tmp_path / "codebook.h5", tmp_path / "kept.h5", tmp_path / "e", SETTINGS)
    extract_shard(listed, tmp_path / "sample.h5", tmp_path / "t", SETTINGS, boxes, only=sample)
    caplog.set_level("INFO")
    caplog.clear()
    encode_shard(
        tmp_path / "sample.h5", tmp_path / "codebook.h5", tmp_path / "streamed.h5", tmp_path / "e", SETTINGS,
        videos=listed, boxes=boxes,
    )  # fmt: skip
    assert "5 videos, 5 of them already done" in caplog.text
    assert (tmp_path / "kept.h5").read_bytes() == (tmp_path / "streamed.h5").read_bytes()


def test_keeps_all_by_auto_if_the_size_suffices() -> None:
    kinetics = 235_000 * 300 * 340 * 256
    assert not keeps_all("auto", 100, kinetics) and keeps_all("all", 100, kinetics)
    assert keeps_all("auto", 100, 60 * 90 * 180 * 240) and not keeps_all("sample", 100, 1)
    assert keeps_all("auto", 10_000, kinetics)
