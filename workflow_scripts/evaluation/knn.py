"""Stage: a vote of the nearest training videos, by the cosine of a frozen network's features ([46]), and retrieval.

Inputs: features.h5, splits.tsv, unread.tsv. Output: `knn.json`, a record (see `results`) with `neighbours`, the number
of videos that vote. Its metrics include R@k, whether one of the k nearest training videos has the test video's class.
"""

import dataclasses
import logging
from pathlib import Path

import torch

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.features import read_features
from workflow_scripts.evaluation.metrics import RETRIEVED, Answers
from workflow_scripts.evaluation.protocols import settings_of
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.vectors import nearest_rows
from workflow_scripts.pretraining.knn import nearest_classes

log = logging.getLogger(__name__)


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
        task: What is evaluated; nothing is drawn.
        settings: How many videos vote, and how a vote counts.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: The features lack a video of the split, or there is nothing to train on.
    """
    read = read_features(features, splits, task.split, unread)
    classes, truth = read.split.targets(read.split.train), read.split.targets(read.split.test)
    neighbours = min(settings.knn_neighbours, len(read.train))
    voted = nearest_classes(
        *(torch.from_numpy(array) for array in (read.test, read.train, classes)),
        neighbours=neighbours,
        temperature=settings.knn_temperature,
    ).numpy()
    ranked, _ = nearest_rows(read.test, read.train, max(RETRIEVED) + 1)
    record = results.write_record(
        output,
        task,
        "knn",
        read.split,
        Answers(truth, voted, len(read.split.classes), neighbours=classes[ranked]),
        {**settings_of("knn", dataclasses.asdict(settings)), **read.parameters},
        neighbours=neighbours,
    )
    log.info("%s, nearest neighbours on %s split %d: %s", *task.named(), results.in_words(record))


if __name__ == "__main__":
    command_line(knn)
