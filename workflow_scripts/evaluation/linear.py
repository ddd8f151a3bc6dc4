"""Stage: linear classifiers on a frozen network's features, from few and from all labelled videos (paper 4.4, table 2).

Classifier: as in [3], a linear softmax layer on the L2-normalised features. It is fitted to its optimum by multinomial
logistic regression with an L2 penalty (in [3] by 100 epochs of SGD), so no schedule is tuned. For each number of shots
(labelled videos per class) there are several random choices of training videos; a smaller choice is part of the larger
choice of the same draw. All test videos are tested.

Inputs: features.h5, splits.tsv, unread.tsv. Output: `linear.json`, a record (see `results`) with `shots`: accuracies by
number of shots ("1", ..., "all"), one per draw; `shots_n_train`: number of training videos. Its metrics are those of
"all".
"""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.classifier import class_scores
from workflow_scripts.evaluation.features import SplitFeatures, read_features
from workflow_scripts.evaluation.metrics import Answers, accuracy
from workflow_scripts.evaluation.protocols import settings_of
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import command_line

log = logging.getLogger(__name__)


def linear(
    features: Path,
    splits: Path,
    output: Path,
    task: results.Task,
    settings: EvaluationSettings,
    unread: Path | None = None,
) -> None:
    """Fits linear classifiers to the features of a split's training videos and records their accuracies.

    Args:
        features: The features file of the run and seed on the dataset.
        splits: The dataset's splits.tsv.
        output: The record.
        task: What is evaluated; its seed chooses the training videos.
        settings: Numbers of shots, draws and the penalty.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: The features lack a video of the split, or there is nothing to train on.
    """
    read = read_features(features, splits, task.split, unread)
    labels = list(read.split.train.values())
    largest = max(labels.count(label) for label in set(labels))
    shots: dict[str, list[float]] = {}
    n_train: dict[str, int] = {}
    draws = [(shot, draw) for shot in settings.linear_shots for draw in range(settings.linear_draws)]
    for shot, draw in tqdm(draws, "few-shot", unit="classifier", mininterval=1):
        if shot < largest:  # else every class gives all its videos, as "all" does
            chosen = draw_shots(read.split.train, shot, task.seed, draw)
            shots.setdefault(str(shot), []).append(accuracy(classify(read, chosen, settings.linear_c)))
            n_train[str(shot)] = len(chosen)
    answers = classify(read, list(read.split.train), settings.linear_c)
    record = results.write_record(
        output,
        task,
        "linear",
        read.split,
        answers,
        {**settings_of("linear", dataclasses.asdict(settings)), **read.parameters},
        shots={**shots, "all": [accuracy(answers)]},
        shots_n_train={**n_train, "all": len(read.train)},
    )
    log.info("%s, linear classifier on %s split %d: %s", *task.named(), results.in_words(record))


def draw_shots(labels: Mapping[str, str], shots: int, seed: int, draw: int) -> list[str]:
    """`shots` videos of each class (all of a smaller class), sorted by id.

    They are the first in an order that depends on (seed, draw, video_id) alone. A draw of more shots contains that of
    fewer, and a new video in the dataset changes at most one choice of its class.
    """
    classes: dict[str, list[str]] = {}
    for video_id in sorted(labels, key=lambda video_id: identity.digest(seed, "few_shot", draw, video_id)):
        classes.setdefault(labels[video_id], []).append(video_id)
    return sorted(video_id for members in classes.values() for video_id in members[:shots])


def classify(read: SplitFeatures, video_ids: list[str], c: float) -> Answers:
    """The answers of a logistic regression with inverse penalty `c`, fitted to these training videos."""
    row_of = {video_id: row for row, video_id in enumerate(read.split.train)}
    rows = [row_of[video_id] for video_id in video_ids]
    classes = read.split.targets(read.split.train)[rows]
    classifier = LogisticRegression(C=c, max_iter=2000).fit(read.train[rows], classes)
    scores = class_scores(classifier, read.test, len(read.split.classes))
    return Answers.from_scores(read.split.targets(read.split.test), scores)


if __name__ == "__main__":
    command_line(linear)
