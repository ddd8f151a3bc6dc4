"""The network under evaluation and the clips it sees, the same for all protocols.

A run's network is read from its model.pt, which says its own architecture, clip length and frame size; `scratch` is
a network of the given architecture with random weights. Clips come through the functions of the pretraining, so the
input range and the mean are the same there and here.
"""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from workflow_scripts import identity
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.evaluation.split import Split, read_sketches, read_split
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import Draw, cut_clip, draw_test
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone
from workflow_scripts.stage import StageError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretrained:
    """A run's weights (None: from scratch) with the architecture they are of and what made them."""

    architecture: Architecture
    state_dict: dict[str, Tensor] | None
    origin: dict[str, Any]  # for the record: settings, seed and number of videos of the pretraining

    def network(self, outputs: int, seed: int) -> ResNet3D:
        """A new network with these weights below a random head of `outputs` logits, drawn from `seed`."""
        torch.manual_seed(int(identity.rng(seed, "network").integers(2**63)))
        try:
            network = ResNet3D(self.architecture.depth, outputs, self.architecture.width)
            if self.state_dict is not None:
                load_backbone(network, self.state_dict)
        except ValueError as error:
            raise StageError(str(error)) from error
        return network


def read_pretrained(model: Path | None, architecture: Architecture) -> Pretrained:
    """The network of model.pt, or (model None) one of `architecture` from scratch.

    Raises StageError if the file is not a model of the pretraining.
    """
    if model is None:
        return Pretrained(architecture, None, {})
    try:
        saved = torch.load(model, map_location="cpu", weights_only=True)
        names = [field.name for field in dataclasses.fields(Architecture)]
        found = Architecture(**{name: saved["settings"][name] for name in names})
        origin = {"settings": saved["settings"], "seed": saved["seed"], "n_videos": len(saved["video_ids"])}
        return Pretrained(found, saved["state_dict"], origin)
    except (OSError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise StageError(f"{model} cannot be read as a pretrained model ({error}); delete it and rerun") from error


def read_inputs(
    splits: Path, split: int, frames: Sequence[Path], encodings: Sequence[Path]
) -> tuple[Split, FrameStore]:
    """The split's videos that have frames and, where encodings are given, a sketch; and the store of their frames."""
    try:
        store = FrameStore(frames)
    except (OSError, ValueError) as error:
        raise StageError(str(error)) from error
    statuses = [{video_id: store.outcome(video_id)[0] for video_id in store.video_ids}]
    if encodings:
        statuses.append(read_sketches(encodings)[0])
    parts = read_split(splits, split, *statuses)
    if len(set(parts.train.values())) < 2:
        raise StageError(f"split {split} of {splits} has a single class to train on, and a classifier needs two")
    return parts, store


class Clips(Dataset[Tensor]):
    """For each (video_id, draws) the drawn clips, (len(draws), T, size, size, 3) uint8 RGB."""

    def __init__(
        self, store: FrameStore, videos: Sequence[tuple[str, Sequence[Draw]]], architecture: Architecture
    ) -> None:
        self.store, self.videos, self.architecture = store, videos, architecture

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Tensor:
        video_id, draws = self.videos[index]
        length, size = self.architecture.clip_length, self.architecture.size
        clips = [cut_clip(self.store, video_id, draw, length, size) for draw in draws]
        return torch.from_numpy(np.stack(clips))


def batches(clips: Clips, sizes: Sequence[int], workers: int) -> Iterator[Tensor]:
    """The clips in their order, in batches of the given `sizes`, read by `workers` processes (0: by this one).

    Yields (B, clips per video, T, size, size, 3) uint8.
    """
    ends = np.cumsum(sizes)
    chunks = [list(range(end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    yield from DataLoader(clips, batch_sampler=chunks, num_workers=workers, pin_memory=torch.cuda.is_available())


def even_sizes(n: int, largest: int) -> list[int]:
    """`n` split into the fewest parts of at most `largest`, equal to within one: no batch norm over a lone clip."""
    return [len(part) for part in np.array_split(np.arange(n), -(-n // largest))]


def random_clips(
    store: FrameStore, video_ids: Sequence[str], architecture: Architecture, n_clips: int, seed: int
) -> Clips:
    """`n_clips` random clips of each video, centre crop (paper 4.2); a function of the seed and the video's id."""
    videos = [
        (video_id, draw_test(seed, video_id, store.n_frames(video_id), architecture.clip_length, n_clips))
        for video_id in video_ids
    ]
    return Clips(store, videos, architecture)


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
