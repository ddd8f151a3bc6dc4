"""Video IR: each video is a class of its own (paper, equation 2).

B clips of a batch, N videos in the bank, D dimensions; the clip with the embedding d was cut from video i.

    P(i | d) = exp(d_i . d / tau) / sum_j exp(d_j . d / tau)                  (2)

The loss is -log P(i | d). n videos drawn uniformly approximate the sum over the other videos; each stands for
(N - 1) / n of them. All sums are taken as log-sum-exp, so that no temperature overflows.
"""

import math

import torch
from torch import Tensor

from workflow_scripts.pretraining.objectives.batch import Batch, similarities


def loss(batch: Batch) -> Tensor:
    """The loss of a batch. If no more videos exist than would be drawn, all are taken."""
    n_negatives, n_videos, negatives = batch.settings.negatives, len(batch.bank), None
    if n_negatives < n_videos - 1:
        drawn = draw_negatives(batch.rows, n_videos, n_negatives, batch.generator("negatives"))
        negatives = batch.ranks.local_part(drawn)
    temperature = batch.settings.temperature
    return instance_loss(batch.outputs, batch.bank, batch.own_rows, temperature=temperature, negatives=negatives)


def draw_negatives(indices: Tensor, n_videos: int, n_negatives: int, generator: torch.Generator) -> Tensor:
    """Rows (B, n_negatives) other than the clip's own, drawn uniformly with replacement.

    Args:
        indices: The row (B,) int64 of each clip's video.
        n_videos: Rows of the bank.
        n_negatives: Rows to draw per clip.
        generator: On the device of `indices`.
    """
    size = (len(indices), n_negatives)
    drawn = torch.randint(n_videos - 1, size, generator=generator, device=indices.device)
    return drawn + (drawn >= indices[:, None])  # skips i; the other rows stay equally likely


def instance_loss(
    embeddings: Tensor,
    bank: Tensor,
    indices: Tensor,
    *,
    temperature: float,
    negatives: Tensor | None = None,
) -> Tensor:
    """Mean of -log P(i | d), equation 2, over the batch: a scalar.

    Args:
        embeddings: (B, D) of unit length, differentiated.
        bank: (N, D) of unit length, constant.
        indices: The row i (B,) int64 of each clip's video.
        temperature: tau.
        negatives: Rows (B, n) of the bank that stand for all others (`draw_negatives`). None takes all others, which
            is equation 2 as printed.
    """
    exponents = similarities(embeddings, bank, temperature)  # (B, N)
    if negatives is None:
        return (exponents.logsumexp(dim=1) - exponents.gather(1, indices[:, None])[:, 0]).mean()
    weight = (len(bank) - 1) / negatives.shape[1]
    # One gather, because the gradient of each is as large as all exponents.
    own, others = exponents.gather(1, torch.cat([indices[:, None], negatives], dim=1)).tensor_split([1], dim=1)
    return (torch.cat([own, others + math.log(weight)], dim=1).logsumexp(dim=1) - own[:, 0]).mean()
