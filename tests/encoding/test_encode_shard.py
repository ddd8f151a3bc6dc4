"""The stage that encodes a shard."""

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from trajectories_file import Videos, write_trajectories

import workflow_scripts.encoding.encode_shard as stage
from idt_tools.codebook import Codebook
from idt_tools.count_sketch import count_sketch
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.ground.stage import StageError
from workflow_scripts.trajectories.settings import TrajectoriesSettings


def test_encode_shard_has_a_row_per_video_with_its_status(tmp_path: Path, videos: Videos, codebook: Path) -> None:
    bad = np.zeros((30, 426))
    bad[3, 7] = np.nan
    trajectories = write_trajectories(tmp_path / "shard.h5", videos | {"nan": bad, "empty": np.empty((0, 426))})
    encode_shard(trajectories, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    with h5py.File(tmp_path / "out.h5") as file:
        names = list(file["video_id"].asstr()[:])
        status = dict(zip(names, file["status"].asstr()[:], strict=True))
        sketch = dict(zip(names, file["sketch"][:], strict=True))
        counts = dict(zip(names, file["n_trajectories"][:], strict=True))
    assert names == sorted([*videos, "nan", "empty"])
    assert status == {name: "ok" for name in videos} | {
        "broken": "corrupted",
        "nan": "not_finite",
        "empty": "no_trajectories",
    }
    for name in names:
        if status[name] == "ok":
            expected = Codebook.load(codebook).encode(np.asarray(videos[name]))
            np.testing.assert_array_equal(sketch[name], expected)
            assert counts[name] == len(videos[name])
        else:
            assert not sketch[name].any() and counts[name] == 0


def test_encode_shard_makes_sketches_of_the_fisher_vectors(tmp_path: Path, videos: Videos, codebook: Path) -> None:
    trajectories = write_trajectories(tmp_path / "shard.h5", videos)
    for name, fisher in (("sketch", False), ("fisher", True)):
        settings, store = TrajectoriesSettings(), tmp_path / name / "store"
        encode_shard(trajectories, codebook, tmp_path / f"{name}.h5", store, settings, fisher=fisher)
    book = Codebook.load(codebook)
    with h5py.File(tmp_path / "sketch.h5") as sketches, h5py.File(tmp_path / "fisher.h5") as file:
        assert "sketch" not in file and file["fisher"].shape == (7, 2 * book.gmm_means.size)
        for column in ("video_id", "status", "reason", "n_trajectories"):
            np.testing.assert_array_equal(file[column][:], sketches[column][:])
        for fisher, sketch in zip(file["fisher"][:], sketches["sketch"][:], strict=True):
            expected = count_sketch(fisher, book.sketch_hash, book.sketch_sign, book.sketch_dimension)
            np.testing.assert_allclose(sketch, expected, atol=1e-6)
        assert np.linalg.norm(file["fisher"][:], axis=1).round(5).tolist() == [0.0] + [1.0] * 6


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the videos that were encoded, in order."""
    video_ids: list[str] = []
    stored_descriptors: Callable[[Path, str], Iterator[NDArray[np.floating]]] = stage.stored_descriptors

    def recorded(path: Path, video_id: str) -> Iterator[NDArray[np.floating]]:
        video_ids.append(video_id)
        return stored_descriptors(path, video_id)

    monkeypatch.setattr(stage, "stored_descriptors", recorded)
    return video_ids


def test_encode_shard_encodes_only_changed_videos(
    tmp_path: Path, videos: Videos, sample: Path, codebook: Path, encoded: list[str]
) -> None:
    few = {name: videos[name] for name in sorted(videos)[:4]}
    shard = write_trajectories(tmp_path / "shard.h5", few)
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    first = (tmp_path / "out.h5").read_bytes()
    assert sorted(encoded) == sorted(few)

    encoded.clear()
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert encoded == [] and (tmp_path / "out.h5").read_bytes() == first

    shard = write_trajectories(tmp_path / "shard.h5", videos)  # videos were added
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings(), threads=2)
    assert sorted(encoded) == sorted(set(videos) - set(few))
    encode_shard(shard, codebook, tmp_path / "fresh.h5", tmp_path / "other-store", TrajectoriesSettings())
    assert (tmp_path / "fresh.h5").read_bytes() == (tmp_path / "out.h5").read_bytes()

    encoded.clear()
    with h5py.File(shard, "a") as file:
        file["video-2"].attrs["key"] = "its trajectories were computed again"
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert encoded == ["video-2"]

    encoded.clear()
    other = EncodingSettings(components=5, sketch_dim=64, em_iterations=5)
    fit_codebook(sample, [shard], tmp_path / "other.h5", other)
    encode_shard(shard, tmp_path / "other.h5", tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert sorted(encoded) == sorted(videos)


def test_encode_shard_refuses_an_unreadable_codebook(tmp_path: Path, videos: Videos) -> None:
    shard = write_trajectories(tmp_path / "shard.h5", videos)
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(StageError, match=r"text.h5 is not a readable codebook"):
        encode_shard(shard, tmp_path / "text.h5", tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
