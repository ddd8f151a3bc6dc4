"""The Fisher vector agrees with equations 5-6 and with scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.feature import fisher_vector as skimage_fisher_vector
from sklearn.mixture import GaussianMixture

from idt_tools.fisher_vector import fisher_vector, fixed_blocks, l2_normalise, posteriors, power_normalise

Mixture = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def draw_mixture(seed: int, k: int = 5, d: int = 7) -> Mixture:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.full(k, 5.0)), draw.normal(size=(k, d)), draw.uniform(0.3, 2, size=(k, d))


def by_the_equations(x: NDArray[np.float64], mixture: Mixture) -> NDArray[np.float64]:
    """Returns the result of equations 5-6, trajectory by trajectory and component by component."""
    weights, means, variances = mixture
    encodings = []
    for row in x:
        density = weights * np.prod(np.exp(-((row - means) ** 2) / (2 * variances)) / np.sqrt(2 * np.pi * variances), 1)
        posterior = density / density.sum()
        parts = []
        for k in range(len(weights)):
            phi = (row - means[k]) / np.sqrt(variances[k])
            parts.append(posterior[k] / np.sqrt(weights[k]) * np.concatenate([phi, (phi**2 - 1) / np.sqrt(2)]))
        encodings.append(np.concatenate(parts))
    return np.mean(encodings, axis=0)


def test_fisher_vector_of_one_component() -> None:
    # x = 1 and 3 under N(1, 2^2): phi = 0 and 1, phi' = -1 and 0.
    encoding = fisher_vector(np.array([[1.0], [3.0]]), np.ones(1), np.array([[1.0]]), np.array([[4.0]]))
    np.testing.assert_allclose(encoding, [0.5, -0.5 / np.sqrt(2)], rtol=1e-6)


def test_fisher_vector_is_equations_5_and_6() -> None:
    mixture = draw_mixture(0)
    x = np.random.default_rng(1).normal(size=(50, 7))
    np.testing.assert_allclose(fisher_vector(x, *mixture), by_the_equations(x, mixture), atol=1e-6)


def as_equation_5(gradients: NDArray[np.float64], k: int, d: int) -> NDArray[np.float64]:
    """Converts scikit-image's (K + 2KD,) to (2KD,): no part of the weights, per component, variances negated."""
    of_means, of_variances = gradients[k:].reshape(2, k, d)
    return np.concatenate([of_means, -of_variances], axis=1).ravel()


def test_fisher_vector_agrees_with_scikit_image() -> None:
    draw = np.random.default_rng(2)
    x = np.concatenate([draw.normal(centre, 0.5, size=(400, 12)) for centre in (-1, 0, 2)])
    mixture = GaussianMixture(8, covariance_type="diag", random_state=0).fit(x)
    ours = fisher_vector(x[::3], mixture.weights_, mixture.means_, mixture.covariances_)
    theirs = as_equation_5(skimage_fisher_vector(x[::3], mixture), 8, 12)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60))
def test_fisher_vector_does_not_depend_on_order_and_repetition(seed: int, n: int) -> None:
    mixture = draw_mixture(seed)
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 7))
    encoding = fisher_vector(x, *mixture)
    np.testing.assert_allclose(fisher_vector(draw.permutation(x), *mixture), encoding, atol=1e-5)
    np.testing.assert_allclose(fisher_vector(np.concatenate([x, x]), *mixture), encoding, atol=1e-5)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_fisher_vector_does_not_depend_on_blocks(seed: int, cuts: list[int]) -> None:
    mixture = draw_mixture(seed, k=3, d=4)
    x = np.random.default_rng(seed).normal(size=(5000, 4)).astype(np.float32)
    whole = fisher_vector(x, *mixture)
    np.testing.assert_array_equal(fisher_vector(iter(np.split(x, sorted(cuts))), *mixture), whole)


@given(lengths=st.lists(st.integers(0, 30), max_size=8), size=st.integers(1, 20))
def test_fixed_blocks_keep_the_rows(lengths: list[int], size: int) -> None:
    rows = np.arange(2 * sum(lengths)).reshape(-1, 2)
    blocks = list(fixed_blocks(np.split(rows, np.cumsum(lengths)[:-1]) if lengths else [], size))
    assert [len(block) for block in blocks[:-1]] == [size] * len(blocks[:-1])
    np.testing.assert_array_equal(np.concatenate([np.empty((0, 2), int), *blocks]), rows)


def test_posteriors_agree_with_scikit_learn() -> None:
    x = np.random.default_rng(3).normal(size=(5000, 6))
    mixture = GaussianMixture(4, covariance_type="diag", random_state=0).fit(x)
    ours = posteriors(x, mixture.weights_, mixture.means_, mixture.covariances_)
    np.testing.assert_allclose(ours, mixture.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-6)
    assert posteriors(x[:0], mixture.weights_, mixture.means_, mixture.covariances_).shape == (0, 4)


def test_posteriors_far_from_all_components_choose_the_nearest() -> None:
    far = posteriors(np.array([[1e4]]), np.array([0.5, 0.5]), np.array([[0.0], [1.0]]), np.ones((2, 1)))
    np.testing.assert_allclose(far, [[0, 1]], atol=1e-20)


def test_fisher_vector_of_nan_is_not_finite() -> None:
    x = np.zeros((10, 7))
    x[4, 2] = np.nan
    assert not np.isfinite(fisher_vector(x, *draw_mixture(0))).any()


def test_power_normalise_and_l2_normalise() -> None:
    np.testing.assert_allclose(power_normalise(np.array([4.0, -9.0, 0.0])), [2, -3, 0])
    np.testing.assert_allclose(l2_normalise(np.array([3.0, -4.0])), [0.6, -0.8])
    np.testing.assert_array_equal(l2_normalise(np.zeros(3)), np.zeros(3))


def test_fisher_vector_refuses_wrong_shapes_and_variances() -> None:
    weights, means, variances = draw_mixture(0)
    with pytest.raises(ValueError, match="at least one descriptor"):
        fisher_vector(np.empty((0, 7)), weights, means, variances)
    with pytest.raises(ValueError, match="for this mixture"):
        fisher_vector(np.zeros((3, 6)), weights, means, variances)
    with pytest.raises(ValueError, match="must be positive"):
        fisher_vector(np.zeros((3, 7)), weights, means, variances * 0)
    with pytest.raises(ValueError, match="a mixture needs"):
        fisher_vector(np.zeros((3, 7)), weights[1:], means, variances)


def test_posteriors_are_not_denormal_numbers() -> None:
    """Denormal numbers make the products of real descriptors ten times slower."""
    x = np.random.default_rng(0).normal(size=(500, 7))
    far = posteriors(x, np.full(50, 0.02), np.linspace(-20, 20, 350).reshape(50, 7), np.ones((50, 7)))
    assert far.min() < 1e-20 and not np.any((far > 0) & (far < np.finfo(np.float32).tiny))
