"""The vote of nearest neighbours that judges an embedding without training anything ([46], section 3.4)."""

import torch
from torch import Tensor

QUERIES_AT_ONCE = 1024  # bounds memory; no influence on the result


def nearest_classes(
    queries: Tensor,
    rows: Tensor,
    classes: Tensor,
    *,
    neighbours: int,
    temperature: float,
    own: Tensor | None = None,
) -> Tensor:
    """The class (Q,) int64 that wins among the nearest rows of each query, votes weighing exp(cosine / temperature).

    `queries` (Q, D) and `rows` (N, D) of unit length; `classes` (N,) int64, -1 for a row that has none and is not
    asked; `own` (Q,) int64 the row that is the query itself and does not vote.
    """
    known = classes >= 0
    n_neighbours = min(neighbours, int(known.sum()) - (own is not None))
    n_classes = int(classes.max()) + 1
    found = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        cosines = queries[start : start + QUERIES_AT_ONCE] @ rows.T  # (q, N)
        cosines[:, ~known] = -torch.inf
        if own is not None:
            cosines.scatter_(1, own[start : start + QUERIES_AT_ONCE, None], -torch.inf)
        near, which = cosines.topk(n_neighbours, dim=1)
        votes = torch.zeros(len(cosines), n_classes, dtype=cosines.dtype, device=cosines.device)
        votes.scatter_add_(1, classes[which], torch.exp((near - near[:, :1]) / temperature))
        found.append(votes.argmax(dim=1))
    return torch.cat(found)
