"""The metrics of a protocol's predictions, and the interval of the accuracy.

To add a metric, write a function of `Predictions` and add its entry to METRICS. Every new record then has it under this
name, and the report shows it in "All metrics", below the methods, and in `tables/method_table.tsv`. Existing records do
not have it; to make them again, raise the VERSIONS of the protocols in `settings`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.ground.identity import rng

RESAMPLES = 5000  # bootstrap samples of the recordings
RETRIEVED = (1, 5, 10, 20)  # the k of R@k, as in papers on video retrieval


@dataclass(frozen=True)
class Predictions:
    """A protocol's predictions for the n test videos of a split. Classes are numbers from 0.

    `scores` has a score per class, -inf for a class that is never predicted; None if the protocol has no scores.
    `neighbours` has the classes of the nearest training videos, the nearest first; None if the protocol has none.
    """

    truth: NDArray[np.int64]  # (n,)
    predicted: NDArray[np.int64]  # (n,)
    n_classes: int
    scores: NDArray[np.float64] | None = None  # (n, n_classes)
    neighbours: NDArray[np.int64] | None = None  # (n, number of neighbours)

    @classmethod
    def from_scores(cls, truth: NDArray[np.int64], scores: NDArray[np.float64]) -> "Predictions":
        """Predicts the classes with the highest scores (n, n_classes)."""
        return cls(truth, scores.argmax(axis=1), scores.shape[1], scores)

    def confusion(self) -> NDArray[np.int64]:
        """Counts (n_classes, n_classes) int64: rows are the true classes, columns the predicted classes."""
        counts = np.zeros((self.n_classes, self.n_classes), dtype=np.int64)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts


@dataclass(frozen=True)
class Metric:
    """A measure in 0..1 of the quality of predictions.

    `title` is the head of its column. `value` returns the measure, or None if it does not apply to the predictions.
    """

    title: str
    value: Callable[[Predictions], float | None]


def accuracy(predictions: Predictions) -> float:
    """The share of the videos whose class was recognised (top-1)."""
    return float(np.mean(predictions.predicted == predictions.truth))


def mean_class_accuracy(predictions: Predictions) -> float:
    """The mean, over the classes of the test videos, of the share of a class's videos that were recognised."""
    confusion = predictions.confusion()
    tested = confusion.sum(axis=1)
    present = tested > 0
    return float(np.mean(np.diag(confusion)[present] / tested[present]))


def top_k_accuracy(predictions: Predictions, k: int) -> float | None:
    """The share of the videos whose class is among the k with the highest scores; None for k classes or fewer.

    Classes with equal scores share a place. A class that scores -inf is never among the k.
    """
    if predictions.scores is None or predictions.n_classes <= k:
        return None
    true_scores = predictions.scores[np.arange(len(predictions.truth)), predictions.truth]
    places = (predictions.scores > true_scores[:, None]).sum(axis=1)
    return float(np.mean((places < k) & np.isfinite(true_scores)))


def recall_at(predictions: Predictions, k: int) -> float | None:
    """R@k: the share of the videos with a video of their class among the k nearest training videos.

    None if k is not smaller than the number of ranked training videos, because all would be retrieved.
    """
    if predictions.neighbours is None or predictions.neighbours.shape[1] <= k:
        return None
    return float(np.mean((predictions.neighbours[:, :k] == predictions.truth[:, None]).any(axis=1)))


METRICS = {
    "accuracy": Metric("Top-1", accuracy),
    "mean_class_accuracy": Metric("Mean class", mean_class_accuracy),
    "top5_accuracy": Metric("Top-5", partial(top_k_accuracy, k=5)),
    **{f"R@{k}": Metric(f"R@{k}", partial(recall_at, k=k)) for k in RETRIEVED},
}


def measure(predictions: Predictions) -> dict[str, float]:
    """The metrics that apply to these predictions, by name."""
    values = {name: metric.value(predictions) for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def accuracy_interval(right: NDArray[np.bool_], recordings: NDArray[np.int64], confidence: float = 0.95) -> list[float]:
    """The percentile bootstrap interval of an accuracy (0..1); it draws recordings with replacement.

    Predictions for clips of one recording tend to be right or wrong together, so the videos are not independent. If
    each video is a separate recording, the number of right predictions is binomial, and the quantiles of the binomial
    distribution are exact. With a single recording, the bootstrap has no spread, so the same quantiles are
    used. If all predictions are right, or all are wrong, the bounds are equal.

    Args:
        right: Whether the prediction for each test video is right, (n,).
        recordings: The number of the recording (group) of each test video, (n,).
        confidence: The interval's probability.

    Returns:
        The lower and the upper bound.
    """
    from scipy.stats import binom  # imported here because the report reads METRICS, and scipy takes a second

    quantiles = (1 - confidence) / 2, (1 + confidence) / 2
    n_test, share = len(right), float(np.mean(right))
    of_video = np.unique(recordings, return_inverse=True)[1]
    sizes = np.bincount(of_video)
    if len(sizes) in (1, n_test):
        return [float(n / n_test) for n in binom.ppf(quantiles, n_test, share)]
    n_right = np.bincount(of_video, weights=right)
    random, n = rng("accuracy interval", len(sizes)), len(sizes)
    draws = (random.integers(n, size=n) for _ in range(RESAMPLES))
    low, high = np.quantile([n_right[draw].sum() / sizes[draw].sum() for draw in draws], quantiles)
    return [float(min(low, share)), float(max(high, share))]
