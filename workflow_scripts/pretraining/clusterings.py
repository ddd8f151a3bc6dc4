"""The clusters G that close neighbours come from (paper, sections 3.2 and 3.3), each joined by video id.

- network: K-means of the memory bank, renewed before every epoch (Video LA);
- idt: fixed, made once in the space of the IDT sketches (Video LA + IDT prior);
- joint: K-means of the concatenated bank rows and IDT sketches, renewed before every epoch (the final tuning). Both
  parts have unit length, so a squared distance in the joint space is the plain sum of the two, each in 0..4.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.identity import digest
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.stage import StageError


def _rows_of(wanted: Sequence[str], there: Sequence[str], where: str) -> list[int]:
    """The position in `there` of each wanted id; a StageError that names those missing."""
    row_of = {name: row for row, name in enumerate(there)}
    missing = [name for name in wanted if name not in row_of]
    if missing:
        raise StageError(
            f"{where} lacks {len(missing)} of the {len(wanted)} training videos ({', '.join(missing[:5])}); "
            "it was made from other videos: make it anew"
        )
    return [row_of[name] for name in wanted]


def fixed_labels(path: Path, video_ids: Sequence[str]) -> Tensor:
    """Labels (m, N) int64 of the clusters file at `path` for `video_ids`, in their order."""
    with h5py.File(path, "r") as file:
        rows = _rows_of(video_ids, file["video_id"].asstr()[:].tolist(), str(path))
        return torch.from_numpy(file["labels"][:][:, rows].astype(np.int64))


def read_sketches(paths: Sequence[Path], video_ids: Sequence[str]) -> Tensor:
    """IDT sketches (N, 2000) float32 of unit length from encoding shards, in the order of `video_ids`."""
    names: list[str] = []
    sketches: list[np.ndarray] = []
    for path in paths:
        with h5py.File(path, "r") as file:
            usable = file["status"].asstr()[:] == "ok"
            names += file["video_id"].asstr()[:][usable].tolist()
            sketches.append(file["sketch"][:][usable])
    rows = _rows_of(video_ids, names, "the encoding (files with status ok)")
    return functional.normalize(torch.from_numpy(np.concatenate(sketches)[rows]), dim=1)


def joint_space(bank: Tensor, sketches: Tensor) -> Tensor:
    """Concatenation (N, D + 2000) of bank rows and sketches, both of unit length."""
    return torch.cat([bank, sketches.to(bank)], dim=1)


def cluster(points: Tensor, settings: PretrainingSettings, seed: int, epoch: int) -> Tensor:
    """Labels (m, N) int64 of m K-means runs on points (N, D), each run and epoch from a seed of its own.

    On the CPU by faiss, on a GPU by the torch backend there.
    """
    from workflow_scripts.clusters.kmeans import kmeans  # brings faiss, which finetuning and test never need

    rows, backend = points.cpu().numpy(), "torch" if points.is_cuda else "faiss"
    labels = []
    for run in range(settings.m):
        run_seed = int(digest(seed, "kmeans", epoch, run), 16) % 2**31
        found = kmeans(
            rows,
            settings.k,
            iterations=settings.kmeans_iterations,
            seed=run_seed,
            backend=backend,
            device=points.device,
        )
        labels.append(torch.from_numpy(np.asarray(found.labels, np.int64)))
    return torch.stack(labels)
