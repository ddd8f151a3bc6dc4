"""Count sketch: a random projection that is never a matrix (paper 3.3, p(psi) = P psi, after [45]).

Entry i of a vector of n goes, with sign s(i), to one place h(i) of m:

    p(psi)_j = sum over i with h(i) = j of s(i) psi_i

P has one entry of +-1 per column, so it is kept as two vectors, h in [0, m) and s in {-1, +1}; as a dense matrix it
would take 0.8 to 1.6 GB here. Inner products are kept in expectation, E[p(x) . p(y)] = x . y, with variance at most
(|x|^2 |y|^2 + (x . y)^2) / m.
"""

import numpy as np
from numpy.typing import NDArray


def draw_sketch(n: int, dimension: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Hash (n,) with values in [0, dimension) and sign (n,) of -1 or 1, both uniform and independent."""
    if n < 1 or dimension < 1:
        raise ValueError(f"a sketch from {n} to {dimension} entries makes no sense")
    places = rng.integers(0, dimension, n, dtype=np.int32)
    signs = (2 * rng.integers(0, 2, n, dtype=np.int8) - 1).astype(np.int8)
    return places, signs


def count_sketch(
    vectors: NDArray[np.floating], places: NDArray[np.int32], signs: NDArray[np.int8], dimension: int
) -> NDArray[np.float64]:
    """The sketch (..., dimension) of a vector (n,) or of each row of an array (..., n).

    `places` and `signs` (n,) come from `draw_sketch`. Raises ValueError where the lengths differ.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim < 1 or vectors.shape[-1] != len(places) or len(places) != len(signs):
        raise ValueError(f"the sketch takes {len(places)} entries, the vectors have shape {vectors.shape}")
    rows = (signs * vectors).reshape(-1, len(places))
    sketches = [np.bincount(places, row, minlength=dimension) for row in rows]
    return np.reshape(sketches, (*vectors.shape[:-1], dimension))
