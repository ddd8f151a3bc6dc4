"""Speed and quality of K-means by backend, and the time for the size of the paper (235,000 x 2,000, K = 6,000).

    make benchmark-clusters                                # a sample on one core; with CUDA, the full size too
    python -m benchmarks.clusters --points 50000 --k 2000  # a larger sample

faiss, torch and the baseline, scikit-learn's KMeans, start from the same centroids. The points are generated.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import seconds
from workflow_scripts.clusters.kmeans import draw_start, kmeans

VIDEOS, DIMENSION, K, RUNS, ITERATIONS = 235_000, 2000, 6000, 3, 20  # the paper's, and those of the authors' code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--k", type=int, default=512, help="clusters (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="default: %(default)s")
    arguments = parser.parse_args()
    points = sketches(arguments.points)
    print(f"{arguments.points:,} x {DIMENSION}, K = {arguments.k}, {arguments.iterations} iterations, one core each")
    for result in compare(points, arguments.k, arguments.iterations):
        rate = 2 * arguments.points * DIMENSION * arguments.k / result.seconds
        print(f"{result.name:13} {result.seconds:7.3f} s per iteration, {rate / 1e9:6.1f} GFLOP/s, ", end="")
        print(f"objective {result.objective:.3f}, {result.excess:+.4%} above the lowest")
        hours = 2 * VIDEOS * DIMENSION * K * (ITERATIONS + 1) / rate / 3600
        print(f"{'':13} {VIDEOS:,} videos, K = {K:,}: {hours:.1f} hours per run, {RUNS} runs on a core each")
    if torch.cuda.is_available():
        points = sketches(VIDEOS)
        duration = seconds(lambda: kmeans(points, K, iterations=ITERATIONS, backend="torch", device="cuda"))
        print(f"torch on {torch.cuda.get_device_name()}, {VIDEOS:,} videos, K = {K:,}: {duration:.0f} seconds per run")


@dataclass(frozen=True)
class Result:
    """Speed and quality of an implementation of K-means."""

    name: str
    seconds: float  # per iteration
    objective: float  # sum of squared distances to the centroid of each point's cluster
    excess: float  # fraction of the lowest objective by which this one is higher


def compare(points: NDArray[np.float32], k: int, iterations: int) -> list[Result]:
    """The results of faiss, torch and scikit-learn on points (N, d), from the same centroids, on one core."""
    import faiss  # here, because `sketches` is used where these packages are missing
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    start = draw_start(points, k, seed=0)
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    results = []  # name, seconds per iteration, objective; all assign the points once more after the last iteration
    for backend in ("faiss", "torch"):
        before = time.perf_counter()
        ours = kmeans(points, k, iterations=iterations, backend=backend, start=start)
        duration = (time.perf_counter() - before) / (iterations + 1)
        results.append((backend, duration, objective(points, ours.labels, ours.centroids)))
    with threadpool_limits(1):
        theirs = KMeans(k, init=start, n_init=1, max_iter=iterations, tol=0)
        duration = seconds(lambda: theirs.fit(points)) / (theirs.n_iter_ + 1)
    results.append(("scikit-learn", duration, objective(points, theirs.labels_, theirs.cluster_centers_)))
    lowest = min(value for _, _, value in results)
    return [Result(name, duration, value, value / lowest - 1) for name, duration, value in results]


def objective(points: NDArray[np.float32], labels: NDArray[np.int32], centroids: NDArray[np.float32]) -> float:
    return sum(
        float(np.sum((points[labels == label] - centroids[label]) ** 2, dtype=np.float64)) for label in set(labels)
    )


def sketches(n: int, dimension: int = DIMENSION, seed: int = 0) -> NDArray[np.float32]:
    """`n` unit vectors (n, dimension), like sketches: with a falling spectrum and without separated groups."""
    draw = np.random.default_rng(seed)
    axes = draw.standard_normal((100, dimension), np.float32) / np.arange(1, 101, dtype=np.float32)[:, None] ** 0.5
    points = draw.standard_normal((n, dimension), np.float32)
    for first in range(0, n, 1000):
        block = points[first : first + 1000]
        block += draw.standard_normal((len(block), len(axes)), np.float32) @ axes
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return points


if __name__ == "__main__":
    main()
