"""The tracker, with one exception (a status and a reason) for every failure of a video."""

from collections.abc import Iterable, Iterator

import numpy as np

from .columns import TRACK_LENGTH
from .tracker import MIN_SIDE, CountedFrames, Trajectories, stream
from .video import VideoError

MIN_FRAMES = TRACK_LENGTH + 1


class Undescribed(Exception):
    """A video has no usable trajectories. `status` is one word, `reason` one sentence."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


def check_size(width: int, height: int, note: str = "") -> None:
    """Raises Undescribed if frames of this size are too small to track; `note` says where the size comes from."""
    if min(width, height) < MIN_SIDE:
        raise Undescribed("too_small", f"{width}x{height} pixels{note}; the tracker needs {MIN_SIDE} on each side")


def track(frames: Iterable[np.ndarray], boxes: np.ndarray | None = None) -> Iterator[Trajectories]:
    """Yields the blocks of `tracker.stream`. Raises Undescribed if the video is at fault, perhaps after some blocks."""
    counted = CountedFrames(frames)
    try:
        yield from stream(counted, boxes)
    except VideoError as error:
        raise Undescribed(error.status, error.reason) from error
    except ValueError as error:  # the tracker refuses a frame, for example because the size changes
        raise Undescribed("corrupted", str(error)) from error
    if counted.n_frames < MIN_FRAMES:
        raise Undescribed("too_short", f"{counted.n_frames} frames; a trajectory needs {MIN_FRAMES}")


def checked(blocks: Iterable[Trajectories]) -> Iterator[Trajectories]:
    """Yields the blocks of a video. Raises Undescribed if a descriptor is not finite or if there is no trajectory."""
    n_rows = 0
    for block in blocks:
        if not np.isfinite(block.descriptors).all():
            raise Undescribed("not_finite", "a descriptor is not a finite number")
        n_rows += len(block)
        yield block
    if not n_rows:
        raise Undescribed("no_trajectories", "the video shows no motion or no texture")
