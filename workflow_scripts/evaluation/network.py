"""The network that is evaluated, and its test clips, which are the same for all protocols.

A run's network is read from its model.pt, which holds its depth, its width, and the length, interval and size of its
clips. The run `scratch` is a network with random weights. The functions of the pretraining load the clips, so that the
network's input has the same range and mean.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.evaluation.split import Split, read_split
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground import identity
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import draw_test
from workflow_scripts.pretraining.dataset import DrawnClips, consecutive, load_inputs
from workflow_scripts.pretraining.model_file import read_model
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone


@dataclass(frozen=True)
class Pretrained:
    """A run's weights (None: from scratch), their architecture, and their origin for the record."""

    architecture: Architecture
    state_dict: dict[str, Tensor] | None
    origin: dict[str, Any]
    video_ids: list[str]  # the training videos, in the order of the bank
    bank: Tensor | None  # (N, embedding) float32 of unit length, where the objective has one

    def network(self, outputs: int, seed: int) -> ResNet3D:
        """A new network with these weights below a random head of `outputs` logits, drawn from `seed`."""
        torch.manual_seed(int(identity.rng(seed, "network").integers(2**63)))
        try:
            shape = self.architecture
            network = ResNet3D(shape.depth, outputs, shape.width, shape.shortcut)
            if self.state_dict is not None:
                load_backbone(network, self.state_dict)
        except ValueError as error:
            raise StageError(str(error)) from error
        return network.to(best_device())

    def provenance(self) -> dict[str, Any]:
        """Architecture and origin, for the record."""
        return {"architecture": dataclasses.asdict(self.architecture), "pretraining": self.origin}


def read_pretrained(model: Path | None, architecture: Architecture) -> Pretrained:
    """The network of model.pt with its own architecture; without `model`, a network of `architecture` from scratch.

    Raises StageError if the file is not a model of the pretraining, or is damaged.
    """
    if model is None:
        return Pretrained(architecture, None, {}, [], None)
    saved = read_model(model)
    model_architecture = Architecture(**{name: saved["settings"][name] for name in dataclasses.asdict(architecture)})
    keys = ("objective", "clusters", "digest", "settings", "seed")  # older models lack the first three
    origin = {key: saved[key] for key in keys if key in saved} | {"n_videos": len(saved["video_ids"])}
    return Pretrained(model_architecture, saved["state_dict"], origin, saved["video_ids"], saved["bank"])


def read_inputs(
    splits: Path, split: int, frames: Sequence[Path], unread: Path | None = None
) -> tuple[Split, FrameStore]:
    """The split's videos that have frames, and the store of their frames. The arguments are those of `read_split`."""
    store, statuses = open_frames(frames)
    return read_split(splits, split, statuses, unread), store


def open_frames(frames: Sequence[Path]) -> tuple[FrameStore, dict[str, str]]:
    """The store of the frames, and the status of each video. Raises StageError if a file cannot be read."""
    try:
        store = FrameStore(frames)
    except (OSError, ValueError) as error:
        raise StageError(str(error)) from error
    return store, {video_id: store.outcome(video_id)[0] for video_id in store.video_ids}


@dataclass(frozen=True)
class TestClips:
    """`n_clips` clips of each video, random in time, centre crop (paper 4.2), which depend on seed and id only."""

    __test__ = False  # or pytest would collect it as a test

    store: FrameStore
    video_ids: Sequence[str]
    architecture: Architecture
    n_clips: int
    seed: int
    workers: int = 0

    def inputs(self, clips_at_once: int) -> Iterator[Tensor]:
        """Batches of clips as the network's input, (B x n_clips, 3, T, S, S) float32. A video's clips are consecutive.

        A batch has at most `clips_at_once` clips and fits in one pass of the network, but has at least one video. For a
        GPU, `workers` processes load them.
        """
        draw = partial(draw_test, self.seed, n_clips=self.n_clips)
        shape = self.architecture
        clips = DrawnClips(self.store, self.video_ids, shape.clip_length, draw, shape.frame_interval)
        most = min(clips_at_once, shape.clips_per_pass)
        batches = consecutive(len(self.video_ids), max(1, most // self.n_clips))
        yield from load_inputs(clips, batches, shape.crop_size, best_device(), self.workers)
