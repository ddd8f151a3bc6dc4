"""Video IR: each video is a class (paper, equation 2).

A batch has B clips, the bank N videos, an embedding D dimensions. d is the embedding of a clip of video i.

    P(i | d) = exp(d_i . d / tau) / sum_j exp(d_j . d / tau)                  (2)

The loss is -log P(i | d). n uniformly drawn videos approximate the sum over the other videos. The weight of each is
(N - 1) / n. Sums are computed by log-sum-exp, which does not overflow at any temperature.
"""

import math

import torch
from torch import Tensor

from workflow_scripts.pretraining.objectives.batch import Batch, chosen_similarities, similarities


def loss(batch: Batch) -> Tensor:
    """The loss of a batch. With at most `negatives` other videos it is exact."""
    n_negatives, n_videos, negatives = batch.settings.negatives, len(batch.bank), None
    if n_negatives < n_videos - 1:
        drawn = draw_negatives(batch.rows, n_videos, n_negatives, batch.generator("negatives"))
        negatives = drawn[batch.part]
    temperature = batch.settings.temperature
    return instance_loss(batch.outputs, batch.bank, batch.own_rows, temperature=temperature, negatives=negatives)


def draw_negatives(indices: Tensor, n_videos: int, n_negatives: int, generator: torch.Generator) -> Tensor:
    """Draws rows (B, n_negatives) other than that of the clip, uniformly with replacement.

    Args:
        indices: The row (B,) int64 of the video of each clip.
        n_videos: Rows of the bank.
        n_negatives: Rows to draw per clip.
        generator: A generator on the device of `indices`.
    """
    size = (len(indices), n_negatives)
    drawn = torch.randint(n_videos - 1, size, generator=generator, device=indices.device)
    return drawn + (drawn >= indices[:, None])  # skips i; all other rows are equally likely


def instance_loss(
    embeddings: Tensor,
    bank: Tensor,
    indices: Tensor,
    *,
    temperature: float,
    negatives: Tensor | None = None,
) -> Tensor:
    """The mean of -log P(i | d), equation 2, over the batch: a scalar.

    Args:
        embeddings: (B, D) of unit length, differentiated.
        bank: (N, D) of unit length, constant.
        indices: The row i (B,) int64 of the video of each clip.
        temperature: tau.
        negatives: Rows (B, n) of the bank that approximate the sum (`draw_negatives`). None: the exact sum.
    """
    if negatives is None:
        exponents = similarities(embeddings, bank, temperature)  # (B, N)
        return (exponents.logsumexp(dim=1) - exponents.gather(1, indices[:, None])[:, 0]).mean()
    weight = (len(bank) - 1) / negatives.shape[1]
    rows = torch.cat([indices[:, None], negatives], dim=1)
    exponents = similarities(embeddings.detach(), bank, temperature)
    chosen = chosen_similarities(exponents, rows, embeddings, bank, temperature)  # (B, 1 + n)
    own, others = chosen.tensor_split([1], dim=1)
    return (torch.cat([own, others + math.log(weight)], dim=1).logsumexp(dim=1) - own[:, 0]).mean()
