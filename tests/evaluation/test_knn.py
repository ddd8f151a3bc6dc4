"""The vote of nearest neighbours on frozen features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from workflow_scripts.evaluation.knn import knn, weighted_vote
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.vectors import l2_normalised, nearest_rows


def test_knn_records_the_vote_and_retrieval(evaluate: Any, tmp_path: Path) -> None:
    record = evaluate(knn, tmp_path / "knn.json")
    assert (record["protocol"], record["neighbours"]) == ("knn", 5)
    low, high = record["accuracy_interval"]
    assert low < record["accuracy"] < high and record["accuracy"] >= 0.6
    shares = [record[f"R@{k}"] for k in (1, 5, 10, 20)]
    assert 0.5 < shares[0] <= shares[1] <= shares[2] <= shares[3] == 1
    assert "top5_accuracy" not in record and "linear_c" not in record["settings"]


def test_knn_refuses_a_split_of_videos_without_features(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.tsv"
    splits.write_text(dataset.splits.read_text() + "1\tstranger\ttest\tdown\t\n")
    with pytest.raises(StageError, match="stranger"):
        knn(features_file, splits, tmp_path / "o.json", Task(), EvaluationSettings())


def test_weighted_vote_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    train, test = (l2_normalised(random.normal(size=(n, 6))) for n in (60, 30))
    classes = random.integers(0, 4, 60)
    ranked, cosines = nearest_rows(test, train, 9)
    reference = KNeighborsClassifier(9, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07)).fit(train, classes)
    assert (weighted_vote(classes[ranked], cosines, 0.07) == reference.predict(test)).all()
