"""Stage: train a linear SVM on the IDT vectors of a split, the hand-crafted baseline of the networks.

Paper 4.8 quotes IDT + Fisher vectors + linear SVM (C = 100) from [42]; here this is the run `idt_fisher`. The run `idt`
uses the count sketches (2000,) of the Fisher vectors, the prior of the pretraining. The stage trains one SVM per class
against the rest, with hinge loss, on vectors of unit length. A linear SVM needs only the inner products of the vectors.
They are summed over blocks of entries, so that thousands of Fisher vectors (400 kB each) are never in memory together.

Inputs: splits.tsv, unread.tsv, the encoding shards. Output: `svm.json`, a record (see `results`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from tqdm import tqdm

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.classifier import class_scores
from workflow_scripts.evaluation.metrics import Predictions
from workflow_scripts.evaluation.settings import IDT_RUNS, EvaluationSettings
from workflow_scripts.evaluation.split import read_split, read_statuses
from workflow_scripts.ground.artifacts import read_hdf5
from workflow_scripts.ground.stage import StageError, command_line

ENTRIES = 4096  # entries of each vector that are read at a time: 16 kB


def svm(
    encodings: list[Path],
    splits: Path,
    output: Path,
    task: results.Task,
    settings: EvaluationSettings,
    unread: Path | None = None,
) -> None:
    """Trains a linear SVM on the vectors of a split's training videos and tests it on the others.

    A video without trajectories has a vector of zeros, which the SVM classifies too.

    Args:
        encodings: The dataset's encoding shards, of Fisher vectors for the run idt_fisher.
        splits: The dataset's splits.tsv.
        output: The record.
        task: What is evaluated; its seed has no influence.
        settings: The penalty.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: A readable video of the split is in no shard, or all training videos have one class.
    """
    statuses = read_statuses(encodings)
    usable = {name: "ok" if status == "no_trajectories" else status for name, status in statuses.items()}
    parts = read_split(splits, task.split, usable, unread)
    n_train = len(parts.train)
    cosines = gram(encodings, IDT_RUNS[task.run], [*parts.train, *parts.test])
    machine = OneVsRestClassifier(SVC(kernel="precomputed", C=settings.svm_c))
    machine.fit(cosines[:n_train, :n_train], parts.targets(parts.train))
    scores = class_scores(machine, cosines[n_train:, :n_train], len(parts.classes))
    predictions = Predictions.from_scores(parts.targets(parts.test), scores)
    results.write_record(output, task, "svm", parts, predictions, settings)


def gram(encodings: Sequence[Path], vectors: str, video_ids: Sequence[str]) -> np.ndarray:
    """The cosines (n, n) float64 between the vectors of the videos; 0 for a vector of zeros.

    Args:
        encodings: The shards.
        vectors: The dataset of the shards, `sketch` or `fisher`.
        video_ids: The n videos.

    Raises:
        StageError: A vector is not finite.
    """
    place = {video_id: i for i, video_id in enumerate(video_ids)}
    with read_hdf5(encodings[0]) as file:
        dimension = file[vectors].shape[1]
    products = np.zeros((len(video_ids), len(video_ids)))
    for start in tqdm(range(0, dimension, ENTRIES), "inner products", unit="block", mininterval=1):
        block = np.empty((len(video_ids), min(ENTRIES, dimension - start)), np.float32)
        for path in encodings:
            with read_hdf5(path) as file:
                rows = [(row, place[name]) for row, name in enumerate(file["video_id"].asstr()) if name in place]
                values = file[vectors][:, start : start + ENTRIES][[row for row, _ in rows]]
            if not np.isfinite(values).all():
                raise StageError(f"{path}: a {vectors} is not finite although its status is ok; delete it and rerun")
            block[[i for _, i in rows]] = values
        products += block @ block.T
    norms = np.sqrt(np.diag(products))
    norms[norms == 0] = 1
    products /= norms  # in place, because n x n takes most of the memory
    products /= norms[:, None]
    return products


if __name__ == "__main__":
    command_line(svm)
