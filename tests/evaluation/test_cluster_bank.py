"""Clusters of the embeddings of a trained network."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from workflow_scripts.evaluation.cluster_bank import cluster_bank
from workflow_scripts.ground.stage import command_line


def test_cluster_bank_clusters_the_memory_bank(dataset: Any, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clusters.h5"
    arguments = ["--model", model, "--output", output, "--frames", "--settings", '{"k": 4, "m": 2, "iterations": 3}']
    command_line(cluster_bank, [str(argument) for argument in arguments])
    with h5py.File(output) as file:
        assert list(file["video_id"].asstr()) == sorted(dataset.train)
        assert file["labels"].shape == (2, 24)
        assert file["centroids"].shape == (2, 4, 16)


def test_cluster_bank_has_at_most_a_cluster_per_video(dataset: Any, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clusters.h5"
    arguments = ["--model", model, "--output", output, "--frames", "--settings", '{"k": 40, "m": 1, "iterations": 1}']
    command_line(cluster_bank, [str(argument) for argument in arguments])
    with h5py.File(output) as file:
        assert file["centroids"].shape == (1, 24, 16)


def test_cluster_bank_of_a_supervised_model_clusters_features(dataset: Any, model: Path, tmp_path: Path) -> None:
    """It has no bank. The features of its training videos are clustered, which needs their frames."""
    supervised, output = tmp_path / "model.pt", tmp_path / "clusters.h5"
    torch.save({**torch.load(model, weights_only=True), "bank": None}, supervised)
    settings = ["--settings", '{"k": 2, "m": 1}', "--workers", "2"]
    arguments = ["--model", supervised, "--output", output, *settings, "--frames"]
    torch.set_num_threads(2)
    command_line(cluster_bank, [str(argument) for argument in [*arguments, *dataset.frames]])
    assert torch.get_num_threads() == 1, "the number of threads for so small a network"
    with h5py.File(output) as file:
        assert list(file["video_id"].asstr()) == sorted(dataset.train)
        centroids = file["centroids"][0]
    assert centroids.shape == (2, 64)  # features, not logits
    assert (np.linalg.norm(centroids, axis=1) <= 1 + 1e-5).all()
    with pytest.raises(SystemExit, match="1"):
        command_line(cluster_bank, [str(argument) for argument in arguments])
