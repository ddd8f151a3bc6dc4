"""The clips of an epoch in batches, and the embeddings of whole lists of videos.

What a clip is depends on (seed, epoch, video_id) alone and the order on (seed, epoch) alone, so any number of loading
processes gives the same batches, and an epoch can be entered anywhere.
"""

import math
import signal
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.identity import rng
from workflow_scripts.pretraining.augmentation import Draw, cut_clip, draw_training, to_input
from workflow_scripts.pretraining.settings import PretrainingSettings


class EpochClips(Dataset[tuple[Tensor, int]]):
    """One augmented clip of every video: item i is clip (T, S, S, 3) uint8 RGB of `video_ids[i]`, and i."""

    def __init__(
        self, store: FrameStore, video_ids: Sequence[str], settings: PretrainingSettings, seed: int, epoch: int
    ) -> None:
        self.store, self.video_ids, self.settings = store, video_ids, settings
        self.seed, self.epoch = seed, epoch

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        settings, video_id = self.settings, self.video_ids[index]
        n_frames = self.store.n_frames(video_id)
        draw = draw_training(
            self.seed,
            self.epoch,
            video_id,
            n_frames,
            settings.clip_length,
            color=settings.color,
            scales=settings.scales,
        )
        return torch.from_numpy(cut_clip(self.store, video_id, draw, settings.clip_length, settings.size)), index


def epoch_batches(n_videos: int, batch: int, seed: int, epoch: int) -> list[list[int]]:
    """All videos once, in random order, in batches of nearly equal size, `batch` at most.

    Equal sizes, because a small last batch would have batch statistics of its own; at least two clips in each.
    """
    n_batches = max(1, min(math.ceil(n_videos / batch), n_videos // 2))
    order = rng(seed, "order", epoch).permutation(n_videos)
    return [part.tolist() for part in np.array_split(order, n_batches)]


def load_batches(clips: EpochClips, batches: list[list[int]], workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of clips (B, T, S, S, 3) uint8 and indices (B,) int64, read by `workers` processes (0: this one)."""
    loader = DataLoader(
        clips,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_ignore_sigterm,
    )
    return iter(loader)


def _ignore_sigterm(worker: int) -> None:
    """SLURM tells every process of a job to stop; the loading ones must live until training has saved its state."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@torch.no_grad()
def embed_videos(
    model: nn.Module, store: FrameStore, video_ids: Sequence[str], settings: PretrainingSettings, device: torch.device
) -> Tensor:
    """The model's outputs (n, D) float32 on the CPU for the middle clip of each video, centre crop, as in test."""
    model.eval()
    outputs = []
    for start in range(0, len(video_ids), settings.batch):
        clips = []
        for name in video_ids[start : start + settings.batch]:
            middle = Draw(start=max(store.n_frames(name) - settings.clip_length, 0) // 2)
            clips.append(cut_clip(store, name, middle, settings.clip_length, settings.size))
        outputs.append(model(to_input(torch.from_numpy(np.stack(clips)), device)).float().cpu())
    return torch.cat(outputs)
