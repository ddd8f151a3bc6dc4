"""The vote of nearest neighbours on frozen features."""

from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.evaluation.knn import knn
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.stage import StageError


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
