"""Stage: fit linear classifiers to frozen features, from few and from all labelled videos (paper 4.4, table 2).

The classifier is a linear softmax layer on the L2-normalised features, as in [3]. Logistic regression with an L2
penalty fits it to its optimum (in [3], 100 epochs of SGD), so there is no schedule to tune. For each number of shots
(labelled videos per class), the stage draws the training videos several times. Each draw contains the same draw of
fewer shots. All test videos are tested.

Inputs: features.h5, splits.tsv, unread.tsv. Output: `linear.json`, a record (see `results`) with `shots`: accuracies by
number of shots ("1", ..., "all"), one per draw; `shots_n_train`: number of training videos. Its metrics are those of
"all".
"""

from collections.abc import Mapping
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.classifier import class_scores
from workflow_scripts.evaluation.metrics import Predictions, accuracy
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.split_features import SplitFeatures, read_features
from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import command_line


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
        task: What is evaluated; its seed draws the training videos.
        settings: The numbers of shots and draws, and the penalty.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: The features lack a video of the split, or there is nothing to train on.
    """
    data = read_features(features, splits, task.split, unread)
    split = data.split
    labels = list(split.train.values())
    largest = max(labels.count(label) for label in set(labels))
    shots: dict[str, list[float]] = {}
    n_train: dict[str, int] = {}
    draws = [(shot, draw) for shot in settings.linear_shots for draw in range(settings.linear_draws)]
    for shot, draw in tqdm(draws, "few-shot", unit="classifier", mininterval=1):
        if shot < largest:  # otherwise the draw holds all videos, as "all" does
            chosen = draw_shots(split.train, shot, task.seed, draw)
            shots.setdefault(str(shot), []).append(accuracy(classify(data, chosen, settings.linear_c)))
            n_train[str(shot)] = len(chosen)
    predictions = classify(data, list(split.train), settings.linear_c)
    few_shot = {
        "shots": {**shots, "all": [accuracy(predictions)]},
        "shots_n_train": {**n_train, "all": len(data.train)},
    }
    results.write_record(output, task, "linear", split, predictions, settings, data.parameters, **few_shot)


def draw_shots(labels: Mapping[str, str], shots: int, seed: int, draw: int) -> list[str]:
    """Draws `shots` videos of each class, or all videos of a smaller class.

    The drawn videos are the first of their class by a hash of (seed, draw, video_id). So a draw of more shots contains
    the draw of fewer shots, and a new video in the dataset replaces at most one drawn video.

    Args:
        labels: Labels of the training videos, by id.
        shots: Videos per class.
        seed: Seed of the draws.
        draw: The number of the draw.

    Returns:
        The ids, sorted.
    """
    classes: dict[str, list[str]] = {}
    for video_id in sorted(labels, key=lambda video_id: identity.digest(seed, "few_shot", draw, video_id)):
        classes.setdefault(labels[video_id], []).append(video_id)
    return sorted(video_id for members in classes.values() for video_id in members[:shots])


def classify(data: SplitFeatures, video_ids: list[str], c: float) -> Predictions:
    """The predictions of a logistic regression with inverse penalty `c`, fitted to the training videos `video_ids`."""
    row_of = {video_id: row for row, video_id in enumerate(data.split.train)}
    rows = [row_of[video_id] for video_id in video_ids]
    classes = data.split.targets(data.split.train)[rows]
    classifier = LogisticRegression(C=c, max_iter=2000).fit(data.train[rows], classes)
    scores = class_scores(classifier, data.test, len(data.split.classes))
    return Predictions.from_scores(data.split.targets(data.split.test), scores)


if __name__ == "__main__":
    command_line(linear)
