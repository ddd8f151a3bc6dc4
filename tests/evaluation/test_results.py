"""Records and splits: numbers that carry what they mean, and errors that name what is wrong."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import Answers
from workflow_scripts.evaluation.protocols import PROTOCOLS, settings_of
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.evaluation.split import Split, read_split
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.settings import PretrainingSettings


def some_split() -> Split:
    train = {f"a{i}": "run" for i in range(5)} | {f"b{i}": "wave" for i in range(3)}
    test = {"c0": "run", "c1": "run", "c2": "wave", "c3": "jump"}
    return Split(train, test, ["jump", "run", "wave"], {"d": "unreadable"})


def write(path: Path, predicted: list[int]) -> results.Record:
    split = some_split()
    answers = Answers.from_scores(split.targets(split.test), np.eye(3)[predicted])
    return results.write_record(path, Task("la", 3, "ut", 2), "svm", split, answers, {"svm_c": 100.0})


def test_a_record_says_what_its_number_means(tmp_path: Path) -> None:
    path = tmp_path / "svm.json"
    written = write(path, [1, 2, 2, 1])
    record = results.read_record(path)
    assert record == written == json.loads(path.read_text())
    assert record["accuracy"] == 0.5
    assert record["mean_class_accuracy"] == pytest.approx((0 + 0.5 + 1) / 3)
    assert record["accuracy_interval"] == [0, 1]  # four videos tell little
    assert "top5_accuracy" not in record
    assert record["chance"] == 0.5  # always `run`
    assert (record["n_train"], record["n_test"], record["n_left_out"], record["n_listed"]) == (8, 4, 1, 5)
    assert "4 of 5 test videos" in results.in_words(record)
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
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "svm.json"
    path.write_text(json.dumps({**write(tmp_path / "whole.json", [1, 2, 2, 1]), **change}))
    with pytest.raises(StageError, match=message) as error:
        results.read_record(path)
    assert str(path) in str(error.value)


def test_of_more_than_five_classes_the_five_likeliest_count(tmp_path: Path) -> None:
    classes = list("abcdefg")
    split = Split(dict(zip("123", "abc", strict=True)), {"4": "a", "5": "g"}, classes, {})
    scores = np.array([[0.0, 1, 1, 1, 1, 0, 0], [6.0, 5, 4, 3, 2, 1, 0]])  # places 5 and 7
    answers = Answers.from_scores(split.targets(split.test), scores)
    record = results.write_record(tmp_path / "r.json", Task("la", 0, "d", 1), "svm", split, answers, {})
    assert (record["accuracy"], record["top5_accuracy"]) == (0, 0.5)


def test_a_torn_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "svm.json"
    write(path, [1, 2, 2, 1])
    path.write_text(path.read_text()[:50])
    with pytest.raises(StageError, match="is damaged or was edited"):
        results.read_record(path)
    (tmp_path / "copied.json").write_text(path.read_text())
    with pytest.raises(StageError, match="cannot be read"):
        results.read_record(tmp_path / "copied.json")


def test_a_video_that_the_stage_lost_is_left_out_with_its_reason(dataset) -> None:  # type: ignore[no-untyped-def]
    ok = dict.fromkeys([*dataset.train, *dataset.test, "bad-frames", "bad-sketch"], "ok")
    split = read_split(dataset.splits, 1, {**ok, "bad-frames": "unreadable", "bad-sketch": "not_finite"})
    assert split.train == dataset.train
    assert split.test == dataset.test
    assert split.left_out == {"bad-sketch": "not_finite"} and split.unused == {"bad-frames": "unreadable"}
    assert split.classes == ["across", "down"]
    assert split.targets(split.test).tolist() == [0, 1] * 8


def test_videos_that_could_not_be_read_are_counted_beside_those_evaluated(dataset, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
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
    answers = Answers.from_scores(split.targets(split.test), scores)
    record = results.write_record(tmp_path / "r.json", Task("la", 0, "d", 1), "svm", split, answers, {})
    assert (record["accuracy"], record["n_test"], record["n_left_out"], record["n_listed"]) == (1, 17, 2, 19)


def test_recordings_are_groups_also_across_classes() -> None:
    test = {"a": "run", "b": "run", "c": "walk", "d": "walk", "e": "walk"}
    split = Split({}, test, ["run", "walk"], groups={"a": "g1", "b": "g1", "c": "g1", "d": "g2", "x": "g1"})
    assert split.recordings().tolist() == [0, 0, 0, 1, 2]


def test_a_split_of_other_data_is_an_error(dataset) -> None:  # type: ignore[no-untyped-def]
    known = dict.fromkeys([*dataset.train, *dataset.test], "ok")
    with pytest.raises(StageError, match=r"2 of the 42 videos .* \(bad-frames, bad-sketch\)"):
        read_split(dataset.splits, 1, known)
    with pytest.raises(StageError, match="no split 7"):
        read_split(dataset.splits, 7, known)
    lost = {**dict.fromkeys([*dataset.train, "bad-frames"], "ok"), **dict.fromkeys([*dataset.test, "bad-sketch"], "?")}
    with pytest.raises(StageError, match="no usable test video"):
        read_split(dataset.splits, 1, lost)


def test_every_setting_belongs_to_a_protocol() -> None:
    keys = set(vars(EvaluationSettings()))
    of = {protocol: set(settings_of(protocol, vars(EvaluationSettings()))) for protocol in PROTOCOLS}
    assert set().union(*of.values()) == keys
    assert of["svm"] == {"svm_c"}
    assert of["finetune"] & of["linear"] == of["linear"] & of["knn"] == {"clips"}


def test_the_architecture_is_that_of_the_pretraining() -> None:
    pretraining = dataclasses.asdict(PretrainingSettings())
    assert all(pretraining[key] == value for key, value in dataclasses.asdict(Architecture()).items())
