"""Stage: classify test videos by a vote of their nearest training videos, in cosine of frozen features ([46]).

Inputs: features.h5, splits.tsv, unread.tsv. Output: `knn.json`, a record (see `results`) with `neighbours`, the number
of videos that vote. Its metrics include R@k: the share of test videos with a video of their class among the k nearest.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import RETRIEVED, Predictions
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.split_features import read_features
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.vectors import nearest_rows


def knn(
    features: Path,
    splits: Path,
    output: Path,
    task: results.Task,
    settings: EvaluationSettings,
    unread: Path | None = None,
) -> None:
    """Lets the nearest training videos vote on the class of each test video of a split.

    Args:
        features: The features file of the run and seed on the dataset.
        splits: The dataset's splits.tsv.
        output: The record.
        task: What is evaluated; its seed has no influence.
        settings: How many videos vote, and the weight of a vote.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: The features lack a video of the split, or there is nothing to train on.
    """
    data = read_features(features, splits, task.split, unread)
    split = data.split
    classes, truth = split.targets(split.train), split.targets(split.test)
    neighbours = min(settings.knn_neighbours, len(data.train))
    ranked, cosines = nearest_rows(data.test, data.train, max(neighbours, *RETRIEVED) + 1)
    nearest = classes[ranked]
    voted = weighted_vote(nearest[:, :neighbours], cosines[:, :neighbours], settings.knn_temperature)
    predictions = Predictions(truth, voted, len(split.classes), neighbours=nearest)
    results.write_record(output, task, "knn", split, predictions, settings, data.parameters, neighbours=neighbours)


def weighted_vote(classes: NDArray[np.int64], cosines: NDArray[np.floating], temperature: float) -> NDArray[np.int64]:
    """The class with the most votes among the neighbours of each query. A vote weighs exp(cosine / temperature) ([46]).

    Args:
        classes: (Q, k) of the neighbours, the nearest first.
        cosines: (Q, k) of the queries and their neighbours.
        temperature: Temperature of the weights.

    Returns:
        (Q,). The lowest class wins a tie.
    """
    votes = np.zeros((len(classes), classes.max(initial=0) + 1))
    weights = np.exp((cosines - cosines[:, :1]) / temperature)
    np.add.at(votes, (np.arange(len(classes))[:, None], classes), weights)
    return votes.argmax(axis=1)


if __name__ == "__main__":
    command_line(knn)
