"""Batches of clips for the network.

A clip depends only on its draw, a function of (seed, epoch, video_id). The order of the videos depends only on
(seed, epoch). So any number of loading processes gives the same batches, and training can resume at any step.
"""

import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from idt_tools.read_ahead import read_ahead
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.identity import rng
from workflow_scripts.pretraining.augmentation import Draw, cut_square
from workflow_scripts.pretraining.inputs import Squares, collate, to_input

CLIPS_AT_ONCE = 8  # per item of a loading process, 22 MB of 16 frames: bounds its memory for any batch size


def clip_span(clip_length: int, frame_interval: int) -> int:
    """The frames of a video from the first to the last of a clip."""
    return (clip_length - 1) * frame_interval + 1


class DrawnClips(Dataset[list[tuple[np.ndarray, Draw]]]):
    """Item i: the clips of `video_ids[i]` from `draw(video_id=..., n_frames=..., span=...)`.

    Args:
        store: The frames.
        video_ids: The videos.
        clip_length: Frames per clip.
        draw: Draws the clips of a video. It must be picklable, such as a `functools.partial` of `draw_training`.
        frame_interval: Frames from one frame of a clip to the next.
    """

    def __init__(
        self,
        store: FrameStore,
        video_ids: Sequence[str],
        clip_length: int,
        draw: Callable[..., list[Draw]],
        frame_interval: int = 1,
    ) -> None:
        self.store, self.video_ids, self.clip_length, self.draw = store, video_ids, clip_length, draw
        self.frame_interval = frame_interval
        self.span = clip_span(clip_length, frame_interval)

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> list[tuple[np.ndarray, Draw]]:
        video_id = self.video_ids[index]
        draws = self.draw(video_id=video_id, n_frames=self.store.n_frames(video_id), span=self.span)
        return [(cut_square(self.store, video_id, draw, self.clip_length, self.frame_interval), draw) for draw in draws]


def epoch_batches(n_videos: int, batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of the indices of all videos, in random order.

    Sizes differ by at most one, because batch norm's statistics would be worse in a small last batch. Batches have at
    least two clips for the same reason, and at most `batch` or 3.
    """
    n_batches = max(1, min(math.ceil(n_videos / batch), n_videos // 2))
    order = rng(seed, "order", epoch).permutation(n_videos)
    return [part.tolist() for part in np.array_split(order, n_batches)]


def consecutive(n_videos: int, batch: int) -> list[list[int]]:
    """Batches of the indices of all videos, in their order."""
    return [list(range(start, min(start + batch, n_videos))) for start in range(0, n_videos, batch)]


def load_inputs(
    clips: DrawnClips, batches: Sequence[Sequence[int]], size: int, device: torch.device, workers: int = 0
) -> Iterator[Tensor]:
    """Yields the input of the network for each batch (`to_input`). Clips of a video are consecutive.

    The next batch is made while the network learns from the current one: on a GPU, processes decode it and the GPU
    resizes and recolors it; on a CPU, a thread does all this.

    Args:
        clips: The clips of all videos.
        batches: Indices of videos.
        size: Side of the input in pixels.
        device: Where the network computes.
        workers: Processes that decode and crop for a GPU, at most one per available core; 0 for this process.
    """
    if device.type != "cuda":
        made = (to_input(_collate_videos([clips[index] for index in batch]), size) for batch in batches)
        yield from read_ahead(made, n_ahead=1)
        return
    parts = [list(batch[at : at + CLIPS_AT_ONCE]) for batch in batches for at in range(0, len(batch), CLIPS_AT_ONCE)]
    loader = iter(
        DataLoader(
            clips,
            batch_sampler=parts,
            num_workers=min(workers, len(os.sched_getaffinity(0))),
            collate_fn=_collate_videos,
            pin_memory=True,
            worker_init_fn=_ignore_signals,
        )
    )
    input_stream = torch.cuda.Stream(device)
    pending: tuple[Tensor, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(input_stream):
            n_parts = math.ceil(len(batch) / CLIPS_AT_ONCE)
            inputs = torch.cat([to_input(next(loader), size, device) for _ in range(n_parts)])
            ready = input_stream.record_event()
        if pending is not None:
            yield _hand_over(*pending)
        pending = inputs, ready
    if pending is not None:
        yield _hand_over(*pending)


def _collate_videos(items: Sequence[list[tuple[np.ndarray, Draw]]]) -> Squares:
    return collate([clip for clips in items for clip in clips])


def _hand_over(inputs: Tensor, ready: torch.cuda.Event) -> Tensor:
    """Makes the network's stream wait for a batch of another stream, whose memory is not reused before it is read."""
    stream = torch.cuda.current_stream(inputs.device)
    stream.wait_event(ready)
    inputs.record_stream(stream)
    return inputs


def _ignore_signals(worker: int) -> None:
    """SLURM and Ctrl-C signal every process, but loading processes must live until training has saved a checkpoint."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
