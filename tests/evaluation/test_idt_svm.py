"""IDT + SVM: right on separable sketches, chance on shuffled labels, repeatable, clear about missing videos."""

from pathlib import Path

import numpy as np
import pytest

from workflow_scripts import identity
from workflow_scripts.evaluation.idt_svm import idt_svm
from workflow_scripts.evaluation.results import read_record
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.stage import StageError, command_line


def test_separable_sketches_are_told_apart(dataset, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    output = tmp_path / "svm.json"
    idt_svm(dataset.encodings, dataset.splits, 1, output, "toy", EvaluationSettings())
    record = read_record(output)
    assert record["accuracy"] >= 0.9
    assert record["chance"] == 0.5
    assert (record["run"], record["protocol"]) == ("idt", "svm")
    assert (record["n_train"], record["n_test"], record["n_left_out"]) == (25, 16, 1)
    assert record["left_out"] == {"bad-sketch": "no_trajectories"}
    assert record["settings"] == {"svm_c": 100.0}
    again = tmp_path / "again.json"
    arguments = ["--encodings", *map(str, dataset.encodings), "--splits", str(dataset.splits), "--split", "1"]
    command_line(idt_svm, [*arguments, "--output", str(again), "--dataset", "toy"])
    assert again.read_bytes() == output.read_bytes()


def test_sketches_without_the_labels_information_give_chance(make_splits_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rng = identity.rng("noise", EvaluationSettings())
    labels = {f"v{i:03d}": "ab"[int(rng.integers(2))] for i in range(300)}
    sketches = {name: rng.normal(size=20).astype(np.float32) for name in labels}
    names = sorted(labels)
    splits, encoding = make_splits_of(
        {name: labels[name] for name in names[:150]}, {name: labels[name] for name in names[150:]}, sketches
    )
    idt_svm([encoding], splits, 1, tmp_path / "svm.json", "noise", EvaluationSettings())
    assert 0.35 < read_record(tmp_path / "svm.json")["accuracy"] < 0.65


def test_missing_videos_and_single_classes_are_errors(dataset, make_splits_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StageError, match="in none of the given files"):
        idt_svm([], dataset.splits, 1, tmp_path / "svm.json", "toy", EvaluationSettings())
    sketches = {name: np.ones(4, np.float32) for name in "abc"}
    splits, encoding = make_splits_of({"a": "run", "b": "run"}, {"c": "run"}, sketches)
    with pytest.raises(StageError, match="single class"):
        idt_svm([encoding], splits, 1, tmp_path / "svm.json", "toy", EvaluationSettings())
    sketches["a"][0] = np.nan
    splits, encoding = make_splits_of({"a": "run", "b": "walk"}, {"c": "run"}, sketches)
    with pytest.raises(StageError, match="not finite"):
        idt_svm([encoding], splits, 1, tmp_path / "svm.json", "toy", EvaluationSettings())
    assert not (tmp_path / "svm.json").exists()
