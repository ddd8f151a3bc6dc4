"""The clusters G that close neighbours come from (paper, sections 3.2 and 3.3), each joined by video id.

- network: K-means of the memory bank, renewed before every epoch (Video LA);
- idt: fixed, made once in the space of the IDT sketches (Video LA + IDT prior);
- joint: K-means of the concatenated bank rows and IDT sketches, renewed before every epoch (the final tuning). Both
  parts have unit length, so a squared distance in the joint space is the plain sum of the two, each in 0..4.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.clusters.cluster_sketches import read_labels
from workflow_scripts.clusters.kmeans import kmeans
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.settings import PretrainingSettings


def fixed_labels(path: Path, video_ids: Sequence[str]) -> Tensor:
    """Labels (m, N) int64 of the clusters file at `path` for `video_ids`, in their order.

    Raises StageError, with the ids, where the file lacks videos.
    """
    there, labels = read_labels(path)
    row_of = {name: row for row, name in enumerate(there)}
    missing = [name for name in video_ids if name not in row_of]
    if missing:
        raise StageError(
            f"{path} lacks {len(missing)} of the {len(video_ids)} training videos ({', '.join(missing[:5])}); "
            "it was made from other videos: make it anew"
        )
    return torch.from_numpy(labels[:, [row_of[name] for name in video_ids]].astype(np.int64))


def joint_space(bank: Tensor, sketches: Tensor) -> Tensor:
    """Concatenation (N, D + 2000) of bank rows and sketches, each part made to unit length."""
    return torch.cat([bank, functional.normalize(sketches.to(bank), dim=1)], dim=1)


def cluster(points: Tensor, settings: PretrainingSettings, seed: int, epoch: int, ranks: Ranks | None = None) -> Tensor:
    """Labels (m, N) int64 of m K-means runs on points (N, D), each run and epoch from a seed of its own.

    On the CPU by faiss, on a GPU by the torch backend there. The `ranks`, which all hold the same points, share the
    runs: process r makes runs r, r + W, ... and gives them to the others.
    """
    ranks = ranks or Ranks()
    rows, backend = points.cpu().numpy(), "torch" if points.is_cuda else "faiss"
    labels = torch.empty(settings.m, len(points), dtype=torch.int64, device=points.device)
    for run in ranks.share(list(range(settings.m))):
        run_seed = int(digest(seed, "kmeans", epoch, run), 16) % 2**31
        clustering = kmeans(
            rows,
            settings.k,
            iterations=settings.kmeans_iterations,
            seed=run_seed,
            backend=backend,
            device=points.device,
        )
        labels[run] = torch.from_numpy(clustering.labels)
    for run, of_run in enumerate(labels):
        ranks.broadcast(of_run, source=run % ranks.size)
    return labels
