"""The paper's two objectives, equations 2 to 4, over a memory bank.

B clips of a batch, N videos in the bank, D dimensions; v_i is the video a clip was cut from.

    P(i | d)       = exp(d_i . d / tau) / sum_j exp(d_j . d / tau)                  (2)
    L(C_i, B_i)    = -log( P(C_i and B_i | d) / P(B_i | d) )                        (3)
    P(A | d)       = sum over i in A of P(i | d)                                    (4)

Video IR minimises -log P(i | d), the sum over the other videos approximated by n of them drawn uniformly, each standing
for (N - 1) / n. Video LA minimises (3): the sum of (2) cancels, so only the rows of B_i enter.

Inputs: `embeddings` (B, D) of unit length, differentiated; `bank` (N, D) of unit length, constant; `indices` (B,)
int64, the row i of each clip's video. All exponents are taken as log-sum-exp, so that no temperature overflows.
"""

import math

import torch
from torch import Tensor


def similarities(embeddings: Tensor, bank: Tensor, temperature: float) -> Tensor:  # (B, D), (N, D) -> (B, N)
    """d_j . d / tau for every clip and every video, the exponents of equation 2."""
    return (embeddings / temperature) @ bank.T  # divided first: (B, N) is the largest tensor there is


def draw_negatives(indices: Tensor, n_videos: int, n_negatives: int, generator: torch.Generator) -> Tensor:
    """Rows (B, n_negatives) other than the clip's own, uniform, with replacement; `generator` on their device."""
    size = (len(indices), n_negatives)
    drawn = torch.randint(n_videos - 1, size, generator=generator, device=indices.device)
    return drawn + (drawn >= indices[:, None])  # skips i, and keeps the rest equally likely


def instance_loss(
    embeddings: Tensor,
    bank: Tensor,
    indices: Tensor,
    *,
    temperature: float,
    negatives: Tensor | None = None,
) -> Tensor:
    """Mean of -log P(i | d), equation 2, over the batch: a scalar.

    `negatives` (B, n) are rows of the bank that stand for all others (`draw_negatives`); None takes all others, which
    is equation 2 as printed.
    """
    exponents = similarities(embeddings, bank, temperature)  # (B, N)
    if negatives is None:
        return (exponents.logsumexp(dim=1) - exponents.gather(1, indices[:, None])[:, 0]).mean()
    weight = (len(bank) - 1) / negatives.shape[1]
    # One gather, because the gradient of each is of the size of all exponents.
    own, others = exponents.gather(1, torch.cat([indices[:, None], negatives], dim=1)).tensor_split([1], dim=1)
    return (torch.cat([own, others + math.log(weight)], dim=1).logsumexp(dim=1) - own[:, 0]).mean()


def local_aggregation_loss(
    embeddings: Tensor,
    bank: Tensor,
    indices: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    neighbours: int,
) -> Tensor:
    """Mean of equation 3 over the batch: a scalar.

    `labels` (m, N) are the clusters of every video in m clusterings. B_i is the `neighbours` rows of the bank nearest
    to the clip, and i; C_i is the videos that share a cluster with v_i in any of the clusterings, so i is always in
    both and the loss is finite.
    """
    exponents = similarities(embeddings, bank, temperature)  # (B, N)
    nearest = exponents.detach().topk(min(neighbours, len(bank)), dim=1, sorted=False).indices  # (B, n)
    rows = torch.cat([nearest, indices[:, None]], dim=1)  # (B, n + 1): i in a column of its own, ...
    counts = torch.ones_like(rows, dtype=torch.bool)
    counts[:, -1] = (nearest != indices[:, None]).all(dim=1)  # ... unless it is among the nearest
    close = (labels[:, rows] == labels[:, indices, None]).any(dim=0)  # (B, n + 1)

    values = exponents.gather(1, rows)
    background = values.masked_fill(~counts, -torch.inf).logsumexp(dim=1)  # log of P(B_i | d), up to equation 2's sum
    both = values.masked_fill(~(counts & close), -torch.inf).logsumexp(dim=1)  # of C_i and B_i
    return (background - both).mean()
