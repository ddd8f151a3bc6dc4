"""K-means and the mixture on a GPU reach the objective of the CPU and repeat their results."""

import numpy as np
import pytest

from workflow_scripts.clusters.kmeans import kmeans


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_kmeans_has_the_objective_of_the_cpu_and_repeats_its_bytes(backend: str, device: str) -> None:
    """Large clusters, whose sums depend on the order of the points."""
    if backend == "faiss" and not pytest.importorskip("faiss").get_num_gpus() and device == "cuda":
        pytest.skip("the installed faiss has no GPU support")
    draw = np.random.default_rng(0)
    points = draw.normal(size=(40, 32))[draw.integers(0, 40, 50_000)] + 0.6 * draw.normal(size=(50_000, 32))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    runs = [kmeans(points, 30, iterations=8, backend=backend, device=device) for _ in range(3)]
    on_cpu = kmeans(points, 30, iterations=8, backend="torch")
    np.testing.assert_allclose(runs[0].objective, on_cpu.objective, rtol=1e-3)
    for again in runs[1:]:
        np.testing.assert_array_equal(runs[0].centroids, again.centroids)
        np.testing.assert_array_equal(runs[0].labels, again.labels)


def test_mixture_has_the_likelihood_of_the_cpu(device: str) -> None:
    """Five steps of EM from the same start."""
    pytest.importorskip("sklearn")
    from workflow_scripts.encoding.gmm import DiagonalGMM

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(12, 30))[draw.integers(0, 12, 20_000)] + 0.7 * draw.normal(size=(20_000, 30))
    rows = rows.astype(np.float32)
    start = (np.full(8, 1 / 8), rows[:8].astype(np.float64), np.tile(rows.var(axis=0), (8, 1)).astype(np.float64))
    on_cpu, on_device = (
        DiagonalGMM(8, start=start, max_iter=5, tol=0, device=one).fit(rows) for one in ("cpu", device)
    )
    assert on_device.lower_bound_ == pytest.approx(on_cpu.lower_bound_, rel=1e-5)
    np.testing.assert_allclose(on_device.weights_, on_cpu.weights_, atol=1e-4)
    np.testing.assert_allclose(on_device.means_, on_cpu.means_, atol=1e-2)
    np.testing.assert_allclose(on_device.covariances_, on_cpu.covariances_, rtol=1e-2)
