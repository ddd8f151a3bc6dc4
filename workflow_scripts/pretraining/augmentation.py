"""Which clip is cut from a video, and how it is changed, in training and in test (paper, section 4.2).

Training, "multi-scale, random spatio-temporal cropping [...] with exactly the same setting as in [14]" (Hara et al.,
section 3.3): a random temporal position; a square of s times the frame's shorter side, s from 1, 2^-1/4, 2^-1/2,
2^-3/4, 1/2; resized to the input size; flipped left to right with probability one half; then the mean is subtracted.
The square lies anywhere (`crop` random: the paper's words and the authors' code), or in the centre or one of the four
corners (`crop` corner: what [14] describes). Every draw is a function of (seed, epoch, video_id), so it depends on no
worker, no order and no restart.

With `color`, as in the authors' code though not in the paper, a clip turns grey with probability 0.2, and brightness,
contrast and saturation (factors in 0.6..1.4) and hue (shifted by at most 0.4 of the circle) change, in this fixed
order and alike in all its frames.

Here lies what is drawn; `inputs` does it to whole batches, on the training device.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.identity import rng

SCALES = tuple(2 ** (-step / 4) for step in range(5))
CENTRE = (0.5, 0.5)
CENTRE_AND_CORNERS = (CENTRE, (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


class Color(NamedTuple):
    """One change of a clip's colours; the defaults change nothing."""

    grey: bool = False
    brightness: float = 1.0  # factors
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0  # part of the circle


@dataclass(frozen=True)
class Draw:
    """Where one clip lies in its video and how it is changed."""

    start: int  # first frame
    scale: float = 1.0  # side of the square over the frame's shorter side
    position: tuple[float, float] = CENTRE  # from the top and from the left, 0..1 of the room that the square leaves
    flip: bool = False
    color: Color | None = None


def draw_training(
    seed: int,
    epoch: int,
    video_id: str,
    n_frames: int,
    clip_length: int,
    *,
    color: bool = False,
    n_scales: int = len(SCALES),
    crop: str = "random",
) -> list[Draw]:
    """The one clip that a video contributes to an epoch, its size drawn from the `n_scales` largest of SCALES.

    `crop` says where the square may lie: random (anywhere) or corner (in the centre or a corner).
    """
    random = rng(seed, "clip", epoch, video_id)
    start = int(random.integers(max(n_frames - clip_length, 0) + 1))
    scale = SCALES[random.integers(n_scales)]
    if crop == "corner":
        position = CENTRE_AND_CORNERS[random.integers(len(CENTRE_AND_CORNERS))]
    else:
        position = float(random.random()), float(random.random())
    flip = bool(random.random() < 0.5)
    change = None
    if color:
        grey = bool(random.random() < 0.2)
        brightness, contrast, saturation = random.uniform(0.6, 1.4, 3).tolist()
        change = Color(grey, brightness, contrast, saturation, hue=float(random.uniform(-0.4, 0.4)))
    return [Draw(start, scale, position, flip, change)]


def draw_test(seed: int, video_id: str, n_frames: int, clip_length: int, n_clips: int) -> list[Draw]:
    """Clips at `n_clips` random temporal positions, each the largest centre square (paper, section 4.2)."""
    starts = rng(seed, "test clips", video_id).integers(max(n_frames - clip_length, 0) + 1, size=n_clips)
    return [Draw(start=int(start)) for start in starts]


def draw_even(video_id: str, n_frames: int, clip_length: int, n_clips: int) -> list[Draw]:
    """`n_clips` clips evenly over a video, a single one in its middle, each the largest centre square."""
    room = max(n_frames - clip_length, 0)
    return [Draw(start=room * (2 * clip + 1) // (2 * n_clips)) for clip in range(n_clips)]


def draw_middle(video_id: str, n_frames: int, clip_length: int) -> list[Draw]:
    """The one clip in the middle of a video, the largest centre square."""
    return [Draw(start=max(n_frames - clip_length, 0) // 2)]


def square(height: int, width: int, scale: float, position: tuple[float, float]) -> tuple[int, int, int]:
    """Top, left and side in pixels of the square a draw stands for."""
    side = int(min(height, width) * scale)
    return int(position[0] * (height - side)), int(position[1] * (width - side)), side


def cut_square(store: FrameStore, video_id: str, draw: Draw, clip_length: int) -> np.ndarray:
    """The drawn square of a video's stored frames, (clip_length, side, side, 3) uint8 RGB, not yet changed."""
    drawn = functools.partial(square, scale=draw.scale, position=draw.position)
    return store.read_clip(video_id, draw.start, clip_length, square=drawn)
