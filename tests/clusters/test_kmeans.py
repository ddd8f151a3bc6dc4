"""K-means: comparison of the backends, and properties of any clustering."""

import sys

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workflow_scripts.clusters.kmeans import BLOCK_COLUMNS, _backend, _sums_by_cluster, draw_start, kmeans

BACKENDS = ["faiss", "torch"]


@pytest.fixture(scope="module")
def points() -> NDArray[np.float32]:
    """Sketch-like points of unit length around 40 centres: (4000, 32)."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(40, 32))
    vectors = centres[draw.integers(0, 40, 4000)] + 0.6 * draw.normal(size=(4000, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def distances(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distance (N, K) of each point to each centroid, in float64."""
    return ((points[:, None].astype(np.float64) - centroids[None]) ** 2).sum(axis=2)


def test_kmeans_backends_reach_the_same_objective(points: NDArray[np.float32]) -> None:
    """Within 0.1 %, in every iteration."""
    faiss, other = (kmeans(points, 60, iterations=15, seed=1, backend=backend) for backend in BACKENDS)
    assert faiss.objective.shape == other.objective.shape == (15,)
    np.testing.assert_allclose(faiss.objective, other.objective, rtol=1e-3)
    np.testing.assert_allclose(faiss.objective[0], other.objective[0], rtol=1e-5)
    assert np.mean(faiss.labels == other.labels) > 0.95


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_result_is_a_clustering(points: NDArray[np.float32], backend: str) -> None:
    result = kmeans(points, 40, iterations=8, seed=3, backend=backend)
    assert result.labels.shape == (4000,) and result.labels.dtype == np.int32
    assert result.centroids.shape == (40, 32) and result.centroids.dtype == np.float32
    table = distances(points, result.centroids)
    chosen = table[np.arange(4000), result.labels]
    np.testing.assert_allclose(chosen, table.min(axis=1), atol=1e-5)
    assert np.all(np.diff(result.objective) <= 1e-3)
    start = draw_start(points, 40, 3)
    np.testing.assert_allclose(result.objective[0], distances(points, start).min(axis=1).sum(), rtol=1e-4)
    assert chosen.sum() <= result.objective[-1] * (1 + 1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_same_seed_gives_the_same_bytes(points: NDArray[np.float32], backend: str) -> None:
    first, again, other = (kmeans(points, 30, iterations=5, seed=seed, backend=backend) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.centroids, again.centroids)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize("d", [1, BLOCK_COLUMNS, BLOCK_COLUMNS + 3])
def test_sums_by_cluster_adds_in_order(d: int) -> None:
    draw = np.random.default_rng(d)
    x, labels = draw.normal(size=(500, d)).astype(np.float32), draw.integers(0, 7, 500)
    labels[labels == 3] = 4  # cluster 3 is empty
    counts = torch.from_numpy(np.bincount(labels, minlength=7))
    sums = _sums_by_cluster(torch.from_numpy(x), torch.from_numpy(labels), counts)
    expected = np.zeros((7, d), np.float32)
    for row, label in zip(x, labels, strict=True):
        expected[label] += row
    np.testing.assert_array_equal(sums.numpy(), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_finds_separated_groups(backend: str) -> None:
    draw = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 50)
    points = (100 * np.eye(3)[truth] + draw.normal(size=(150, 3))).astype(np.float32)
    for seed in range(20):  # tries until each group has a first centroid
        if len(set(draw_start(points, 3, seed).argmax(axis=1))) == 3:
            break
    labels = kmeans(points, 3, seed=seed, backend=backend).labels
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_more_clusters_than_distinct_points(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    points = np.repeat(np.arange(12, dtype=np.float32).reshape(4, 3), 5, axis=0)  # 20 points, 4 of them distinct
    result = kmeans(points, 10, iterations=3, backend=backend)
    assert result.centroids.shape == (4, 3)
    assert "4 clusters instead of 10" in caplog.text
    np.testing.assert_allclose(result.objective, 0, atol=1e-3)
    np.testing.assert_array_equal(result.centroids[result.labels], points)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_one_point_or_one_cluster(backend: str) -> None:
    result = kmeans(np.ones((1, 4), np.float32), 6000, backend=backend)
    np.testing.assert_array_equal(result.labels, [0])
    many = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_allclose(kmeans(many, 1, backend=backend).centroids, [many.mean(axis=0)])


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 60), k=st.integers(1, 25), duplicates=st.integers(1, 4))
def test_kmeans_any_points_give_a_clustering(backend: str, seed: int, n: int, k: int, duplicates: int) -> None:
    draw = np.random.default_rng(seed)
    points = np.repeat(draw.integers(-3, 4, size=(n, 2)), duplicates, axis=0).astype(np.float32)
    result = kmeans(points, k, iterations=6, seed=seed, backend=backend)
    assert len(result.centroids) == min(k, len(np.unique(points, axis=0)))
    assert np.isfinite(result.centroids).all() and np.all((result.labels >= 0) & (result.labels < k))
    table = distances(points, result.centroids)
    np.testing.assert_allclose(table[np.arange(len(points)), result.labels], table.min(axis=1), atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_empty_cluster_gets_points(points: NDArray[np.float32], backend: str) -> None:
    start = draw_start(points, 40, 0)
    near = np.arange(40) % 4 > 0
    start[~near] += 1000  # ten centroids far from everything
    result = kmeans(points, 40, iterations=20, backend=backend, start=start)
    assert len(np.unique(result.labels)) == 40
    without = kmeans(points, 30, iterations=20, backend=backend, start=start[near])
    assert result.objective[-1] < 0.98 * without.objective[-1]


def test_draw_start_is_uniform_and_distinct() -> None:
    points = np.arange(20, dtype=np.float32)[:, None]
    counts = np.zeros(20)
    for seed in range(400):
        start = draw_start(points, 5, seed)
        assert len(np.unique(start)) == 5
        counts[start[:, 0].astype(int)] += 1
    assert np.sum((counts - 100) ** 2 / 100) < 45  # chi squared, about 19 expected


def test_kmeans_without_faiss_uses_torch(
    points: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # then `import faiss` fails
    result = kmeans(points, 10, iterations=2)
    np.testing.assert_array_equal(result.labels, kmeans(points, 10, iterations=2, backend="torch").labels)
    assert "faiss is not installed" in caplog.text


@pytest.mark.parametrize(
    ("device", "n_gpus", "backend"),
    [("cpu", 0, "faiss"), ("cuda", 0, "torch"), ("cuda:1", 1, "torch"), ("cuda", 1, "faiss")],
)
def test_backend_by_device_and_gpu_support(
    device: str, n_gpus: int, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: n_gpus)
    assert _backend(torch.device(device)) == backend


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_invalid_arguments_are_an_error(backend: str) -> None:
    for bad in (np.zeros((0, 3)), np.full((4, 3), np.nan), np.zeros(5)):
        with pytest.raises(ValueError, match="finite numbers"):
            kmeans(bad.astype(np.float32), 2, backend=backend)
    with pytest.raises(ValueError, match="k=0"):
        kmeans(np.zeros((4, 3), np.float32), 0, backend=backend)
    with pytest.raises(ValueError, match=r"not \(2, 2\)"):
        kmeans(np.zeros((4, 3), np.float32), 2, backend=backend, start=np.zeros((2, 2), np.float32))
