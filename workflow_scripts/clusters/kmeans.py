"""K-means by Lloyd's steps, through two backends that start from the same centroids: faiss and torch.

A step assigns every point to its nearest centroid (squared Euclidean distance), then moves each centroid to the mean
of its points. `objective` is the sum over all points of the squared distance to the nearest centroid, taken at every
assignment, so that entry t belongs to the centroids before step t. All points take part. (By default faiss draws 256
points per centroid and does not report it.)

The start is K distinct points, drawn uniformly. A cluster that loses all its points gets new ones: torch moves it to
the point farthest from its centroid, faiss splits a large cluster.

faiss computes on the CPU, and on a GPU where its package has GPU support (`faiss.get_num_gpus()`). Otherwise torch
computes, on the same device.
"""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from workflow_scripts.clusters.cluster import Clustering
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.identity import rng

log = logging.getLogger(__name__)

BACKENDS = ("faiss", "torch")
BLOCK_NUMBERS = 1 << 24  # distances in memory at a time, 64 MiB
BLOCK_COLUMNS = 256  # of the points, sorted by cluster at a time: 230 MiB of 235,000 points


def cluster(points: NDArray[np.float32], settings: ClustersSettings, device: torch.device) -> Clustering:
    """K-means of `points` (N, d) on `device`; see `kmeans`."""
    return kmeans(points, settings.k, iterations=settings.iterations, seed=settings.seed, device=device)


def kmeans(
    points: NDArray[np.float32],
    k: int,
    *,
    iterations: int = 20,
    seed: int = 0,
    backend: str = "",
    device: str | torch.device = "cpu",
    start: NDArray[np.float32] | None = None,
) -> Clustering:
    """Clusters `points` (N, d) into `k` clusters, or into as many as there are distinct points.

    The same arguments give the same clusters on one kind of device, to the last bit.

    Args:
        points: Finite numbers, at least one row.
        k: Number of clusters.
        iterations: Number of Lloyd's steps.
        seed: Chooses the points that the centroids start from.
        backend: faiss or torch. By default faiss, and torch if faiss cannot compute on the device.
        device: Where to compute.
        start: First centroids (k, d), in place of drawn ones.

    Raises:
        ValueError: There are no points, they are not finite, or an argument is out of range.
    """
    points = np.ascontiguousarray(points, np.float32)
    if points.ndim != 2 or not points.size or not np.isfinite([points.min(), points.max()]).all():
        raise ValueError(f"K-means needs an array (N, d) of finite numbers, N > 0; this one has shape {points.shape}")
    if k < 1 or iterations < 1 or backend not in ("", *BACKENDS):
        raise ValueError(f"K-means cannot run with k={k}, iterations={iterations}, backend={backend!r}")
    if start is None:
        start = draw_start(points, k, seed)
        if len(start) < k:
            log.warning("K-means: %d clusters asked for, made %d: no more points are distinct", k, len(start))
    elif start.shape != (k, points.shape[1]):
        raise ValueError(
            f"{k} clusters of these points start from ({k}, {points.shape[1]}) centroids, not {start.shape}"
        )
    start, device = np.ascontiguousarray(start, np.float32), torch.device(device)
    if (backend or _backend(device)) == "faiss":
        return _faiss(points, start, iterations, device)
    return _torch(points, start, iterations, device)


def _backend(device: torch.device) -> str:
    """faiss if it is installed and computes on this device, else torch."""
    try:
        import faiss  # here, so that machines without it can import this module
    except ImportError:
        log.warning("K-means: faiss is not installed, torch computes in its place")
        return "torch"
    if device.type == "cpu" or (device.type == "cuda" and faiss.get_num_gpus() > (device.index or 0)):
        return "faiss"
    log.debug("K-means: the installed faiss has no GPU support, torch computes on the GPU in its place")
    return "torch"


def draw_start(points: NDArray[np.float32], k: int, seed: int) -> NDArray[np.float32]:
    """The first centroids: `k` of the points (N, d), uniform among the distinct ones; all where there are fewer."""
    rows: dict[bytes, int] = {}
    for row in rng(seed, "kmeans").permutation(len(points)):
        rows.setdefault(points[row].tobytes(), row)
        if len(rows) == k:
            break
    return points[list(rows.values())]


def _faiss(
    points: NDArray[np.float32], start: NDArray[np.float32], iterations: int, device: torch.device
) -> Clustering:
    import faiss

    run = faiss.Kmeans(
        points.shape[1],
        len(start),
        niter=1,  # step by step, for the progress
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),  # by default it draws 256 points per centroid
    )
    resources: Any = None
    if device.type == "cuda":
        resources = faiss.StandardGpuResources()  # must live as long as the index
        run.index = faiss.index_cpu_to_gpu(resources, device.index or 0, run.index)
    centroids = start
    objective = []
    for _ in _steps(iterations, len(start)):
        run.train(points, init_centroids=centroids)
        centroids = np.asarray(run.centroids, np.float32)
        objective.append(np.asarray(run.obj)[0])
    labels = run.index.search(points, 1)[1][:, 0].astype(np.int32)
    return Clustering(labels, centroids, np.array(objective, np.float64))


def _torch(
    points: NDArray[np.float32], start: NDArray[np.float32], iterations: int, device: torch.device
) -> Clustering:
    x = torch.from_numpy(points).to(device)  # (N, d)
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
    return Clustering(labels.to(torch.int32).cpu().numpy(), centroids.cpu().numpy(), np.array(objective))


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
    """Sum (K, d) of the points of x (N, d) of each cluster, `counts` (K,) points per cluster.

    A cluster's points are added in their order. On a GPU, index_add_ adds in an order that changes from run to run;
    centroids, and then labels, would change with it.
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
