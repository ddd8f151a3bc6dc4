"""The memory bank: one embedding of unit length per training video (paper, section 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.resnet3d import normalised


class MemoryBank(nn.Module):
    """D = {d_1, ..., d_N}: `rows` (N, D) float32 of unit length; row i belongs to `video_ids[i]`."""

    rows: Tensor

    def __init__(self, video_ids: Sequence[str], dimensions: int, seed: int) -> None:
        """Draws each row from the seed and its video id, in a random direction."""
        super().__init__()
        self.video_ids = list(video_ids)
        generators = (torch.Generator().manual_seed(int(digest(seed, "bank", name), 16) >> 1) for name in video_ids)
        rows = torch.stack([torch.randn(dimensions, generator=generator) for generator in generators])
        self.register_buffer("rows", normalised(rows))

    @torch.no_grad()
    def copy_rows(self, rows: Tensor, video_ids: Sequence[str]) -> list[str]:
        """Copies rows (M, D) by their `video_ids`. Returns the ids of this bank that are not among them."""
        row_of = {name: row for row, name in enumerate(video_ids)}
        pairs = [(target, row_of[name]) for target, name in enumerate(self.video_ids) if name in row_of]
        if pairs:
            target, source = torch.tensor(pairs, device=rows.device).T
            self.rows[target.to(self.rows.device)] = rows[source].to(self.rows)
        return [name for name in self.video_ids if name not in row_of]

    @torch.no_grad()
    def update(self, indices: Tensor, embeddings: Tensor, momentum: float) -> None:
        """Updates rows: d_i <- normalise(momentum * d_i + (1 - momentum) * embedding), as in [46] and [49].

        Args:
            indices: (B,) int64, without repetition.
            embeddings: (B, D) of unit length.
            momentum: Weight of the old row.
        """
        updated = momentum * self.rows[indices] + (1 - momentum) * embeddings.to(self.rows)
        self.rows[indices] = normalised(updated)
