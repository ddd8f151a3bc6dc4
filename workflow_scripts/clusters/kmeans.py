"""K-means by Lloyd's algorithm, with two backends that start from the same centroids: faiss and torch.

An iteration assigns each point to its nearest centroid (squared Euclidean distance), then moves each centroid to the
mean of its points. Entry t of `objective` is the sum of the squared distances of all points to their nearest centroids
before iteration t. All points are used, although faiss by default draws 256 points per centroid.

The first centroids are K distinct points, drawn uniformly. If a cluster loses all its points, torch moves it to the
point that is farthest from its centroid, and faiss splits a large cluster.

faiss is used on the CPU, and on a GPU if its package has GPU support (`faiss.get_num_gpus()`). Otherwise torch is used.
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
BLOCK_COLUMNS = 256  # columns that are sorted at a time: 230 MiB for 235,000 points


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
    """Clusters `points` (N, d) into `k` clusters, or fewer if there are fewer distinct points.

    The same arguments give the same bytes on one kind of device.

    Args:
        points: Finite numbers, at least one row.
        k: Number of clusters.
        iterations: Iterations of Lloyd's algorithm.
        seed: Seed of the first centroids.
        backend: faiss or torch. By default faiss, or torch if faiss does not support the device.
        device: Where to compute.
        start: The first centroids (k, d). None: draw them.

    Raises:
        ValueError: There are no points, they are not finite, or an argument is out of range.
    """
    points = np.ascontiguousarray(points, np.float32)
    if points.ndim != 2 or not points.size or not np.isfinite([points.min(), points.max()]).all():
        raise ValueError(f"K-means needs an array (N, d) of finite numbers with N > 0, not one of shape {points.shape}")
    if k < 1 or iterations < 1 or backend not in ("", *BACKENDS):
        raise ValueError(f"K-means cannot run with k={k}, iterations={iterations}, backend={backend!r}")
    if start is None:
        start = draw_start(points, k, seed)
        if len(start) < k:
            log.warning("K-means: %d clusters instead of %d, because no more points are distinct", len(start), k)
    elif start.shape != (k, points.shape[1]):
        raise ValueError(
            f"K-means: the first centroids must have the shape ({k}, {points.shape[1]}), not {start.shape}"
        )
    start, device = np.ascontiguousarray(start, np.float32), torch.device(device)
    if (backend or _backend(device)) == "faiss":
        return _faiss(points, start, iterations, device)
    return _torch(points, start, iterations, device)


def _backend(device: torch.device) -> str:
    """faiss if it is installed and supports the device, else torch."""
    try:
        import faiss  # here, because it is optional
    except ImportError:
        log.warning("K-means: faiss is not installed, so torch is used")
        return "torch"
    if device.type == "cpu" or (device.type == "cuda" and faiss.get_num_gpus() > (device.index or 0)):
        return "faiss"
    log.debug("K-means: the installed faiss has no GPU support, so torch is used")
    return "torch"


def draw_start(points: NDArray[np.float32], k: int, seed: int) -> NDArray[np.float32]:
    """Draws the first centroids (k, d) uniformly from the distinct points of (N, d); fewer if k is larger."""
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

    faiss_kmeans = faiss.Kmeans(
        points.shape[1],
        len(start),
        niter=1,  # one per call, to show progress
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),  # the default draws 256 points per centroid
    )
    resources: Any = None
    if device.type == "cuda":
        resources = faiss.StandardGpuResources()  # must live as long as the index
        faiss_kmeans.index = faiss.index_cpu_to_gpu(resources, device.index or 0, faiss_kmeans.index)
    centroids = start
    objective = []
    for _ in _steps(iterations, len(start)):
        faiss_kmeans.train(points, init_centroids=centroids)
        centroids = np.asarray(faiss_kmeans.centroids, np.float32)
        objective.append(np.asarray(faiss_kmeans.obj)[0])
    labels = faiss_kmeans.index.search(points, 1)[1][:, 0].astype(np.int32)
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
    """The index (N,) of the nearest centroid of each point of x (N, d), and the squared distance (N,) to it."""
    labels = torch.empty(len(x), dtype=torch.int64, device=x.device)
    distances = torch.empty(len(x), dtype=x.dtype, device=x.device)
    norms = (centroids**2).sum(dim=1)
    rows = max(1, BLOCK_NUMBERS // len(centroids))
    for first in range(0, len(x), rows):
        block = x[first : first + rows]
        # |x - c|^2 - |x|^2, because |x|^2 is the same for all centroids
        least, nearest = torch.addmm(norms, block, centroids.T, alpha=-2).min(dim=1)
        labels[first : first + rows] = nearest
        distances[first : first + rows] = (least + torch.linalg.vector_norm(block, dim=1) ** 2).clamp_min(0)
    return labels, distances


def _sums_by_cluster(x: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The sums (K, d) of the points of x (N, d) per cluster; `counts` (K,) is the number of points per cluster.

    The points are added in their order. index_add_ adds in an order that varies between runs on a GPU, which would
    change the rounding of the centroids.
    """
    order = labels.argsort(stable=True)
    blocks = x.split(BLOCK_COLUMNS, dim=1)
    return torch.cat([torch.segment_reduce(block[order], "sum", lengths=counts) for block in blocks], dim=1)


def _fill_empty(labels: torch.Tensor, distances: torch.Tensor, k: int) -> None:
    """Moves the farthest point from its centroid to each empty cluster, except the only point of a cluster."""
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
