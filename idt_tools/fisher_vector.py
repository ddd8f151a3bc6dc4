"""Fisher vector of a set of trajectory descriptors under a diagonal Gaussian mixture (paper 3.3, equations 5-6).

For descriptors x_1 .. x_N in R^D and a mixture of K Gaussians with weights w_k, means mu_k and variances sigma_k^2,

    p(k | x)  = w_k G(x; mu_k, sigma_k) / sum_j w_j G(x; mu_j, sigma_j)
    phi_k(x)  = (x - mu_k) / sigma_k                                                        (6)
    phi'_k(x) = phi_k(x)^2 - 1                                                              (6)
    phi*_k(x) = p(k | x) / sqrt(w_k) [phi_k(x), phi'_k(x) / sqrt(2)]                        (5)
    psi       = 1/N sum_i [phi*_1(x_i), ..., phi*_K(x_i)]                                   in R^(2KD)

Component k therefore owns the 2D entries from 2kD on: D of the means, then D of the variances. psi is then normalised:
the paper takes the signed square root, sign(psi) sqrt|psi|, and divides it by its L2 norm. `NORMALISATIONS` lists the
normalisations. To add one, add a function and its entry there.

The factors 1/sqrt(w_k), 1/sigma_k and 1/sqrt(2) come from the analytical Fisher information, as in VLFeat.
scikit-image orders the entries differently: K gradients of the weights, then all means, then all variances with the
opposite sign, which does not change inner products.

The code sums s0 = sum p, s1 = sum p x and s2 = sum p x^2 per component, so that psi needs one pass over x. Products are
float32 in blocks of a fixed number of rows; sums over blocks are float64 in the order of the rows. Memory does not grow
with N, and the lengths of the input's blocks do not change a byte of the result.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 2048  # the posteriors under 256 components take 2 MiB, which fits in a core's cache
LEAST_LOG = -50.0  # least log of a posterior relative to the largest: smaller ones become denormal and 10 x slower

Floats = NDArray[np.floating]


def fixed_blocks(rows: Floats | Iterable[Floats], size: int = BLOCK_ROWS) -> Iterator[Floats]:
    """Yields the same rows in blocks of exactly `size`; the last may be shorter.

    `rows` is an array (n, D) or an iterable of such arrays; empty ones are skipped.
    """
    pieces: list[Floats] = []
    n_rows = 0
    for block in [rows] if isinstance(rows, np.ndarray) else rows:
        while len(block):
            piece, block = block[: size - n_rows], block[size - n_rows :]
            pieces.append(piece)
            n_rows += len(piece)
            if n_rows == size:
                yield pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                pieces, n_rows = [], 0
    if pieces:
        yield np.concatenate(pieces)


class _Posteriors:
    """p(k | x) as one matrix product: log w_k G(x; mu_k, sigma_k) is linear in the vector [x, x^2]."""

    def __init__(self, weights: Floats, means: Floats, variances: Floats, dtype: type[np.floating]) -> None:
        w, mu, var = (np.asarray(a, np.float64) for a in (weights, means, variances))
        if mu.ndim != 2 or mu.shape != var.shape or w.shape != mu.shape[:1]:
            raise ValueError(f"a mixture needs (K,), (K, D), (K, D) arrays, not {w.shape}, {mu.shape}, {var.shape}")
        if not (np.all(w > 0) and np.all(var > 0)):
            raise ValueError("weights and variances of a mixture must be positive")
        self.dtype, self.dimension = dtype, mu.shape[1]
        self._factors = np.concatenate([mu / var, -0.5 / var], axis=1).T.astype(dtype)  # (2D, K)
        constant = np.log(w) - 0.5 * np.sum(mu**2 / var + np.log(2 * np.pi * var), axis=1)
        self._constant = constant.astype(dtype)  # (K,)

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """Returns the posteriors (n, K) of a block x (n, D) and the stacked moments [x, x^2] (n, 2D)."""
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"descriptors must be (n, {self.dimension}) for this mixture, not {x.shape}")
        moments = np.empty((len(x), 2 * self.dimension), self.dtype)
        moments[:, : self.dimension] = x
        np.square(moments[:, : self.dimension], out=moments[:, self.dimension :])
        p = moments @ self._factors
        p += self._constant
        p -= p.max(axis=1, keepdims=True)
        np.maximum(p, LEAST_LOG, out=p)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return p, moments


def posteriors(
    x: Floats, weights: Floats, means: Floats, variances: Floats, *, dtype: type[np.floating] = np.float32
) -> Floats:
    """Returns p(k | x) (n, K), the probability of each component given each descriptor; rows sum to 1.

    Args:
        x: descriptors (n, D).
        weights: mixing probabilities (K,).
        means: (K, D).
        variances: diagonal variances (K, D).
        dtype: the type of the matrix products.

    Raises:
        ValueError: if shapes do not fit, or a weight or variance is not positive.
    """
    posteriors_of_block = _Posteriors(weights, means, variances, dtype)
    blocks = [posteriors_of_block(block)[0] for block in fixed_blocks(x)]
    return np.concatenate(blocks) if blocks else np.empty((0, len(weights)), dtype)


class FisherSums:
    """The sums over descriptors from which a Fisher vector is computed. Their size does not grow with n.

    `weights` (K,), `means` and `variances` (K, D) describe the mixture; `dtype` is the type of the matrix products.
    Raises ValueError if shapes do not fit.
    """

    def __init__(
        self, weights: Floats, means: Floats, variances: Floats, dtype: type[np.floating] = np.float32
    ) -> None:
        self._mixture = tuple(np.asarray(a, np.float64) for a in (weights, means, variances))
        self._posteriors_of_block = _Posteriors(weights, means, variances, dtype)
        k, d = means.shape
        self._n, self._s0, self._s12 = 0, np.zeros(k), np.zeros((k, 2 * d))

    def add(self, block: Floats) -> None:
        """Adds the descriptors of a block (n, D)."""
        with np.errstate(invalid="ignore"):  # the caller checks that the result is finite
            p, moments = self._posteriors_of_block(block)
            self._n += len(block)
            self._s0 += p.sum(axis=0, dtype=np.float64)
            self._s12 += p.T @ moments

    def average(self) -> NDArray[np.float64]:
        """Returns psi of equations 5-6 (2KD,). Raises ValueError if there was no descriptor."""
        if self._n == 0:
            raise ValueError("a Fisher vector needs at least one descriptor")
        w, mu, var = self._mixture
        d = mu.shape[1]
        s0, s1, s2 = self._s0[:, None] / self._n, self._s12[:, :d] / self._n, self._s12[:, d:] / self._n
        with np.errstate(invalid="ignore"):
            of_means = (s1 - mu * s0) / np.sqrt(w[:, None] * var)
            of_variances = (s2 - 2 * mu * s1 + (mu**2 - var) * s0) / (np.sqrt(2 * w[:, None]) * var)
        return np.concatenate([of_means, of_variances], axis=1).ravel()


def fisher_vector(
    x: Floats | Iterable[Floats],
    weights: Floats,
    means: Floats,
    variances: Floats,
    *,
    dtype: type[np.floating] = np.float32,
) -> NDArray[np.float64]:
    """Returns psi of equations 5-6 (2KD,), averaged over the descriptors and not normalised.

    Args:
        x: descriptors (n, D), or an iterable of blocks of rows; memory does not grow with the number of blocks.
        weights: mixing probabilities (K,).
        means: (K, D).
        variances: diagonal variances (K, D).
        dtype: the type of the matrix products.

    Raises:
        ValueError: if there is no descriptor, or shapes do not fit.
    """
    sums = FisherSums(weights, means, variances, dtype)
    for block in fixed_blocks(x):
        sums.add(block)
    return sums.average()


def power_normalise(vector: Floats) -> Floats:
    """Returns the signed square root, sign(v) sqrt|v|, of each entry (paper 3.3, after [22])."""
    return np.sign(vector) * np.sqrt(np.abs(vector))


def l2_normalise(vector: Floats) -> Floats:
    """Returns `vector` divided by its Euclidean norm. A vector of zeros stays as it is."""
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0 else vector


def power_and_l2(psi: Floats) -> Floats:
    """Returns the signed square root, divided by its L2 norm (paper 3.3)."""
    return l2_normalise(power_normalise(psi))


# By the names in `encoding.normalisation` and in files of codebooks. A normalisation takes psi as (K, 2D), a row for
# each component, and returns an array of this shape.
NORMALISATIONS: dict[str, Callable[[Floats], Floats]] = {
    "power": power_and_l2,
}
