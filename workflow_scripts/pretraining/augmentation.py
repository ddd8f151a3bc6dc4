"""Draws the clip of a video and its augmentation, in training and in test (paper, section 4.2).

Training uses "multi-scale, random spatio-temporal cropping [...] with exactly the same setting as in [14]" (Hara et
al., section 3.3): a random first frame; a square of s times the frame's shorter side, s from 1, 2^-1/4, 2^-1/2, 2^-3/4,
1/2; a resize to the input size; a horizontal flip with probability 0.5; subtraction of the mean. With `crop` random,
the square lies anywhere, as in the paper and the authors' code. With `crop` corner, it lies in the centre or in a
corner, as in [14]. Every draw is a function of (seed, epoch, video_id), so workers and restarts do not change it.

With `color`, a clip turns grey with probability 0.2. Then brightness, contrast and saturation (factors in 0.6..1.4) and
hue (a shift by at most 0.4 of the circle) change, in this order. All frames of a clip change alike. The authors' code
does this; the paper does not mention it.

This module draws. `inputs` applies the draws to whole batches on the training device.
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
    """Changes of a clip's colors. The defaults change nothing."""

    grey: bool = False
    brightness: float = 1.0  # factors
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0  # shift, as a part of the circle


@dataclass(frozen=True)
class Draw:
    """The position of a clip in its video, and its augmentation."""

    start: int  # first frame
    scale: float = 1.0  # side of the square over the frame's shorter side
    position: tuple[float, float] = CENTRE  # top and left, each 0..1 of the range that the square can move in
    flip: bool = False
    color: Color | None = None


def draw_training(
    seed: int,
    epoch: int,
    video_id: str,
    n_frames: int,
    span: int,
    *,
    color: bool = False,
    n_scales: int = len(SCALES),
    crop: str = "random",
) -> list[Draw]:
    """Draws the clip that a video contributes to an epoch.

    Args:
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        video_id: The video.
        n_frames: Frames of the video.
        span: Frames of the video from the first to the last of the clip.
        color: Whether colors change.
        n_scales: Crop scales to draw from, the largest first (1 to 5).
        crop: random or corner.

    Returns:
        One draw, in a list as `DrawnClips` takes it.
    """
    random = rng(seed, "clip", epoch, video_id)
    start = int(random.integers(max(n_frames - span, 0) + 1))
    scale = SCALES[random.integers(n_scales)]
    if crop == "corner":
        position = CENTRE_AND_CORNERS[random.integers(len(CENTRE_AND_CORNERS))]
    else:
        position = float(random.random()), float(random.random())
    flip = bool(random.random() < 0.5)
    color_change = None
    if color:
        grey = bool(random.random() < 0.2)
        brightness, contrast, saturation = random.uniform(0.6, 1.4, 3).tolist()
        color_change = Color(grey, brightness, contrast, saturation, hue=float(random.uniform(-0.4, 0.4)))
    return [Draw(start, scale, position, flip, color_change)]


def draw_test(seed: int, video_id: str, n_frames: int, span: int, n_clips: int) -> list[Draw]:
    """Draws `n_clips` clips with random first frames and the largest centre square (paper, section 4.2)."""
    starts = rng(seed, "test clips", video_id).integers(max(n_frames - span, 0) + 1, size=n_clips)
    return [Draw(start=int(start)) for start in starts]


def draw_even(video_id: str, n_frames: int, span: int, n_clips: int) -> list[Draw]:
    """Places `n_clips` clips evenly over a video, with the largest centre square. One clip lies in the middle."""
    last_start = max(n_frames - span, 0)
    return [Draw(start=last_start * (2 * clip + 1) // (2 * n_clips)) for clip in range(n_clips)]


def draw_middle(video_id: str, n_frames: int, span: int) -> list[Draw]:
    """Places one clip in the middle of a video, with the largest centre square."""
    return [Draw(start=max(n_frames - span, 0) // 2)]


def square(height: int, width: int, scale: float, position: tuple[float, float]) -> tuple[int, int, int]:
    """Top, left and side of a crop in pixels, for a frame of `height` x `width` and a `Draw`'s scale and position."""
    side = int(min(height, width) * scale)
    return int(position[0] * (height - side)), int(position[1] * (width - side)), side


def cut_square(store: FrameStore, video_id: str, draw: Draw, clip_length: int, interval: int = 1) -> np.ndarray:
    """The drawn crop of a video's frames, (clip_length, side, side, 3) uint8 RGB, neither resized nor flipped."""
    drawn = functools.partial(square, scale=draw.scale, position=draw.position)
    return store.read_clip(video_id, draw.start, clip_length, interval=interval, square=drawn)
