"""Rows of vectors: their length and their nearest neighbours."""

import numpy as np
from numpy.typing import NDArray

QUERIES_AT_ONCE = 1024  # bounds memory; no influence on the result


def l2_normalised(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """The rows (n, d) at unit length. A row of zeros stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def nearest_rows(
    queries: NDArray[np.floating], rows: NDArray[np.floating], k: int, *, exclude_self: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The rows with the largest inner product with each query, the nearest first. Equal rows keep their order.

    Args:
        queries: (Q, d).
        rows: (N, d). Rows and queries of unit length make the inner products cosines.
        k: Rows per query; fewer if there are fewer.
        exclude_self: Query i is row i, which is not its own neighbour.

    Returns:
        The indices (Q, k) of the rows and their inner products (Q, k).
    """
    k = max(0, min(k, len(rows) - exclude_self))
    indices, products = [np.empty((0, k), np.int64)], [np.empty((0, k), rows.dtype)]
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        block = queries[start : start + QUERIES_AT_ONCE] @ rows.T
        if exclude_self:
            own = np.arange(len(block))
            block[own, start + own] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, :k]
        indices.append(order)
        products.append(np.take_along_axis(block, order, axis=1))
    return np.concatenate(indices), np.concatenate(products)
