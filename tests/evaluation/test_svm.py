"""The linear SVM on IDT vectors, against scikit-learn on the vectors themselves."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from workflow_scripts.evaluation import svm as stage
from workflow_scripts.evaluation.classifier import class_scores
from workflow_scripts.evaluation.results import Task, read_record
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.svm import gram, svm
from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.vectors import l2_normalised


def test_svm_separates_separable_sketches(dataset: Any, tmp_path: Path) -> None:
    output = tmp_path / "svm.json"
    svm(dataset.encodings, dataset.splits, output, Task("idt", 0, "toy"), EvaluationSettings())
    record = read_record(output)
    assert record["accuracy"] >= 0.9
    assert record["chance"] == pytest.approx(8 / 17)
    assert (record["run"], record["protocol"]) == ("idt", "svm")
    assert (record["n_train"], record["n_test"], record["n_left_out"]) == (25, 17, 0)
    assert "bad-sketch" in record["predictions"]  # nothing moves in it, and its vector is zero
    assert record["settings"] == {"svm_c": 100.0}
    again = tmp_path / "again.json"
    arguments = ["--encodings", *map(str, dataset.encodings), "--splits", str(dataset.splits)]
    command_line(svm, [*arguments, "--output", str(again), "--task", '{"run": "idt", "dataset": "toy"}'])
    assert again.read_bytes() == output.read_bytes()


def shards_of(folder: Path, vectors: dict[str, np.ndarray]) -> list[Path]:
    """Three encoding shards of Fisher vectors."""
    paths = [folder / f"{number}.h5" for number in range(3)]
    for number, path in enumerate(paths):
        names = sorted(vectors)[number::3]
        with h5py.File(path, "w") as file:
            file["video_id"], file["status"] = names, ["ok"] * len(names)
            file["fisher"] = np.stack([vectors[name] for name in names]).astype(np.float32)
    return paths


def test_svm_on_fisher_vectors_equals_scikit_learn_on_the_matrix(
    make_splits_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "ENTRIES", 70)  # several blocks, the last one shorter
    rng = np.random.default_rng(0)
    labels = {f"v{i:03d}": "abcd"[i % 4] for i in range(120)}
    centres = {label: rng.normal(size=300) for label in "abcd"}
    vectors = {name: centres[label] + 5 * rng.normal(size=300) for name, label in labels.items()}
    train, test = ({name: labels[name] for name in labels if (int(name[1:]) // 4) % 2 == odd} for odd in (0, 1))
    splits, _ = make_splits_of(train, test, vectors)
    shards = shards_of(tmp_path, vectors)
    svm(shards, splits, tmp_path / "svm.json", Task("idt_fisher", 0, "toy"), EvaluationSettings())
    record = read_record(tmp_path / "svm.json")
    assert (record["run"], record["chance"]) == ("idt_fisher", 0.25) and 0.5 < record["accuracy"] < 1

    matrix, answers = (l2_normalised(np.stack([vectors[name] for name in part])) for part in (train, test))
    targets = np.array(["abcd".index(label) for label in train.values()])
    plain = OneVsRestClassifier(SVC(kernel="linear", C=100)).fit(matrix, targets)
    assert list(record["predictions"].values()) == ["abcd"[i] for i in plain.predict(answers)]
    cosines = gram(shards, "fisher", [*train, *test])
    np.testing.assert_allclose(cosines, np.vstack([matrix, answers]) @ np.vstack([matrix, answers]).T, atol=1e-6)
    by_gram = OneVsRestClassifier(SVC(kernel="precomputed", C=100)).fit(cosines[:60, :60], targets)
    scores = class_scores(by_gram, cosines[60:, :60], 4)
    np.testing.assert_allclose(scores, plain.decision_function(answers), atol=0.01)


def test_svm_on_noise_gives_chance(make_splits_of: Any, tmp_path: Path) -> None:
    rng = identity.rng("noise", EvaluationSettings())
    labels = {f"v{i:03d}": "ab"[int(rng.integers(2))] for i in range(300)}
    sketches = {name: rng.normal(size=20).astype(np.float32) for name in labels}
    names = sorted(labels)
    splits, encoding = make_splits_of(
        {name: labels[name] for name in names[:150]}, {name: labels[name] for name in names[150:]}, sketches
    )
    svm([encoding], splits, tmp_path / "svm.json", Task("idt", 0, "noise"), EvaluationSettings())
    assert 0.35 < read_record(tmp_path / "svm.json")["accuracy"] < 0.65


def test_svm_refuses_missing_videos_single_classes_and_nan(dataset: Any, make_splits_of: Any, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="in none of the given files"):
        svm([], dataset.splits, tmp_path / "svm.json", Task("idt", 0, "toy"), EvaluationSettings())
    sketches = {name: np.ones(4, np.float32) for name in "abc"}
    splits, encoding = make_splits_of({"a": "run", "b": "run"}, {"c": "run"}, sketches)
    with pytest.raises(StageError, match="single class"):
        svm([encoding], splits, tmp_path / "svm.json", Task("idt", 0, "toy"), EvaluationSettings())
    sketches["a"][0] = np.nan
    splits, encoding = make_splits_of({"a": "run", "b": "walk"}, {"c": "run"}, sketches)
    with pytest.raises(StageError, match="not finite"):
        svm([encoding], splits, tmp_path / "svm.json", Task("idt", 0, "toy"), EvaluationSettings())
    assert not (tmp_path / "svm.json").exists()
