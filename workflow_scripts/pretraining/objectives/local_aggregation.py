"""Video LA: a clip's close neighbours among its background neighbours (paper, equations 3 and 4).

A batch has B clips, the bank N videos, an embedding D dimensions. d is the embedding of a clip of video v_i. Equation 2
(see `instance`) defines P(j | d).

    L(C_i, B_i) = -log( P(C_i and B_i | d) / P(B_i | d) )                    (3)
    P(A | d)    = sum over j in A of P(j | d)                                (4)

The denominator of equation 2 cancels, so only the rows of B_i are needed. Sums are computed by log-sum-exp, which does
not overflow at any temperature.
"""

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.pretraining.objectives.batch import Batch, chosen_similarities, similarities


def loss(batch: Batch) -> Tensor:
    assert batch.clusters is not None
    return local_aggregation_loss(
        batch.outputs,
        batch.bank,
        batch.own_rows,
        batch.clusters,
        temperature=batch.settings.temperature,
        neighbours=batch.settings.neighbours,
    )


def local_aggregation_loss(
    embeddings: Tensor,
    bank: Tensor,
    indices: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    neighbours: int,
) -> Tensor:
    """The mean of equation 3 over the batch: a scalar.

    B_i is video i and the `neighbours` rows of the bank that are nearest to the clip. C_i is all videos that are in the
    cluster of v_i in at least one clustering. Video i is in both sets, so the loss is finite.

    Args:
        embeddings: (B, D) of unit length, differentiated.
        bank: (N, D) of unit length, constant.
        indices: The row i (B,) int64 of the video of each clip.
        labels: The cluster (m, N) of each video in m clusterings.
        temperature: tau.
        neighbours: Number of background neighbours.
    """
    exponents = similarities(embeddings.detach(), bank, temperature)  # (B, N)
    nearest = largest(exponents, min(neighbours, len(bank)))  # (B, n)
    rows = torch.cat([nearest, indices[:, None]], dim=1)  # (B, n + 1), the last column is i
    counts = torch.ones_like(rows, dtype=torch.bool)
    counts[:, -1] = (nearest != indices[:, None]).all(dim=1)  # counts i once
    close = (labels[:, rows] == labels[:, indices, None]).any(dim=0)  # (B, n + 1)

    values = chosen_similarities(exponents, rows, embeddings, bank, temperature)
    background = values.masked_fill(~counts, -torch.inf).logsumexp(dim=1)  # log of P(B_i | d), up to equation 2's sum
    both = values.masked_fill(~(counts & close), -torch.inf).logsumexp(dim=1)  # of C_i and B_i
    return (background - both).mean()


def largest(values: Tensor, n: int) -> Tensor:  # (B, N) -> (B, n) int64
    """The columns of the `n` largest values of each row, in any order."""
    if not values.is_cpu or n == values.shape[1]:
        return values.topk(n, dim=1, sorted=False).indices
    # NumPy's selection takes less than half the time of torch's on a CPU. Row by row it needs little memory.
    rows = [np.argpartition(row, -n)[-n:] for row in values.numpy()]
    return torch.from_numpy(np.stack(rows))
