"""Classification by a weighted vote of nearest neighbours, which needs no training ([46], section 3.4)."""

import torch
from torch import Tensor

QUERIES_AT_ONCE = 1024  # bounds memory without influence on the result


def nearest_classes(
    queries: Tensor,
    rows: Tensor,
    classes: Tensor,
    *,
    neighbours: int,
    temperature: float,
    own_rows: Tensor | None = None,
) -> Tensor:
    """The class with the most votes among the nearest rows of each query. A vote weighs exp(cosine / temperature).

    Args:
        queries: (Q, D) of unit length.
        rows: (N, D) of unit length.
        classes: (N,) int64; a row of class -1 does not vote.
        neighbours: Rows that vote.
        temperature: Temperature of the weights.
        own_rows: (Q,) int64, the row of each query itself, which does not vote. None: the queries are not rows.

    Returns:
        (Q,) int64.
    """
    known = classes >= 0
    n_neighbours = min(neighbours, int(known.sum()) - (own_rows is not None))
    n_classes = int(classes.max()) + 1
    winners = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        cosines = queries[start : start + QUERIES_AT_ONCE] @ rows.T  # (q, N)
        cosines[:, ~known] = -torch.inf
        if own_rows is not None:
            cosines.scatter_(1, own_rows[start : start + QUERIES_AT_ONCE, None], -torch.inf)
        nearest, indices = cosines.topk(n_neighbours, dim=1)
        votes = torch.zeros(len(cosines), n_classes, dtype=cosines.dtype, device=cosines.device)
        votes.scatter_add_(1, classes[indices], torch.exp((nearest - nearest[:, :1]) / temperature))
        winners.append(votes.argmax(dim=1))
    return torch.cat(winners)
