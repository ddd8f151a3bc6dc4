"""The one entry to clustering: points in, a clustering out, by the method that the settings name."""

from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.clusters.methods import METHODS
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.stage import StageError


@dataclass(frozen=True)
class Clustering:
    """Clusters of N points in R^d: the label of each point, the centroids, and the objective per iteration."""

    labels: NDArray[np.int32]  # (N,) in [0, K)
    centroids: NDArray[np.float32]  # (K, d)
    objective: NDArray[np.float64]  # (iterations,), what the method minimises


def cluster(points: NDArray[np.float32], settings: ClustersSettings, device: str | torch.device = "cpu") -> Clustering:
    """Clusters `points` (N, d) once, from `settings.seed`, by `settings.method` on `device`.

    The same arguments give the same clusters on one kind of device, to the last bit. Where the points cannot form
    `settings.k` clusters, there are fewer.

    Args:
        points: Finite numbers, at least one row.
        settings: The method, the number of clusters, and what the method itself reads.
        device: Where to compute. A method may use another one if it has no code for this one.

    Raises:
        StageError: No method has this name.
        ValueError: The method cannot cluster these points with these settings.
    """
    if settings.method not in METHODS:
        raise StageError(f"clusters.method: {settings.method!r} is not known; choose one of {', '.join(METHODS)}")
    clustering: Clustering = import_module(METHODS[settings.method].module).cluster(
        np.ascontiguousarray(points, np.float32), settings, torch.device(device)
    )
    return clustering


def repeats(settings: ClustersSettings) -> list[ClustersSettings]:
    """The settings of each of the `settings.m` clusterings, which differ in their seed."""
    return [replace(settings, seed=settings.seed + run) for run in range(settings.m)]
