"""Models of random weights, and the content of embedded files."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import torch

from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings

SETTINGS = PretrainingSettings(depth=10, width=0.125, clip_length=8, crop_size=32, embedding_dim=16)


def write_model(
    path: Path,
    seed: int = 0,
    classes: int = 0,
    shortcut: str = "B",
    clip_length: int = SETTINGS.clip_length,
    frame_interval: int = 1,
) -> Path:
    """A model.pt of random weights and batch statistics, as the training writes it."""
    torch.manual_seed(seed)
    network = ResNet3D(SETTINGS.depth, classes or SETTINGS.embedding_dim, SETTINGS.width, shortcut)
    for name, weight in network.state_dict().items():
        if name.endswith("running_mean"):
            weight.normal_()
        elif name.endswith("running_var"):
            weight.uniform_(0.5, 2)
    settings = dataclasses.asdict(SETTINGS) | {
        "shortcut": shortcut,
        "clip_length": clip_length,
        "frame_interval": frame_interval,
    }
    saved = {"state_dict": network.state_dict(), "settings": settings, "run": "la", "seed": 0}
    bank = None if classes else torch.zeros(1, SETTINGS.embedding_dim)
    torch.save(saved | {"video_ids": ["a"], "bank": bank, "labels": None, "history": [], "classes": []}, path)
    return path


def read_embedded(path: Path) -> dict[str, np.ndarray]:
    """The datasets of a file of `dtc embed`, by name."""
    with h5py.File(path) as file:
        texts = {name: file[name].asstr()[:] for name in ("video", "status", "reason")}
        return texts | {name: file[name][:] for name in file if name not in texts}
