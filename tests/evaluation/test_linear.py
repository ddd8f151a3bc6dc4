"""Linear classifiers on frozen features, and the draws of training videos."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.evaluation.linear import classify, draw_shots, linear
from workflow_scripts.evaluation.metrics import accuracy
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.split import Split
from workflow_scripts.evaluation.split_features import SplitFeatures
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.vectors import l2_normalised


def test_linear_records_the_accuracies_by_shots(evaluate: Any, tmp_path: Path) -> None:
    record = evaluate(linear, tmp_path / "linear.json", linear_shots=[1, 5, 12], linear_draws=3)
    assert {shots: len(draws) for shots, draws in record["shots"].items()} == {"1": 3, "5": 3, "all": 1}  # 12 is all
    assert record["shots_n_train"] == {"1": 2, "5": 10, "all": 24}
    assert record["accuracy"] == record["shots"]["all"][0] >= 0.75  # colour shows through random weights
    assert (record["n_test"], record["n_listed"], record["n_left_out"]) == (17, 17, 0)  # bad-sketch has frames
    assert record["unused"] == {"bad-frames": "unreadable"}
    assert record["chance"] == pytest.approx(9 / 17)
    assert (record["settings"]["pretraining"]["seed"], record["settings"]["clips"]) == (5, 2)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 3))
def test_draw_shots_is_nested_and_stable(labels: list[str], shots: int, draw: int) -> None:
    videos = {f"v{i}": label for i, label in enumerate(labels)}
    drawn = draw_shots(videos, shots, 0, draw)
    assert len(set(drawn)) == len(drawn)
    assert Counter(videos[name] for name in drawn) == {c: min(shots, n) for c, n in Counter(labels).items()}
    assert set(drawn) <= set(draw_shots(videos, shots + 1, 0, draw))  # nested
    grown = draw_shots({**videos, "new": "a"}, shots, 0, draw)
    assert len(set(drawn) - set(grown)) <= 1


def test_draw_shots_depends_on_seed_and_draw() -> None:
    videos = {f"v{i}": "ab"[i % 2] for i in range(40)}
    assert len({tuple(draw_shots(videos, 1, seed, draw)) for seed in range(2) for draw in range(5)}) > 5


def test_classify_learns_signal_and_not_noise() -> None:
    rng = np.random.default_rng(0)
    answers, truth = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    train, test = rng.normal(size=(300, 10)), rng.normal(size=(300, 10))

    train_labels = {f"a{i:03d}": "abc"[c] for i, c in enumerate(answers)}
    split = Split(train_labels, {f"b{i:03d}": "abc"[c] for i, c in enumerate(truth)}, list("abc"))

    def test_accuracy() -> float:
        read = SplitFeatures(split, l2_normalised(train), l2_normalised(test), {})
        return accuracy(classify(read, list(split.train), 100.0))

    assert 0.2 < test_accuracy() < 0.47
    train[np.arange(300), answers] += 3
    test[np.arange(300), truth] += 3
    assert test_accuracy() > 0.85


def test_linear_refuses_a_single_class(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.tsv"
    lines = dataset.splits.read_text().splitlines()
    splits.write_text("\n".join(line for line in lines if "train\tdown" not in line) + "\n")
    with pytest.raises(StageError, match="single class"):
        linear(features_file, splits, tmp_path / "o.json", Task(), EvaluationSettings())
