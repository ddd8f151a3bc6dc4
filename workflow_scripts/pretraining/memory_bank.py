"""The memory bank: one embedding of unit length per training video (paper, section 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.resnet3d import normalised


class MemoryBank(nn.Module):
    """D = {d_1, ..., d_N}: `rows` (N, D) float32 of unit length, row i that of `video_ids[i]`."""

    rows: Tensor

    def __init__(self, video_ids: Sequence[str], dimensions: int, seed: int) -> None:
        """Rows in random directions, each drawn from the seed and its own video id."""
        super().__init__()
        self.video_ids = list(video_ids)
        generators = (torch.Generator().manual_seed(int(digest(seed, "bank", name), 16) >> 1) for name in video_ids)
        rows = torch.stack([torch.randn(dimensions, generator=generator) for generator in generators])
        self.register_buffer("rows", normalised(rows))

    @torch.no_grad()
    def take_rows(self, rows: Tensor, video_ids: Sequence[str]) -> list[str]:
        """Copies the rows of another bank by video id, and returns the ids that the other bank lacks."""
        row_of = {name: row for row, name in enumerate(video_ids)}
        known = [(here, row_of[name]) for here, name in enumerate(self.video_ids) if name in row_of]
        if known:
            here, there = torch.tensor(known, device=rows.device).T
            self.rows[here.to(self.rows.device)] = rows[there].to(self.rows)
        return [name for name in self.video_ids if name not in row_of]

    @torch.no_grad()
    def update(self, indices: Tensor, embeddings: Tensor, momentum: float) -> None:
        """Updates rows: d_i <- normalise(momentum * d_i + (1 - momentum) * embedding), as in [46] and [49].

        `indices` (B,) int64, each at most once; `embeddings` (B, D) of unit length.
        """
        renewed = momentum * self.rows[indices] + (1 - momentum) * embeddings.to(self.rows)
        self.rows[indices] = normalised(renewed)
