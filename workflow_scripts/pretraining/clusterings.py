"""The clusters G that define close neighbours (paper, sections 3.2 and 3.3), joined by video id.

- network: clusters of the memory bank, recomputed before every epoch (Video LA);
- idt: clusters of the IDT sketches, computed once before the training (Video LA + IDT prior);
- joint: clusters of the bank rows concatenated with the IDT sketches, recomputed before every epoch (the final tuning).
  Both parts have unit length, so the squared distance in the joint space is the sum of the two, each in 0..4.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.clusters.cluster import cluster
from workflow_scripts.clusters.cluster_sketches import read_labels
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.resnet3d import normalised
from workflow_scripts.pretraining.settings import PretrainingSettings


def fixed_labels(path: Path, video_ids: Sequence[str]) -> Tensor:
    """Labels (m, N) int64 of `video_ids`, in their order, from the clusters file at `path`.

    Raises StageError with the ids if the file lacks videos.
    """
    clustered, labels = read_labels(path)
    row_of = {name: row for row, name in enumerate(clustered)}
    missing = [name for name in video_ids if name not in row_of]
    if missing:
        raise StageError(
            f"{path} lacks {len(missing)} of the {len(video_ids)} training videos ({', '.join(missing[:5])}); "
            "the file was made for other videos; delete it and run again"
        )
    return torch.from_numpy(labels[:, [row_of[name] for name in video_ids]].astype(np.int64))


def joint_space(bank: Tensor, sketches: Tensor) -> Tensor:
    """Concatenation (N, D + 2000) of bank rows and sketches, each part at unit length."""
    return torch.cat([bank, normalised(sketches.to(bank))], dim=1)


def mean_nmi(labels: Tensor, others: Tensor) -> float:
    """The normalised mutual information (0..1, by the mean of the entropies) of labels, averaged over clusterings.

    Args:
        labels: (m, N) int64, at least 0.
        others: (m, N) int64, at least 0, or (1, N): the same for all clusterings.
    """
    pairs = zip(labels.cpu().numpy(), others.expand_as(labels).cpu().numpy(), strict=True)
    return math.fsum(_nmi(one, other) for one, other in pairs) / len(labels)


def _nmi(one: np.ndarray, other: np.ndarray) -> float:
    together = np.unique(one * (other.max() + 1) + other, return_counts=True)[1]  # of the pairs of labels that occur
    of_one, of_other, of_both = (_entropy(counts) for counts in (np.bincount(one), np.bincount(other), together))
    if of_one + of_other == 0:
        return 1.0  # a single cluster twice
    return max(0.0, 2 * (of_one + of_other - of_both) / (of_one + of_other))


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def cluster_points(
    points: Tensor, settings: PretrainingSettings, seed: int, epoch: int, ranks: Ranks | None = None
) -> Tensor:
    """Clusters points m times; each clustering of each epoch has its own seed.

    Args:
        points: (N, D), the same in all processes.
        settings: The method with its parameters, k, m and the iterations.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        ranks: Process r of W computes the clusterings r, r + W, ... and broadcasts them.

    Returns:
        Labels (m, N) int64 on the device of the points.
    """
    ranks = ranks or Ranks()
    rows = points.cpu().numpy()
    labels = torch.empty(settings.m, len(points), dtype=torch.int64, device=points.device)
    for run in ranks.local_part(list(range(settings.m))):
        run_settings = ClustersSettings(
            **json.loads(settings.cluster_parameters),
            method=settings.cluster_method,
            k=settings.k,
            iterations=settings.kmeans_iterations,
            seed=int(digest(seed, "kmeans", epoch, run), 16) % 2**31,
        )
        labels[run] = torch.from_numpy(cluster(rows, run_settings, points.device).labels)
    for run, labels_of_run in enumerate(labels):
        ranks.broadcast(labels_of_run, source=run % ranks.size)
    return labels
