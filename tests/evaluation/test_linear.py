"""Few-shot: linear classifiers and neighbours on frozen features, draws that are nested and repeatable."""

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.evaluation.cluster_bank import cluster_bank
from workflow_scripts.evaluation.linear import classify, draw_shots, few_shot, video_features
from workflow_scripts.evaluation.network import TestClips, read_inputs, read_pretrained
from workflow_scripts.evaluation.results import read_record
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.evaluation.split import l2_normalised
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.augmentation import cut_square, draw_test
from workflow_scripts.pretraining.inputs import collate, to_input


def test_accuracies_by_shots(dataset: Any, model: Path, tmp_path: Path) -> None:
    arguments = ["--splits", dataset.splits, "--split", 1, "--frames", *dataset.frames, "--run", "ir", "--seed", 2]
    arguments += ["--dataset", "toy", "--model", model, "--settings"]
    arguments += ['{"clips": 2, "linear_shots": [1, 5, 12], "linear_draws": 3}']
    outputs = [tmp_path / "1.json", tmp_path / "2.json"]
    for workers, output in enumerate(outputs):
        command_line(few_shot, [str(argument) for argument in [*arguments, "--output", output, "--workers", workers]])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    record = read_record(outputs[0])
    assert {shots: len(found) for shots, found in record["shots"].items()} == {"1": 3, "5": 3, "all": 1}  # 12 is all
    assert record["shots_n_train"] == {"1": 2, "5": 10, "all": 24}
    assert record["accuracy"] == record["shots"]["all"][0] >= 0.75  # colour shows through random weights
    assert record["knn"]["neighbours"] == 5
    assert record["knn"]["accuracy"] >= 0.6
    low, high = record["knn"]["accuracy_interval"]
    assert low < record["knn"]["accuracy"] < high
    shares = record["retrieval"]
    assert list(shares) == ["1", "5", "10", "20"] and 0.5 < shares["1"] <= shares["5"] <= shares["20"] == 1
    assert (record["n_test"], record["n_listed"], record["n_left_out"]) == (17, 17, 0)  # bad-sketch has frames
    assert record["chance"] == pytest.approx(9 / 17)
    assert record["settings"]["pretraining"]["seed"] == 5


def test_scratch_depends_on_the_seed_alone(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    def scratch(seed: int) -> bytes:
        output = tmp_path / "few_shot.json"
        quick = EvaluationSettings(clips=1, linear_shots=(1,), linear_draws=1)
        few_shot(dataset.splits, 1, dataset.frames, output, "scratch", seed, "toy", quick, tiny)
        record = read_record(output)
        return repr((record["predictions"], record["shots"], record["knn"])).encode()

    torch.manual_seed(0)
    first = scratch(1)
    torch.manual_seed(1)
    torch.set_num_threads(2)
    assert scratch(1) == first
    assert torch.get_num_threads() == 1, "as many as so small a network gains from"


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

    def answered() -> np.ndarray:
        return classify(l2_normalised(train), answers, l2_normalised(test), 100.0, n_classes=3).argmax(axis=1)

    noise = np.mean(answered() == truth)
    assert 0.2 < noise < 0.47
    train[np.arange(300), answers] += 3
    test[np.arange(300), truth] += 3
    assert np.mean(answered() == truth) > 0.85


def test_clusters_of_a_bank(dataset: Any, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clusters.h5"
    arguments = ["--model", model, "--output", output, "--frames", "--settings", '{"k": 4, "m": 2, "iterations": 3}']
    command_line(cluster_bank, [str(argument) for argument in arguments])
    with h5py.File(output) as file:
        assert list(file["video_id"].asstr()) == sorted(dataset.train)
        assert file["labels"].shape == (2, 24)
        assert file["centroids"].shape == (2, 4, 16)


def test_more_clusters_than_videos_do_not_end_the_report(dataset: Any, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clusters.h5"
    arguments = ["--model", model, "--output", output, "--frames", "--settings", '{"k": 40, "m": 1, "iterations": 1}']
    command_line(cluster_bank, [str(argument) for argument in arguments])
    with h5py.File(output) as file:
        assert file["centroids"].shape == (1, 24, 16)


def test_clusters_of_a_supervised_model(dataset: Any, model: Path, tmp_path: Path) -> None:
    """It has no bank: the features of its training videos are clustered, and their frames are needed."""
    supervised, output = tmp_path / "model.pt", tmp_path / "clusters.h5"
    torch.save({**torch.load(model, weights_only=True), "bank": None}, supervised)
    settings = ["--settings", '{"k": 2, "m": 1}', "--workers", "2"]
    arguments = ["--model", supervised, "--output", output, *settings, "--frames"]
    torch.set_num_threads(2)
    command_line(cluster_bank, [str(argument) for argument in [*arguments, *dataset.frames]])
    assert torch.get_num_threads() == 1, "as many as so small a network gains from"
    with h5py.File(output) as file:
        assert list(file["video_id"].asstr()) == sorted(dataset.train)
        centroids = file["centroids"][0]
    assert centroids.shape == (2, 64)  # of the features, not of the logits
    assert (np.linalg.norm(centroids, axis=1) <= 1 + 1e-5).all()
    with pytest.raises(SystemExit, match="1"):
        command_line(cluster_bank, [str(argument) for argument in arguments])


def test_a_single_class_is_an_error(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    splits = tmp_path / "splits.tsv"
    lines = dataset.splits.read_text().splitlines()
    splits.write_text("\n".join(line for line in lines if "train\tdown" not in line) + "\n")
    with pytest.raises(StageError, match="single class"):
        few_shot(splits, 1, dataset.frames, tmp_path / "o.json", "scratch", 0, "toy", EvaluationSettings(), tiny)
