"""Features of a frozen network."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from workflow_scripts.evaluation.features import features, video_features
from workflow_scripts.evaluation.network import TestClips, read_inputs, read_pretrained
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.evaluation.trainer import Trainer
from workflow_scripts.pretraining.augmentation import cut_square, draw_test
from workflow_scripts.pretraining.checkpoint import save
from workflow_scripts.pretraining.inputs import collate, to_input


def test_features_from_scratch_depend_only_on_the_seed(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    def scratch() -> bytes:
        output = tmp_path / "features.h5"
        features(dataset.splits, dataset.frames, output, 1, EvaluationSettings(clips=1), tiny)
        return output.read_bytes()

    torch.manual_seed(0)
    first = scratch()
    torch.manual_seed(1)
    torch.set_num_threads(2)
    assert scratch() == first
    assert torch.get_num_threads() == 1, "the number of threads for so small a network"


def test_features_of_a_video_without_frames_are_zeros(dataset: Any, features_file: Path) -> None:
    with h5py.File(features_file) as file:
        names, statuses = list(file["video_id"].asstr()), list(file["status"].asstr())
        assert names == sorted([*dataset.train, *dataset.test, "bad-frames", "bad-sketch"])
        assert statuses[names.index("bad-frames")] == "unreadable" and statuses.count("ok") == 41
        assert not file["features"][names.index("bad-frames")].any() and file["features"][-1].any()


def test_video_features_are_the_mean_over_test_clips(dataset: Any, model: Path) -> None:
    pretrained = read_pretrained(model, Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames)
    network = pretrained.network(2, seed=0).eval()
    names = list(parts.test)[:3]
    rows = video_features(network, TestClips(store, names, pretrained.architecture, 4, seed=7))
    assert rows.shape == (3, network.n_features)
    draws = draw_test(7, names[1], store.n_frames(names[1]), 8, 4)
    squares = collate([(cut_square(store, names[1], draw, 8), draw) for draw in draws])
    with torch.no_grad():
        expected = network.features(to_input(squares, 32)).mean(dim=0).numpy()
    np.testing.assert_allclose(rows[1], expected, rtol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_evaluation_computes_in_the_precision_of_the_pretraining(
    dataset: Any, model: Path, tmp_path: Path, precision: str
) -> None:
    saved = torch.load(model, weights_only=True)
    saved["settings"]["precision"] = precision
    save(saved, tmp_path / "model.pt")
    pretrained = read_pretrained(tmp_path / "model.pt", Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames)
    network, names = pretrained.network(2, seed=0), list(parts.test)[:2]
    dtypes = []
    network.conv1.register_forward_hook(lambda *arguments: dtypes.append(str(arguments[-1].dtype)))
    video_features(network, TestClips(store, names, pretrained.architecture, 1, seed=7))
    settings = EvaluationSettings(finetune_epochs=1)
    trainer = Trainer("t", network, [], store, pretrained.architecture, settings, seed=0)
    trainer.train(dict(zip(names, "ab", strict=True)), ["a", "b"], tmp_path / "checkpoints", tmp_path / "curves")
    trainer.predict(names, n_clips=1)
    assert dtypes == [f"torch.{precision}"] * 3
