"""Damaged and foreign files instead of model.pt, read by `read_model` and by its callers."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.evaluation.cluster_bank import cluster_bank
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.model_file import read_model
from workflow_scripts.pretraining.published import read_weights
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.representation.embed_videos import Representation

SETTINGS = PretrainingSettings(depth=10, width=0.125, clip_length=8, crop_size=32, embedding_dim=16)


def content() -> dict[str, Any]:
    """A model with random weights, as the training saves it."""
    torch.manual_seed(0)
    bank = torch.nn.functional.normalize(torch.randn(3, SETTINGS.embedding_dim), dim=1)
    return {
        "state_dict": ResNet3D(SETTINGS.depth, SETTINGS.embedding_dim, SETTINGS.width).state_dict(),
        "settings": dataclasses.asdict(SETTINGS),
        "run": "la",
        "seed": 0,
        "video_ids": ["a", "b", "c"],
        "bank": bank,
        "labels": None,
        "history": [],
        "classes": [],
    }


def save(model: Any, path: Path) -> Path:
    torch.save(model, path)
    return path


def test_read_model_returns_what_was_saved(tmp_path: Path) -> None:
    saved = content()
    model = read_model(save(saved, tmp_path / "model.pt"))
    assert model["settings"] == saved["settings"] and torch.equal(model["bank"], saved["bank"])
    assert all(torch.equal(model["state_dict"][name], weight) for name, weight in saved["state_dict"].items())


def test_read_model_flipped_bit_is_an_error_for_all_readers(tmp_path: Path) -> None:
    saved = content()
    path = save(saved, tmp_path / "model.pt")
    whole = path.read_bytes()
    weights = saved["state_dict"]["fc.weight"].numpy().tobytes()
    damaged = bytearray(whole)
    damaged[whole.index(weights) + 1001] ^= 64
    path.write_bytes(damaged)
    readers = {
        "init": lambda: read_weights(path),
        "evaluation": lambda: read_pretrained(path, Architecture()),
        "dtc": lambda: Representation.read(path),
        "clusters": lambda: cluster_bank(path, tmp_path / "clusters.h5", ClustersSettings(k=2, m=1)),
    }
    for reader in readers.values():
        with pytest.raises(StageError, match=r"model\.pt cannot be read .*checksum"):
            reader()
    path.write_bytes(whole)
    assert len(read_pretrained(path, Architecture()).video_ids) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settings": {"depth": 10**9}}, "depth is 1000000000"),
        ({"settings": {"depth": [1]}}, r"depth is \[1\]"),
        ({"settings": {"width": float("inf")}}, "not plain values"),
        ({"settings": {"width": 1e9}}, "width is"),
        ({"settings": {"width": 0.25}}, "another network"),
        ({"settings": {"shortcut": "C"}}, "shortcut is 'C'"),
        ({"settings": {"crop_size": 10**9}}, "crop_size is"),
        ({"settings": {"clip_length": "16"}}, "clip_length is '16'"),
        ({"settings": {"lr_milestones": [[1]]}}, "not plain values"),
        ({"settings": 3}, "settings are not a dict"),
        ({"video_ids": ["a", 3, "c"]}, "video_ids are not a list of names"),
        ({"video_ids": ["a"]}, r"bank is \(3, 16\), not \(1, 16\)"),
        ({"bank": torch.ones(3, 4)}, r"bank is \(3, 4\)"),
        ({"bank": torch.full((3, 16), float("nan"))}, "bank holds numbers that are not finite"),
        ({"bank": "none"}, "bank is not a tensor of numbers"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"state_dict": {}}, "no weights"),
        ({"state_dict": {"fc.weight": 1, "fc.bias": 2}}, "fc.weight is not a tensor"),
        ({"classes": 5}, "classes are not a list of names"),
    ],
)
def test_read_model_foreign_content_is_an_error(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    model = content()
    for name, value in changes.items():
        model[name] = {**model[name], **value} if name == "settings" and isinstance(value, dict) else value
    path = save(model, tmp_path / "model.pt")
    with pytest.raises(StageError, match=reason) as error:
        read_model(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["settings", "state_dict", "bank", "video_ids", "seed"])
def test_read_model_missing_part_is_an_error(tmp_path: Path, missing: str) -> None:
    model = content()
    del model[missing]
    with pytest.raises(StageError, match=f"it has no '{missing}'"):
        read_model(save(model, tmp_path / "model.pt"))
    with pytest.raises(StageError, match="cannot be read as a pretrained model"):
        read_model(save([1, 2], tmp_path / "list.pt"))


def test_read_model_infinite_weights_are_an_error(tmp_path: Path) -> None:
    model = content()
    model["state_dict"]["conv1.weight"][0, 0, 0, 0, 0] = float("inf")
    with pytest.raises(StageError, match=r"conv1\.weight holds numbers that are not finite"):
        read_model(save(model, tmp_path / "model.pt"))
