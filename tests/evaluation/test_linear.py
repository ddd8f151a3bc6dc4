"""Protocols on frozen features: linear classifiers and neighbours, draws that are nested and repeatable."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.evaluation.features import SplitFeatures, features, video_features
from workflow_scripts.evaluation.knn import knn
from workflow_scripts.evaluation.linear import classify, draw_shots, linear
from workflow_scripts.evaluation.metrics import accuracy
from workflow_scripts.evaluation.network import TestClips, read_inputs, read_pretrained
from workflow_scripts.evaluation.results import Record, Task, read_record
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.evaluation.split import Split
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.vectors import l2_normalised
from workflow_scripts.pretraining.augmentation import cut_square, draw_test
from workflow_scripts.pretraining.inputs import collate, to_input

TASK = {"run": "ir", "seed": 2, "dataset": "toy"}


@pytest.fixture(scope="module")
def features_file(dataset: Any, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of the model; twice, with and without another process that reads the clips."""
    outputs = [tmp_path_factory.mktemp("features") / name for name in ("1.h5", "2.h5")]
    for workers, output in enumerate(outputs):
        arguments = ["--splits", dataset.splits, "--frames", *dataset.frames, "--seed", 2, "--model", model]
        arguments += ["--settings", '{"clips": 2}', "--output", output, "--workers", workers]
        command_line(features, [str(argument) for argument in arguments])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    return outputs[0]


def evaluated(stage: Any, dataset: Any, features_file: Path, output: Path, **settings: Any) -> Record:
    arguments = ["--features", features_file, "--splits", dataset.splits, "--task", json.dumps(TASK)]
    arguments += ["--settings", json.dumps(settings), "--output", output]
    command_line(stage, [str(argument) for argument in arguments])
    return read_record(output)


def test_linear_records_the_accuracies_by_shots(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    record = evaluated(
        linear, dataset, features_file, tmp_path / "linear.json", linear_shots=[1, 5, 12], linear_draws=3
    )
    assert {shots: len(draws) for shots, draws in record["shots"].items()} == {"1": 3, "5": 3, "all": 1}  # 12 is all
    assert record["shots_n_train"] == {"1": 2, "5": 10, "all": 24}
    assert record["accuracy"] == record["shots"]["all"][0] >= 0.75  # colour shows through random weights
    assert (record["n_test"], record["n_listed"], record["n_left_out"]) == (17, 17, 0)  # bad-sketch has frames
    assert record["unused"] == {"bad-frames": "unreadable"}
    assert record["chance"] == pytest.approx(9 / 17)
    assert (record["settings"]["pretraining"]["seed"], record["settings"]["clips"]) == (5, 2)


def test_knn_records_the_vote_and_retrieval(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    record = evaluated(knn, dataset, features_file, tmp_path / "knn.json")
    assert (record["protocol"], record["neighbours"]) == ("knn", 5)
    low, high = record["accuracy_interval"]
    assert low < record["accuracy"] < high and record["accuracy"] >= 0.6
    shares = [record[f"R@{k}"] for k in (1, 5, 10, 20)]
    assert 0.5 < shares[0] <= shares[1] <= shares[2] <= shares[3] == 1
    assert "top5_accuracy" not in record and "linear_c" not in record["settings"]


def test_scratch_features_depend_on_the_seed_alone(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    def scratch() -> bytes:
        output = tmp_path / "features.h5"
        features(dataset.splits, dataset.frames, output, 1, EvaluationSettings(clips=1), tiny)
        return output.read_bytes()

    torch.manual_seed(0)
    first = scratch()
    torch.manual_seed(1)
    torch.set_num_threads(2)
    assert scratch() == first
    assert torch.get_num_threads() == 1, "as many as so small a network gains from"


def test_features_of_a_video_without_frames_are_zeros(dataset: Any, features_file: Path) -> None:
    with h5py.File(features_file) as file:
        names, statuses = list(file["video_id"].asstr()), list(file["status"].asstr())
        assert names == sorted([*dataset.train, *dataset.test, "bad-frames", "bad-sketch"])
        assert statuses[names.index("bad-frames")] == "unreadable" and statuses.count("ok") == 41
        assert not file["features"][names.index("bad-frames")].any() and file["features"][-1].any()


def test_features_are_the_mean_over_test_clips(dataset: Any, model: Path) -> None:
    pretrained = read_pretrained(model, Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames)
    network = pretrained.network(2, seed=0).eval()
    names = list(parts.test)[:3]
    found = video_features(network, TestClips(store, names, pretrained.architecture, 4, seed=7))
    assert found.shape == (3, network.n_features)
    draws = draw_test(7, names[1], store.n_frames(names[1]), 8, 4)
    squares = collate([(cut_square(store, names[1], draw, 8), draw) for draw in draws])
    with torch.no_grad():
        expected = network.features(to_input(squares, 32)).mean(dim=0).numpy()
    np.testing.assert_allclose(found[1], expected, rtol=1e-4)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 3))
def test_draws(labels: list[str], shots: int, draw: int) -> None:
    videos = {f"v{i}": label for i, label in enumerate(labels)}
    drawn = draw_shots(videos, shots, 0, draw)
    assert len(set(drawn)) == len(drawn)
    assert Counter(videos[name] for name in drawn) == {c: min(shots, n) for c, n in Counter(labels).items()}
    assert set(drawn) <= set(draw_shots(videos, shots + 1, 0, draw))  # nested
    grown = draw_shots({**videos, "new": "a"}, shots, 0, draw)
    assert len(set(drawn) - set(grown)) <= 1


def test_draws_differ() -> None:
    videos = {f"v{i}": "ab"[i % 2] for i in range(40)}
    assert len({tuple(draw_shots(videos, 1, seed, draw)) for seed in range(2) for draw in range(5)}) > 5


def test_the_classifier_learns_signal_and_not_noise() -> None:
    rng = np.random.default_rng(0)
    answers, truth = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    train, test = rng.normal(size=(300, 10)), rng.normal(size=(300, 10))

    train_labels = {f"a{i:03d}": "abc"[c] for i, c in enumerate(answers)}
    split = Split(train_labels, {f"b{i:03d}": "abc"[c] for i, c in enumerate(truth)}, list("abc"))

    def share_right() -> float:
        read = SplitFeatures(split, l2_normalised(train), l2_normalised(test), {})
        return accuracy(classify(read, list(split.train), 100.0))

    assert 0.2 < share_right() < 0.47
    train[np.arange(300), answers] += 3
    test[np.arange(300), truth] += 3
    assert share_right() > 0.85


def test_a_single_class_is_an_error(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.tsv"
    lines = dataset.splits.read_text().splitlines()
    splits.write_text("\n".join(line for line in lines if "train\tdown" not in line) + "\n")
    with pytest.raises(StageError, match="single class"):
        linear(features_file, splits, tmp_path / "o.json", Task(), EvaluationSettings())


def test_a_split_of_videos_without_features_is_an_error(dataset: Any, features_file: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.tsv"
    splits.write_text(dataset.splits.read_text() + "1\tstranger\ttest\tdown\t\n")
    with pytest.raises(StageError, match="stranger"):
        knn(features_file, splits, tmp_path / "o.json", Task(), EvaluationSettings())
