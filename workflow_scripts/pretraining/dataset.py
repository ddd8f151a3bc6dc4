"""The clips of a list of videos in batches, ready for the network.

What a clip is depends on its draw alone, a function of (seed, epoch, video_id), and the order on (seed, epoch) alone;
so any number of loading processes gives the same batches, and an epoch can be entered anywhere.
"""

import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.identity import rng
from workflow_scripts.pretraining.augmentation import Draw, cut_square
from workflow_scripts.pretraining.inputs import Squares, collate, to_input

CLIPS_AT_ONCE = 8  # that one process reads before it hands them on: 22 MB of 16 frames, however large the batch


class DrawnClips(Dataset[list[tuple[np.ndarray, Draw]]]):
    """Item i: the clips that `draw(video_id=..., n_frames=...)` says for `video_ids[i]`, as `collate` takes them.

    `draw` may be pickled (a `functools.partial` of `draw_training`, `draw_test` or `draw_middle`).
    """

    def __init__(
        self, store: FrameStore, video_ids: Sequence[str], clip_length: int, draw: Callable[..., list[Draw]]
    ) -> None:
        self.store, self.video_ids, self.clip_length, self.draw = store, video_ids, clip_length, draw

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: int) -> list[tuple[np.ndarray, Draw]]:
        video_id = self.video_ids[index]
        draws = self.draw(video_id=video_id, n_frames=self.store.n_frames(video_id), clip_length=self.clip_length)
        return [(cut_square(self.store, video_id, draw, self.clip_length), draw) for draw in draws]


def epoch_batches(n_videos: int, batch: int, seed: int, epoch: int) -> list[list[int]]:
    """All videos once, in random order, in batches of nearly equal size, `batch` at most.

    Equal sizes, because a small last batch would have batch statistics of its own; at least two clips in each.
    """
    n_batches = max(1, min(math.ceil(n_videos / batch), n_videos // 2))
    order = rng(seed, "order", epoch).permutation(n_videos)
    return [part.tolist() for part in np.array_split(order, n_batches)]


def consecutive(n_videos: int, batch: int) -> list[list[int]]:
    """All videos in their order, `batch` at a time."""
    return [list(range(start, min(start + batch, n_videos))) for start in range(0, n_videos, batch)]


def load_inputs(
    clips: DrawnClips, batches: Sequence[Sequence[int]], size: int, device: torch.device, workers: int = 0
) -> Iterator[Tensor]:
    """The clips of each batch of indices as the network takes them (`to_input`), those of a video together.

    Beside a GPU, `workers` processes read and cut (0: this one; at most one for each core that this process may use),
    and a batch travels and is resized and recoloured there while the network learns from the one before. On a CPU,
    where the network takes all cores, nothing does.
    """
    if device.type != "cuda":
        yield from (to_input(_join([clips[index] for index in batch]), size) for batch in batches)
        return
    parts = [list(batch[at : at + CLIPS_AT_ONCE]) for batch in batches for at in range(0, len(batch), CLIPS_AT_ONCE)]
    loader = iter(
        DataLoader(
            clips,
            batch_sampler=parts,
            num_workers=min(workers, len(os.sched_getaffinity(0))),
            collate_fn=_join,
            pin_memory=True,
            worker_init_fn=_ignore_signals,
        )
    )
    aside = torch.cuda.Stream(device)
    waiting: tuple[Tensor, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(aside):
            n_parts = math.ceil(len(batch) / CLIPS_AT_ONCE)
            inputs = torch.cat([to_input(next(loader), size, device) for _ in range(n_parts)])
            ready = aside.record_event()
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = inputs, ready
    if waiting is not None:
        yield _arrived(*waiting)


def _join(items: Sequence[list[tuple[np.ndarray, Draw]]]) -> Squares:
    return collate([clip for clips in items for clip in clips])


def _arrived(inputs: Tensor, ready: torch.cuda.Event) -> Tensor:
    """Lets the network's stream wait for a batch that another stream made, and keep it while it is needed."""
    stream = torch.cuda.current_stream(inputs.device)
    stream.wait_event(ready)
    inputs.record_stream(stream)
    return inputs


def _ignore_signals(worker: int) -> None:
    """SLURM, and Ctrl-C, tell every process to stop; the loading ones must live until training has saved its state."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
