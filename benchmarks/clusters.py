"""How fast K-means is with either backend, how good, and how long the paper's size takes: 235,000 x 2,000, K = 6,000.

    make benchmark-clusters                                # a slice, one core a backend; with CUDA, the full size too
    python -m benchmarks.clusters --points 50000 --k 2000  # a larger slice

faiss, torch and the baseline, scikit-learn's KMeans, start from the same centroids. The points are generated.
"""

import argparse
import time
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.measure import seconds
from workflow_scripts.clusters.kmeans import draw_start, kmeans

VIDEOS, DIMENSION, K, RUNS, ITERATIONS = 235_000, 2000, 6000, 3, 20  # the paper's, and those of the authors' code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--k", type=int, default=512, help="clusters (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="default: %(default)s")
    chosen = parser.parse_args()
    points = sketches(chosen.points)
    print(f"{chosen.points:,} x {DIMENSION}, K = {chosen.k}, {chosen.iterations} iterations, one core each")
    for result in compare(points, chosen.k, chosen.iterations):
        rate = 2 * chosen.points * DIMENSION * chosen.k / result.seconds
        print(f"{result.name:13} {result.seconds:7.3f} s an iteration, {rate / 1e9:6.1f} GFLOP/s, ", end="")
        print(f"objective {result.objective:.3f}, {result.above:+.4%} of the least")
        hours = 2 * VIDEOS * DIMENSION * K * (ITERATIONS + 1) / rate / 3600
        print(f"{'':13} {VIDEOS:,} videos, K = {K:,}: {hours:.1f} hours a run, {RUNS} runs on a core each")
    if torch.cuda.is_available():
        points = sketches(VIDEOS)
        spent = seconds(lambda: kmeans(points, K, iterations=ITERATIONS, backend="torch", device="cuda"))
        print(f"torch on {torch.cuda.get_device_name()}, {VIDEOS:,} videos, K = {K:,}: {spent:.0f} seconds a run")


@dataclass(frozen=True)
class Result:
    """Of one way to run K-means: seconds an iteration, and what it reaches."""

    name: str
    seconds: float
    objective: float  # sum of squared distances to the centroid of each point's cluster
    above: float  # share by which that is above the least of all


def compare(points: NDArray[np.float32], k: int, iterations: int) -> list[Result]:
    """faiss, torch and scikit-learn on the points (N, d), from the same start, on one core."""
    start = draw_start(points, k, seed=0)
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    found = []  # name, seconds an iteration, objective; each assigns once more after its last step
    for backend in ("faiss", "torch"):
        before = time.perf_counter()
        ours = kmeans(points, k, iterations=iterations, backend=backend, start=start)
        spent = (time.perf_counter() - before) / (iterations + 1)
        found.append((backend, spent, objective(points, ours.labels, ours.centroids)))
    with threadpool_limits(1):
        theirs = KMeans(k, init=start, n_init=1, max_iter=iterations, tol=0)
        spent = seconds(lambda: theirs.fit(points)) / (theirs.n_iter_ + 1)
    found.append(("scikit-learn", spent, objective(points, theirs.labels_, theirs.cluster_centers_)))
    least = min(reached for _, _, reached in found)
    return [Result(name, spent, reached, reached / least - 1) for name, spent, reached in found]


def objective(points: NDArray[np.float32], labels: NDArray[np.int32], centroids: NDArray[np.float32]) -> float:
    return sum(
        float(np.sum((points[labels == label] - centroids[label]) ** 2, dtype=np.float64)) for label in set(labels)
    )


def sketches(n: int, dimension: int = DIMENSION, seed: int = 0) -> NDArray[np.float32]:
    """`n` unit vectors (n, dimension), as sketches are; their spectrum falls, and no gaps part them."""
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
