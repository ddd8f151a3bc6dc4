"""The fit of the mixture agrees with scikit-learn from the same start, and repeats exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

import workflow_scripts.encoding.gmm as gmm
from workflow_scripts.encoding.gmm import DiagonalGMM


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    """Rows (6000, 30) in overlapping clusters, with a decreasing spectrum like that of projected descriptors."""
    draw = np.random.default_rng(0)
    spectrum = 1 / np.arange(1, 31)
    centres = draw.normal(size=(12, 30))
    return ((centres[draw.integers(0, 12, 6000)] + 0.7 * draw.normal(size=(6000, 30))) * spectrum).astype(np.float32)


def test_fit_has_the_likelihood_of_scikit_learn_from_the_same_start(rows: NDArray[np.float32]) -> None:
    draw = np.random.default_rng(1)
    start = (np.full(16, 1 / 16), draw.choice(rows, 16).astype(np.float64), np.tile(rows.var(axis=0), (16, 1)))
    ours = DiagonalGMM(16, start=start, tol=1e-4, max_iter=200).fit(rows)
    theirs = GaussianMixture(
        16,
        covariance_type="diag",
        weights_init=start[0],
        means_init=start[1],
        precisions_init=1 / start[2],
        tol=1e-4,
        max_iter=200,
    ).fit(rows.astype(np.float64))
    expected = theirs.score(rows)
    assert ours.converged_
    assert ours.score(rows) >= expected - 0.001 * abs(expected)
    np.testing.assert_allclose(ours.lower_bound_, expected, rtol=0.001)


def test_fit_of_one_step_agrees_with_scikit_learn(rows: NDArray[np.float32]) -> None:
    start = (np.full(8, 1 / 8), rows[:8].astype(np.float64), np.tile(rows.var(axis=0), (8, 1)).astype(np.float64))
    ours = DiagonalGMM(8, start=start, max_iter=1).fit(rows)
    theirs = GaussianMixture(
        8, covariance_type="diag", weights_init=start[0], means_init=start[1], precisions_init=1 / start[2], max_iter=1
    )
    with pytest.warns(UserWarning, match="did not converge"):
        theirs.fit(rows.astype(np.float64))
    np.testing.assert_allclose(ours.weights_, theirs.weights_, atol=1e-5)
    np.testing.assert_allclose(ours.means_, theirs.means_, atol=1e-4)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, atol=1e-4)
    np.testing.assert_allclose(ours.score(rows), theirs.score(rows), rtol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=1e-2)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e4])
def test_score_is_exact_for_a_mean_far_from_zero(rows: NDArray[np.float32], offset: float) -> None:
    far = rows + np.float32(offset)
    ours = DiagonalGMM(8, max_iter=20).fit(far)
    of_ours = GaussianMixture(8, covariance_type="diag")
    of_ours.weights_, of_ours.means_, of_ours.covariances_ = ours.weights_, ours.means_, ours.covariances_
    of_ours.precisions_cholesky_ = 1 / np.sqrt(ours.covariances_)
    exact = far.astype(np.float64)
    np.testing.assert_allclose(ours.score(far), of_ours.score(exact), atol=1e-4)
    # Sums in float32 differ by the processor: up to 1.5e-4 was seen.
    np.testing.assert_allclose(ours.predict_proba(far), of_ours.predict_proba(exact), atol=1e-3)
    # EM reaches the same likelihood as on the same rows with mean zero.
    centred = DiagonalGMM(8, max_iter=20).fit((exact - offset).astype(np.float32))
    np.testing.assert_allclose(ours.score(far), centred.score(exact - offset), atol=1e-2)


def test_fit_does_not_depend_on_the_number_of_cores(rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmm, "BLOCK_ROWS", 512)  # several blocks, as at the paper's size
    one, three = (DiagonalGMM(10, random_state=3, max_iter=10, n_jobs=jobs).fit(rows) for jobs in (1, 3))
    np.testing.assert_array_equal(one.means_, three.means_)
    np.testing.assert_array_equal(one.covariances_, three.covariances_)
    np.testing.assert_array_equal(one.weights_, three.weights_)


def test_fit_never_lowers_the_likelihood(rows: NDArray[np.float32]) -> None:
    bounds = [DiagonalGMM(10, max_iter=steps, tol=0).fit(rows).lower_bound_ for steps in range(1, 8)]
    assert np.all(np.diff(bounds) > -1e-4)


def test_fit_of_duplicated_rows_keeps_variances_above_the_floor() -> None:
    rows = np.repeat(np.eye(4, dtype=np.float32), 25, axis=0)
    rows = np.concatenate([rows, np.zeros((100, 1), np.float32)], axis=1)  # a constant column as well
    mixture = DiagonalGMM(4, variance_floor=0.01).fit(rows)
    assert np.all(mixture.covariances_ >= 0.99 * 0.01 * rows.var(axis=0))
    assert np.all(mixture.covariances_ > 0)
    assert np.isfinite(mixture.score(rows))


def test_diagonal_gmm_follows_the_conventions_of_estimators(rows: NDArray[np.float32]) -> None:
    estimator = DiagonalGMM(4, tol=0.1, max_iter=5)
    assert clone(estimator).get_params() == estimator.get_params()
    assert estimator.fit(rows) is estimator


def test_fit_refuses_too_few_rows_and_nan() -> None:
    with pytest.raises(ValueError, match="at least as many rows"):
        DiagonalGMM(4).fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        DiagonalGMM(2).fit(np.full((5, 2), np.nan))
