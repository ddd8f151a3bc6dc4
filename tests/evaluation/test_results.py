"""Records: what they hold, and which are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import Predictions
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.split import Split, read_split
from workflow_scripts.ground.stage import StageError


def some_split() -> Split:
    train = {f"a{i}": "run" for i in range(5)} | {f"b{i}": "wave" for i in range(3)}
    test = {"c0": "run", "c1": "run", "c2": "wave", "c3": "jump"}
    return Split(train, test, ["jump", "run", "wave"], {"d": "unreadable"})


def write_scores(path: Path, split: Split, scores: np.ndarray) -> results.Record:
    answers = Predictions.from_scores(split.targets(split.test), scores)
    return results.write_record(path, Task("la", 3, "ut", 2), "svm", split, answers, EvaluationSettings())


def write(path: Path, predicted: list[int]) -> results.Record:
    return write_scores(path, some_split(), np.eye(3)[predicted])


def test_write_record_has_the_accuracy_with_its_context(tmp_path: Path) -> None:
    path = tmp_path / "svm.json"
    written = write(path, [1, 2, 2, 1])
    record = results.read_record(path)
    assert record == written == json.loads(path.read_text())
    assert record["accuracy"] == 0.5
    assert record["mean_class_accuracy"] == pytest.approx((0 + 0.5 + 1) / 3)
    assert record["accuracy_interval"] == [0, 1]  # the interval of four videos is wide
    assert "top5_accuracy" not in record
    assert record["chance"] == 0.5  # always predicting `run`
    assert (record["n_train"], record["n_test"], record["n_left_out"], record["n_listed"]) == (8, 4, 1, 5)
    assert "4 of 5 test videos" in results.summary(record)
    assert record["confusion"] == [[0, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert record["predictions"] == {"c0": "run", "c1": "wave", "c2": "wave", "c3": "run"}
    assert (record["run"], record["seed"], record["dataset"], record["split"]) == ("la", 3, "ut", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 1.0}, "accuracy != confusion"),
        ({"accuracy": 2}, "within 0..1"),
        ({"accuracy_interval": [0.6, 1]}, "not within its interval"),
        ({"n_test": 5}, "does not count n_test"),
        ({"protocol": "guess"}, "not known"),
        ({"seed": None}, "no usable 'seed'"),
        ({"protocol": "linear"}, "no usable 'shots'"),
        ({"protocol": "finetune"}, "no usable 'history'"),
        ({"n_left_out": 0}, "n_left_out"),
        ({"n_listed": 4}, "n_listed != n_test"),
    ],
)
def test_read_record_refuses_a_contradiction(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "svm.json"
    path.write_text(json.dumps({**write(tmp_path / "whole.json", [1, 2, 2, 1]), **change}))
    with pytest.raises(StageError, match=message) as error:
        results.read_record(path)
    assert str(path) in str(error.value)


def test_write_record_has_the_top5_accuracy_of_more_than_five_classes(tmp_path: Path) -> None:
    classes = list("abcdefg")
    split = Split(dict(zip("123", "abc", strict=True)), {"4": "a", "5": "g"}, classes, {})
    scores = np.array([[0.0, 1, 1, 1, 1, 0, 0], [6.0, 5, 4, 3, 2, 1, 0]])  # places 5 and 7
    answers = Predictions.from_scores(split.targets(split.test), scores)
    record = results.write_record(
        tmp_path / "r.json", Task("la", 0, "d", 1), "svm", split, answers, EvaluationSettings()
    )
    assert (record["accuracy"], record["top5_accuracy"]) == (0, 0.5)


def test_read_record_refuses_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "svm.json"
    write(path, [1, 2, 2, 1])
    path.write_text(path.read_text()[:50])
    with pytest.raises(StageError, match="is damaged or was edited"):
        results.read_record(path)
    (tmp_path / "copied.json").write_text(path.read_text())
    with pytest.raises(StageError, match="cannot be read"):
        results.read_record(tmp_path / "copied.json")


def test_write_record_counts_videos_that_could_not_be_read(dataset: Any, tmp_path: Path) -> None:
    unread = tmp_path / "unread.tsv"
    columns = ["split", "video_id", "part", "label", "status"]
    lines = ["1 damaged test down truncated", "1 down/gone test down missing", "1 short train down too_short"]
    lines += ["2 other test down missing"]
    unread.write_text("\n".join("\t".join(line.split()) for line in [" ".join(columns), *lines]) + "\n")
    ok = dict.fromkeys([*dataset.train, *dataset.test, "bad-frames", "bad-sketch"], "ok")
    split = read_split(dataset.splits, 1, ok, unread)
    assert split.left_out == {"damaged": "truncated", "down/gone": "missing"}
    assert split.unused == {"short": "too_short"}
    scores = np.eye(2)[split.targets(split.test)]
    answers = Predictions.from_scores(split.targets(split.test), scores)
    record = results.write_record(
        tmp_path / "r.json", Task("la", 0, "d", 1), "svm", split, answers, EvaluationSettings()
    )
    assert (record["accuracy"], record["n_test"], record["n_left_out"], record["n_listed"]) == (1, 17, 2, 19)
