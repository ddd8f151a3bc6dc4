"""Count sketch: a sparse random projection (paper 3.3, p(psi) = P psi, after [45]).

Entry i of a vector of n is added, with sign s(i), to entry h(i) of m:

    p(psi)_j = sum over i with h(i) = j of s(i) psi_i

P has one entry of +-1 per column and is stored as two vectors, h in [0, m) and s in {-1, +1}. A dense matrix would take
0.8 to 1.6 GB here. The sketch preserves inner products in expectation, E[p(x) . p(y)] = x . y, with a variance of at
most (|x|^2 |y|^2 + (x . y)^2) / m.
"""

import numpy as np
from numpy.typing import NDArray


def draw_sketch(n: int, dimension: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Draws a hash (n,) with values in [0, dimension) and signs (n,) of -1 or 1, uniform and independent."""
    if n < 1 or dimension < 1:
        raise ValueError(f"a sketch needs at least 1 entry, not {n} entries reduced to {dimension}")
    indices = rng.integers(0, dimension, n, dtype=np.int32)
    signs = (2 * rng.integers(0, 2, n, dtype=np.int8) - 1).astype(np.int8)
    return indices, signs


def count_sketch(
    vectors: NDArray[np.floating], indices: NDArray[np.int32], signs: NDArray[np.int8], dimension: int
) -> NDArray[np.float64]:
    """Returns the sketch (..., dimension) of a vector (n,) or of each row of an array (..., n).

    `indices` and `signs` (n,) come from `draw_sketch`. Raises ValueError if the lengths differ.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim < 1 or vectors.shape[-1] != len(indices) or len(indices) != len(signs):
        raise ValueError(f"the sketch takes {len(indices)} entries, the vectors have shape {vectors.shape}")
    rows = (signs * vectors).reshape(-1, len(indices))
    sketches = [np.bincount(indices, row, minlength=dimension) for row in rows]
    return np.reshape(sketches, (*vectors.shape[:-1], dimension))
