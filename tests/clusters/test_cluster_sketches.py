"""The stage cluster_sketches and its errors."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.clusters.cluster_sketches import cluster_sketches, read_labels
from workflow_scripts.clusters.kmeans import kmeans
from workflow_scripts.clusters.settings import ClustersSettings, check_k
from workflow_scripts.ground.artifacts import dataset, write_columns
from workflow_scripts.ground.stage import StageError

SMALL = ClustersSettings(k=5, m=3, iterations=4)
IDS = [f"v{i:03d}" for i in range(80)]


@pytest.fixture
def sketches() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(80, 16)).astype(np.float32)


def write_encoding(path: Path, ids: list[str], sketches: NDArray[np.float32], failed: tuple[str, ...] = ()) -> Path:
    with h5py.File(path, "w") as file:
        dataset(file, "video_id", ids)
        dataset(file, "sketch", sketches)
        dataset(file, "status", ["no_trajectories" if name in failed else "ok" for name in ids])
    return path


@pytest.fixture
def encodings(tmp_path: Path, sketches: NDArray[np.float32]) -> list[Path]:
    """Two shards. v001 has no sketch."""
    return [write_encoding(tmp_path / f"{part}.h5", IDS[part::2], sketches[part::2], ("v001",)) for part in (0, 1)]


def write_videos(path: Path, ids: list[str]) -> Path:
    write_columns(path, [{"video_id": name, "label": "x"} for name in ids], ["video_id", "label"])
    return path


def test_cluster_sketches_joins_by_id(tmp_path: Path, encodings: list[Path], sketches: NDArray[np.float32]) -> None:
    chosen = [name for name in IDS if name != "v001"][::-1]  # the order of the table does not matter
    cluster_sketches(encodings, write_videos(tmp_path / "videos.tsv", chosen), tmp_path / "out.h5", SMALL)
    names, labels = read_labels(tmp_path / "out.h5")
    assert names == sorted(chosen)
    assert labels.shape == (3, 79) and labels.dtype == np.int32
    rows = sketches[[IDS.index(name) for name in names]]
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["seeds"][:].tolist() == [0, 1, 2]
        assert file["objective"].shape == (3, 4)
        assert file["centroids"].shape == (3, 5, 16)
        for run in range(3):
            expected = kmeans(rows, 5, iterations=4, seed=run)
            np.testing.assert_array_equal(labels[run], expected.labels)
            np.testing.assert_array_equal(file["centroids"][run], expected.centroids)
            np.testing.assert_array_equal(file["objective"][run], expected.objective)


def test_cluster_sketches_does_not_depend_on_shards_and_threads(
    tmp_path: Path, sketches: NDArray[np.float32], encodings: list[Path]
) -> None:
    videos = write_videos(tmp_path / "videos.tsv", IDS[2:])
    cluster_sketches(encodings, videos, tmp_path / "two.h5", SMALL, threads=2)
    whole = write_encoding(tmp_path / "whole.h5", IDS, sketches)
    cluster_sketches([whole], videos, tmp_path / "one.h5", SMALL)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_cluster_sketches_missing_sketch_is_an_error(tmp_path: Path, encodings: list[Path]) -> None:
    videos = write_videos(tmp_path / "videos.tsv", ["v000", "v001", "stranger"])
    with pytest.raises(StageError, match=r"2 of 3 .* stranger \(not in the encoding files\), v001 \(no_traj"):
        cluster_sketches(encodings, videos, tmp_path / "out.h5", SMALL)
    with pytest.raises(StageError, match="no video to cluster"):
        cluster_sketches(encodings, write_videos(tmp_path / "none.tsv", []), tmp_path / "out.h5", SMALL)
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(("k", "n_videos"), [(50, 40), (20, 40), (2, 3), (2, 4), (2, 2)])
def test_check_k_at_least_half_of_the_videos_is_an_error(k: int, n_videos: int) -> None:
    with pytest.raises(StageError, match=f"k = {k} is too large for {n_videos} videos.*Set clusters.k"):
        check_k(k, n_videos)


@pytest.mark.parametrize(("k", "n_videos"), [(1, 1), (1, 2), (2, 5), (19, 40), (6000, 235_000)])
def test_check_k_less_than_half_of_the_videos_is_allowed(k: int, n_videos: int) -> None:
    check_k(k, n_videos)


def test_cluster_sketches_too_many_clusters_is_an_error(tmp_path: Path, encodings: list[Path]) -> None:
    videos = write_videos(tmp_path / "videos.tsv", IDS[2:12])
    with pytest.raises(StageError, match="k = 5 is too large for 10 videos"):
        cluster_sketches(encodings, videos, tmp_path / "clusters.h5", SMALL)
