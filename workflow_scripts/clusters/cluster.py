"""Clusters points by the method that the settings name."""

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
    """K clusters of N points in R^d.

    A method gives the same K and the same number of iterations from each seed, because a file holds the clusterings of
    several seeds as one array.
    """

    labels: NDArray[np.int32]  # (N,) in [0, K)
    centroids: NDArray[np.float32]  # (K, d), the mean of each cluster's points
    objective: NDArray[np.float64]  # (iterations,), the value that the method minimises; a method may give one


def cluster(points: NDArray[np.float32], settings: ClustersSettings, device: str | torch.device = "cpu") -> Clustering:
    """Clusters `points` (N, d) once, from `settings.seed`, by `settings.method` on `device`.

    The same arguments give the same bytes on one kind of device. There are fewer than `settings.k` clusters if the
    points cannot form as many.

    Args:
        points: Finite numbers, at least one row.
        settings: The method and its parameters.
        device: Where to compute. A method may use another device if it does not support this one.

    Raises:
        StageError: No method has this name.
        ValueError: The method cannot cluster these points with these settings.
    """
    if settings.method not in METHODS:
        raise StageError(f"clusters.method: {settings.method!r} is not known; choose one of {', '.join(METHODS)}")
    clustering: Clustering = import_module(METHODS[settings.method]).cluster(
        np.ascontiguousarray(points, np.float32), settings, torch.device(device)
    )
    return clustering


def settings_per_run(settings: ClustersSettings) -> list[ClustersSettings]:
    """The settings of each of the `settings.m` clusterings, which differ in the seed."""
    return [replace(settings, seed=settings.seed + run) for run in range(settings.m)]
