"""How good answers are: top-1 with its interval, top-5, mean class accuracy, confusion matrix, retrieval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom
from sklearn.base import ClassifierMixin

from workflow_scripts.evaluation.split import l2_normalised
from workflow_scripts.ground.identity import rng

AT_ONCE = 1024  # queries; bounds memory, no influence on the result
RESAMPLES = 5000  # of the recordings, for an interval


def class_scores(classifier: ClassifierMixin, features: np.ndarray, n_classes: int) -> np.ndarray:
    """What a linear classifier of sklearn gives each class, (n, n_classes) float64, the more the likelier.

    -inf for the classes that it was not trained on; the largest is what it predicts.
    """
    found = classifier.decision_function(features)
    if found.ndim == 1:  # of two classes sklearn scores the second alone
        found = np.stack([-found, found], axis=1)
    scores = np.full((len(features), n_classes), -np.inf)
    scores[:, classifier.classes_] = found
    return scores


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts (n_classes, n_classes) int64: rows are the true classes, columns the answers."""
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    return confusion


def summary(confusion: np.ndarray, right: np.ndarray, recordings: np.ndarray) -> dict[str, Any]:
    """Top-1 accuracy with its interval, and mean class accuracy, of what `confusion` counts; all in 0..1.

    right (n,) bool: whether the answer for each test video is right; recordings (n,): see `accuracy_interval`.
    """
    return {
        "accuracy": float(np.mean(right)),
        "accuracy_interval": accuracy_interval(right, recordings),
        "mean_class_accuracy": mean_class_accuracy(confusion),
    }


def mean_class_accuracy(confusion: np.ndarray) -> float:
    """The mean, over the classes that were tested, of the share of a class's videos that were recognised."""
    tested = confusion.sum(axis=1)
    present = tested > 0
    return float(np.mean(np.diag(confusion)[present] / tested[present]))


def accuracy_interval(right: np.ndarray, recordings: np.ndarray, confidence: float = 0.95) -> list[float]:
    """The percentile bootstrap interval of an accuracy (0..1), by drawing recordings with replacement.

    right (n,) bool: of each test video; recordings (n,): the recording (group) that it is cut from. Clips of one
    recording are right or wrong together, so that there are fewer independent answers than videos. If each video is a
    recording of its own, the number of right ones is binomial, and its quantiles are those of infinitely many draws; a
    single recording, which cannot be drawn in another way, is treated likewise. All right or all wrong gives a point.
    """
    quantiles = (1 - confidence) / 2, (1 + confidence) / 2
    n_test, accuracy = len(right), float(np.mean(right))
    of_video = np.unique(recordings, return_inverse=True)[1]
    sizes = np.bincount(of_video)
    if len(sizes) in (1, n_test):
        return [float(n / n_test) for n in binom.ppf(quantiles, n_test, accuracy)]
    n_right = np.bincount(of_video, weights=right)
    random, n = rng("accuracy interval", len(sizes)), len(sizes)
    draws = (random.integers(n, size=n) for _ in range(RESAMPLES))
    low, high = np.quantile([n_right[draw].sum() / sizes[draw].sum() for draw in draws], quantiles)
    return [float(min(low, accuracy)), float(max(high, accuracy))]


def top_k_accuracy(truth: np.ndarray, scores: np.ndarray, k: int) -> float:
    """The share (0..1) of the rows of `scores` (n, classes) whose true class is among the k that score highest.

    Classes that score alike count as one place; one that scores -inf is among none.
    """
    own = scores[np.arange(len(truth)), truth]
    places = (scores > own[:, None]).sum(axis=1)
    return float(np.mean((places < k) & np.isfinite(own)))


def retrieval(
    queries: np.ndarray, truth: np.ndarray, rows: np.ndarray, classes: np.ndarray, ks: Sequence[int]
) -> dict[str, float]:
    """R@k by k: the share of the queries (Q, d) of which one of the k nearest rows (N, d), by cosine, has the class.

    truth (Q,), classes (N,) int64; a k of N or more is left out, where all is retrieved.
    """
    queries, rows = l2_normalised(queries), l2_normalised(rows)
    ks = [k for k in ks if k < len(rows)]
    if not ks:
        return {}
    hits = []
    for start in range(0, len(queries), AT_ONCE):
        cosines = queries[start : start + AT_ONCE] @ rows.T  # (q, N)
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : max(ks)]
        hits.append(classes[nearest] == truth[start : start + AT_ONCE, None])
    right = np.concatenate(hits)
    return {str(k): float(np.mean(right[:, :k].any(axis=1))) for k in ks}
