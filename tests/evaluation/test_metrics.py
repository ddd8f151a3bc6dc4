"""Metrics against sklearn and scipy, which compute the same values differently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn import metrics as reference
from sklearn.neighbors import NearestNeighbors

from workflow_scripts.evaluation import metrics
from workflow_scripts.evaluation.metrics import Predictions
from workflow_scripts.ground import vectors


def test_measure_agrees_with_sklearn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 7, 200), rng.normal(size=(200, 7))
    predicted = scores.argmax(axis=1)
    answers = Predictions.from_scores(truth, scores)
    assert (answers.confusion() == reference.confusion_matrix(truth, predicted)).all()
    measured = metrics.measure(answers)
    assert list(measured) == ["accuracy", "mean_class_accuracy", "top5_accuracy"], "no neighbours are ranked"
    assert measured["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert measured["mean_class_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    for k in (1, 5, 6):
        expected = reference.top_k_accuracy_score(truth, scores, k=k)
        assert metrics.top_k_accuracy(answers, k) == pytest.approx(expected)
    assert metrics.top_k_accuracy(answers, 7) is None


def test_top_k_accuracy_excludes_a_class_without_training_videos() -> None:
    scores = np.array([[0.5, 0.1, -np.inf], [0.5, 0.1, -np.inf]])
    assert metrics.top_k_accuracy(Predictions.from_scores(np.array([2, 1]), scores), 2) == 0.5


@pytest.mark.parametrize(("n_right", "n_test"), [(150, 200), (3, 60), (500, 1000)])
def test_accuracy_interval_equals_the_bootstrap_of_scipy(n_right: int, n_test: int) -> None:
    right = np.arange(n_test) < n_right
    drawn = bootstrap((right,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0))
    interval = metrics.accuracy_interval(right, np.arange(n_test))
    assert interval == pytest.approx(drawn.confidence_interval, abs=1.01 / n_test)


def test_accuracy_interval_of_clips_of_recordings_equals_that_of_as_many_videos() -> None:
    """Ten clips of each of 40 recordings are right or wrong together."""
    right = np.repeat(np.arange(40) < 30, 10)
    low, high = metrics.accuracy_interval(right, np.repeat(np.arange(40), 10))
    assert [low, high] == pytest.approx(metrics.accuracy_interval(np.arange(40) < 30, np.arange(40)), abs=0.026)
    alone = metrics.accuracy_interval(right, np.arange(400))
    assert high - low > 2.5 * (alone[1] - alone[0])


def test_accuracy_interval_of_unequal_recordings_equals_the_bootstrap_over_them() -> None:
    rng = np.random.default_rng(1)
    recordings = rng.integers(0, 25, 150)
    right = rng.random(150) < rng.random(25)[recordings]
    names = np.unique(recordings)

    def accuracy(drawn: np.ndarray) -> float:
        clips = np.concatenate([np.flatnonzero(recordings == name) for name in drawn])
        return float(right[clips].mean())

    drawn = [accuracy(rng.choice(names, len(names))) for _ in range(4000)]
    expected = np.quantile(drawn, [0.025, 0.975])
    assert metrics.accuracy_interval(right, recordings) == pytest.approx(expected, abs=0.015)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_accuracy_interval_contains_the_accuracy(counts: tuple[int, int]) -> None:
    n_right, n_test = counts
    low, high = metrics.accuracy_interval(np.arange(n_test) < n_right, np.arange(n_test))
    assert 0 <= low <= n_right / n_test <= high <= 1
    assert (low == high) == (n_right in (0, n_test)) or n_test == 1


def test_recall_at_agrees_with_the_neighbours_of_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "QUERIES_AT_ONCE", 16)  # several blocks
    rng = np.random.default_rng(0)
    truth, classes = rng.integers(0, 10, 50), rng.integers(0, 10, 19)
    queries, rows = rng.normal(size=(50, 8)), rng.normal(size=(19, 8)) * rng.uniform(1, 9, (19, 1))
    nearest = NearestNeighbors(n_neighbors=10, metric="cosine").fit(rows).kneighbors(queries, return_distance=False)
    right = classes[nearest] == truth[:, None]
    expected = {f"R@{k}": right[:, :k].any(axis=1).mean() for k in (1, 5, 10)}  # R@20 would be of all rows
    ranked, _ = vectors.nearest_rows(vectors.l2_normalised(queries), vectors.l2_normalised(rows), 21)
    measured = metrics.measure(Predictions(truth, truth, 10, neighbours=classes[ranked]))
    assert {name: value for name, value in measured.items() if name.startswith("R@")} == expected
    assert 0 < expected["R@1"] < expected["R@5"] < expected["R@10"] < 1
