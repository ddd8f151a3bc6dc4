"""The features of a split's videos, for the protocols `linear` and `knn`. This module does not import torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.evaluation.split import Split, read_split
from workflow_scripts.ground import artifacts
from workflow_scripts.ground.vectors import l2_normalised


@dataclass(frozen=True)
class SplitFeatures:
    """The usable videos of a split, their L2-normalised features, and the parameters of the features."""

    split: Split
    train: np.ndarray  # (n_train, d)
    test: np.ndarray  # (n_test, d)
    parameters: dict[str, Any]


def read_features(path: Path, splits: Path, split: int, unread: Path | None = None) -> SplitFeatures:
    """Reads the features of a split.

    Args:
        path: The features file.
        splits: The dataset's splits.tsv.
        split: The number of the split.
        unread: Table of the videos that could not be read.

    Raises:
        StageError: The file lacks a video of the split, or there is nothing to train on.
    """
    with artifacts.read_hdf5(path) as file:
        row_of = {video_id: row for row, video_id in enumerate(file["video_id"].asstr()[:])}
        statuses = dict(zip(row_of, file["status"].asstr()[:], strict=True))
        rows, parameters = file["features"][:], json.loads(file.attrs["parameters"])
    parts = read_split(splits, split, statuses, unread)
    train, test = (l2_normalised(rows[[row_of[video_id] for video_id in part]]) for part in (parts.train, parts.test))
    return SplitFeatures(parts, train, test, {key: parameters[key] for key in ("clips", "architecture", "pretraining")})
