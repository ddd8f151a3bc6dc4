"""The metrics of a protocol's answers, and the interval of the accuracy.

A new metric is one function of `Answers` and one entry in METRICS: every record then has it under this name, and the
report shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.ground.identity import rng

RESAMPLES = 5000  # of the recordings, for an interval
RETRIEVED = (1, 5, 10, 20)  # the k of R@k, as papers of video retrieval give them


@dataclass(frozen=True)
class Answers:
    """What a protocol answers for the n test videos of a split; classes are numbers from 0.

    scores: one per class, -inf for a class that it never answers, where the protocol has scores; neighbours: classes of
    the nearest training videos, the nearest first, where the protocol ranks these.
    """

    truth: NDArray[np.int64]  # (n,)
    predicted: NDArray[np.int64]  # (n,)
    n_classes: int
    scores: NDArray[np.float64] | None = None  # (n, n_classes)
    neighbours: NDArray[np.int64] | None = None  # (n, number of neighbours)

    @classmethod
    def from_scores(cls, truth: NDArray[np.int64], scores: NDArray[np.float64]) -> "Answers":
        """The answers whose score (n, n_classes) is the highest."""
        return cls(truth, scores.argmax(axis=1), scores.shape[1], scores)

    def confusion(self) -> NDArray[np.int64]:
        """Counts (n_classes, n_classes): rows are the true classes, columns the answers."""
        counts = np.zeros((self.n_classes, self.n_classes), dtype=np.int64)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts


@dataclass(frozen=True)
class Metric:
    """A number in 0..1 that says how good answers are.

    title: head of its column; value: the number, or None for answers that it does not apply to.
    """

    title: str
    value: Callable[[Answers], float | None]


def accuracy(answers: Answers) -> float:
    """The share of the videos whose class was recognised (top-1)."""
    return float(np.mean(answers.predicted == answers.truth))


def mean_class_accuracy(answers: Answers) -> float:
    """The mean, over the classes of the test videos, of the share of a class's videos that were recognised."""
    confusion = answers.confusion()
    tested = confusion.sum(axis=1)
    present = tested > 0
    return float(np.mean(np.diag(confusion)[present] / tested[present]))


def top_k_accuracy(answers: Answers, k: int) -> float | None:
    """The share of the videos whose class is among the k with the highest scores; None for k classes or fewer.

    Classes with equal scores count as one place; one that scores -inf is among none.
    """
    if answers.scores is None or answers.n_classes <= k:
        return None
    own = answers.scores[np.arange(len(answers.truth)), answers.truth]
    places = (answers.scores > own[:, None]).sum(axis=1)
    return float(np.mean((places < k) & np.isfinite(own)))


def recall_at(answers: Answers, k: int) -> float | None:
    """R@k: the share of the videos that have one of their class among the k nearest training videos.

    None if k is not smaller than the number of ranked training videos, where all would be retrieved.
    """
    if answers.neighbours is None or answers.neighbours.shape[1] <= k:
        return None
    return float(np.mean((answers.neighbours[:, :k] == answers.truth[:, None]).any(axis=1)))


METRICS = {
    "accuracy": Metric("Top-1", accuracy),
    "mean_class_accuracy": Metric("Mean class", mean_class_accuracy),
    "top5_accuracy": Metric("Top-5", partial(top_k_accuracy, k=5)),
    **{f"R@{k}": Metric(f"R@{k}", partial(recall_at, k=k)) for k in RETRIEVED},
}


def measure(answers: Answers) -> dict[str, float]:
    """Every metric that applies to these answers, by name."""
    values = {name: metric.value(answers) for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def accuracy_interval(right: NDArray[np.bool_], recordings: NDArray[np.int64], confidence: float = 0.95) -> list[float]:
    """The percentile bootstrap interval of an accuracy (0..1), by drawing recordings with replacement.

    Answers for clips of one recording are right or wrong together, so there are fewer independent answers than videos.
    If each video is a recording of its own, the number of right answers is binomial, and its quantiles are those of
    infinitely many draws. A single recording cannot be drawn in another way and is treated likewise. All answers right
    or all wrong give a point.

    Args:
        right: Whether the answer for each test video is right, (n,).
        recordings: The number of the recording (group) that each test video is cut from, (n,).
        confidence: The interval's probability.

    Returns:
        The lower and the upper bound.
    """
    from scipy.stats import binom  # here: the report reads METRICS, and scipy takes a second

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
