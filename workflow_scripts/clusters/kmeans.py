"""K-means by Lloyd's steps, from one start through two backends: faiss, the reference, and torch, on any device.

A step assigns every point to its nearest centroid (squared Euclidean distance), then moves each centroid to the mean
of its points. `objective` is the sum over all points of the squared distance to the nearest centroid, taken at every
assignment, so that entry t belongs to the centroids before step t. All points take part (faiss by itself would draw
256 a centroid and say nothing).

The start: K distinct points, drawn uniformly. A cluster that loses all its points is given new ones: torch moves it
to the point farthest from its centroid, faiss splits a large cluster.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from workflow_scripts.ground.identity import rng

log = logging.getLogger(__name__)

BLOCK_NUMBERS = 1 << 24  # distances held at a time, 64 MiB
BLOCK_COLUMNS = 256  # of the points, sorted by cluster at a time: 230 MiB of 235,000 points


@dataclass(frozen=True)
class KMeans:
    """A clustering of N points in R^d: label of each point, centroids, and the objective per iteration."""

    labels: NDArray[np.int32]  # (N,) in [0, K)
    centroids: NDArray[np.float32]  # (K, d)
    objective: NDArray[np.float64]  # (iterations,) never rising, but where an empty cluster was given new points


def kmeans(
    points: NDArray[np.float32],
    k: int,
    *,
    iterations: int = 20,
    seed: int = 0,
    backend: str = "faiss",
    device: str | torch.device | None = None,
    start: NDArray[np.float32] | None = None,
) -> KMeans:
    """Clusters `points` (N, d) into `k`; where there are fewer distinct points than that, into as many.

    `backend` "faiss" computes on the CPU, and gives way to "torch" where it is not installed; "torch" computes on
    `device` (the CPU by default). `start` gives the first centroids (k, d) in place of drawn ones. The same arguments
    give the same clusters on one kind of device, to the last bit. Raises ValueError for points that are not finite, no
    points, or arguments out of range.
    """
    points = np.ascontiguousarray(points, np.float32)
    if points.ndim != 2 or not points.size or not np.isfinite([points.min(), points.max()]).all():
        raise ValueError(f"K-means needs an array (N, d) of finite numbers, N > 0; this one has shape {points.shape}")
    if k < 1 or iterations < 1 or backend not in ("faiss", "torch"):
        raise ValueError(f"K-means cannot run with k={k}, iterations={iterations}, backend={backend!r}")
    if start is None:
        start = draw_start(points, k, seed)
        if len(start) < k:
            log.warning("K-means: %d clusters asked for, made %d: no more points are distinct", k, len(start))
    elif start.shape != (k, points.shape[1]):
        raise ValueError(
            f"{k} clusters of these points start from ({k}, {points.shape[1]}) centroids, not {start.shape}"
        )
    start = np.ascontiguousarray(start, np.float32)
    if backend == "faiss":
        try:
            return _faiss(points, start, iterations)
        except ImportError:
            log.warning("K-means: faiss is not installed, torch takes its place")
    return _torch(points, start, iterations, device)


def draw_start(points: NDArray[np.float32], k: int, seed: int) -> NDArray[np.float32]:
    """The first centroids: `k` of the points (N, d), uniform among the distinct ones; all where there are fewer."""
    rows: dict[bytes, int] = {}
    for row in rng(seed, "kmeans").permutation(len(points)):
        rows.setdefault(points[row].tobytes(), row)
        if len(rows) == k:
            break
    return points[list(rows.values())]


def _faiss(points: NDArray[np.float32], start: NDArray[np.float32], iterations: int) -> KMeans:
    import faiss  # here, so that machines without it can import this module

    run = faiss.Kmeans(
        points.shape[1],
        len(start),
        niter=1,  # step by step, for the progress
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),  # or it would draw 256 a centroid
    )
    centroids = start
    objective = []
    for _ in _steps(iterations, len(start)):
        run.train(points, init_centroids=centroids)
        centroids = np.asarray(run.centroids, np.float32)
        objective.append(np.asarray(run.obj)[0])
    labels = run.index.search(points, 1)[1][:, 0].astype(np.int32)
    return KMeans(labels, centroids, np.array(objective, np.float64))


def _torch(
    points: NDArray[np.float32],
    start: NDArray[np.float32],
    iterations: int,
    device: str | torch.device | None,
) -> KMeans:
    x = torch.from_numpy(points).to(device or "cpu")  # (N, d)
    centroids = torch.from_numpy(start).to(x.device)  # (K, d)
    objective = []
    for _ in _steps(iterations, len(start)):
        labels, distances = _nearest(x, centroids)
        objective.append(float(distances.sum(dtype=torch.float64)))
        _fill_empty(labels, distances, len(start))
        counts = torch.bincount(labels, minlength=len(start))
        sums = _sums_by_cluster(x, labels, counts)
        centroids = torch.where(counts[:, None] > 0, sums / counts[:, None], centroids)
    labels, _ = _nearest(x, centroids)
    return KMeans(labels.to(torch.int32).cpu().numpy(), centroids.cpu().numpy(), np.array(objective))


def _steps(iterations: int, k: int) -> Iterable[int]:
    return tqdm(range(iterations), f"K-means, K={k}", unit="step", leave=False)


def _nearest(x: torch.Tensor, centroids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index (N,) of the nearest centroid of each point of x (N, d), and the squared distance to it (N,)."""
    labels = torch.empty(len(x), dtype=torch.int64, device=x.device)
    distances = torch.empty(len(x), dtype=x.dtype, device=x.device)
    norms = (centroids**2).sum(dim=1)
    rows = max(1, BLOCK_NUMBERS // len(centroids))
    for first in range(0, len(x), rows):
        block = x[first : first + rows]
        # |x - c|^2 less |x|^2, which is the same for all centroids
        least, nearest = torch.addmm(norms, block, centroids.T, alpha=-2).min(dim=1)
        labels[first : first + rows] = nearest
        distances[first : first + rows] = (least + torch.linalg.vector_norm(block, dim=1) ** 2).clamp_min(0)
    return labels, distances


def _sums_by_cluster(x: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Sum (K, d) of the points of x (N, d) of each cluster, of which there are `counts` (K,).

    A cluster's points are added in their order. (index_add_ on a GPU adds in whatever order its threads come, so that
    centroids, and then labels, would differ from run to run.)
    """
    order = labels.argsort(stable=True)
    blocks = x.split(BLOCK_COLUMNS, dim=1)
    return torch.cat([torch.segment_reduce(block[order], "sum", lengths=counts) for block in blocks], dim=1)


def _fill_empty(labels: torch.Tensor, distances: torch.Tensor, k: int) -> None:
    """Gives each cluster without points the one farthest from its centroid, out of a cluster that has others."""
    counts = torch.bincount(labels, minlength=k).tolist()
    empty = [cluster for cluster, count in enumerate(counts) if count == 0]
    if not empty:
        return
    farthest = iter(distances.argsort(descending=True, stable=True).tolist())
    for cluster in empty:
        for point in farthest:
            if counts[labels[point]] > 1:
                counts[labels[point]] -= 1
                labels[point] = cluster
                break
