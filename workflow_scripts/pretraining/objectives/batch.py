"""The inputs of the loss of an objective, and the similarities of clips and videos."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.settings import PretrainingSettings


@dataclass(frozen=True)
class Batch:
    """The outputs of a part of the clips of one training step, and the state of the training. B clips, N videos.

    `rows` are those of the whole batch, and `part` chooses those of the B clips: a process, or a micro-batch of it, has
    a part of the batch.
    """

    outputs: Tensor  # (B, D) embeddings of unit length, or (B, classes) scores
    rows: Tensor  # int64, the index of the video of each clip of the whole batch
    bank: Tensor  # (N, D) of unit length, constant
    classes: Tensor | None  # (N,) int64, for an objective that needs labels
    clusters: Tensor | None  # (m, N) int64, for an objective that needs clusters
    settings: PretrainingSettings
    part: slice
    random_key: tuple[int, int, int]  # seed, epoch and step

    @property
    def own_rows(self) -> Tensor:
        """The index (B,) int64 of the video of each of the B clips."""
        return self.rows[self.part]

    def generator(self, name: str) -> torch.Generator:
        """A generator on the device of the batch, for the draws called `name`. All processes draw the same numbers."""
        seed, epoch, step = self.random_key
        generator = torch.Generator(self.outputs.device)
        generator.manual_seed(int(digest(seed, name, epoch, step), 16) >> 1)
        return generator


def similarities(embeddings: Tensor, bank: Tensor, temperature: float) -> Tensor:  # (B, D), (N, D) -> (B, N)
    """d_j . d / tau of each clip and each video: the exponents of equation 2."""
    return (embeddings / temperature) @ bank.T  # cheaper than dividing the larger product


def chosen_similarities(
    exponents: Tensor, rows: Tensor, embeddings: Tensor, bank: Tensor, temperature: float
) -> Tensor:
    """The similarities of each clip to its own choice of videos, differentiable with respect to the embeddings.

    Automatic differentiation of the choice would make a gradient as large as all similarities, most of it zeros.

    Args:
        exponents: `similarities` (B, N), constant.
        rows: The chosen videos (B, n) int64, with or without repetition.
        embeddings: (B, D), differentiated.
        bank: (N, D), constant.
        temperature: tau.

    Returns:
        (B, n).
    """
    chosen: Tensor = _Chosen.apply(embeddings, exponents, rows, bank, temperature)
    return chosen


class _Chosen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, exponents: Tensor, rows: Tensor, bank: Tensor, temperature: float) -> Any:
        ctx.save_for_backward(rows, bank)
        ctx.temperature = temperature
        return exponents.gather(1, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        rows, bank = ctx.saved_tensors
        weights = gradient.contiguous() / ctx.temperature
        return functional.embedding_bag(rows, bank, per_sample_weights=weights, mode="sum"), None, None, None, None
