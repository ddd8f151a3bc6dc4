"""How a clip is cut from a video, in training and in test, and what the network is fed (paper, section 4.2).

Training, "with exactly the same setting as in [14]" (Hara et al., section 3.3): a random temporal position; a square of
s times the frame's shorter side, s from 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2, in the centre or one of four corners, resized
to the input size; flipped left to right with probability one half; then the mean is subtracted. Every draw is a
function of (seed, epoch, video_id), so it depends on no worker, no order and no restart.

With `color`, as in the authors' code though not in the paper, a clip turns grey with probability 0.2, and brightness,
contrast and saturation (factors in 0.6..1.4) and hue (shifted by at most 0.4 of the circle) change, in this fixed
order and alike in all its frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from workflow_scripts.frames.clips import FrameStore, resize
from workflow_scripts.identity import rng

MEAN = (114.7748, 107.7354, 99.4750)  # RGB of 0..255, as Hara et al.: the one place where it stands
SCALES = tuple(2 ** (-step / 4) for step in range(5))
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of RGB, ITU-R 601
POSITIONS = ("centre", "top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class Color:
    """One change of a clip's colours."""

    grey: bool
    brightness: float  # factors, 1 = unchanged
    contrast: float
    saturation: float
    hue: float  # part of the circle, 0 = unchanged


@dataclass(frozen=True)
class Draw:
    """Where one clip lies in its video and how it is changed."""

    start: int  # first frame
    scale: float = 1.0  # side of the square over the frame's shorter side
    position: str = "centre"
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
    scales: int = len(SCALES),
) -> Draw:
    """The clip that a video contributes to an epoch, its size drawn from the `scales` largest of SCALES."""
    random = rng(seed, "clip", epoch, video_id)
    draw = Draw(
        start=int(random.integers(max(n_frames - clip_length, 0) + 1)),
        scale=SCALES[random.integers(scales)],
        position=POSITIONS[random.integers(len(POSITIONS))],
        flip=bool(random.random() < 0.5),
    )
    if not color:
        return draw
    grey = bool(random.random() < 0.2)
    brightness, contrast, saturation = random.uniform(0.6, 1.4, 3).tolist()
    hue = float(random.uniform(-0.4, 0.4))
    return Draw(draw.start, draw.scale, draw.position, draw.flip, Color(grey, brightness, contrast, saturation, hue))


def draw_test(seed: int, video_id: str, n_frames: int, clip_length: int, n_clips: int) -> list[Draw]:
    """Clips at `n_clips` random temporal positions, each the largest centre square (paper, section 4.2)."""
    starts = rng(seed, "test clips", video_id).integers(max(n_frames - clip_length, 0) + 1, size=n_clips)
    return [Draw(start=int(start)) for start in starts]


def square(height: int, width: int, scale: float, position: str) -> tuple[int, int, int]:
    """Top, left and side in pixels of the square a draw stands for."""
    side = int(min(height, width) * scale)
    if position == "centre":
        return (height - side) // 2, (width - side) // 2, side
    vertical, horizontal = position.split()
    return (0 if vertical == "top" else height - side), (0 if horizontal == "left" else width - side), side


def change_color(clip: np.ndarray, color: Color) -> np.ndarray:
    """The clip (T, H, W, 3) uint8 RGB with its colours changed alike in every frame."""
    frames = clip.reshape(1, -1, 3)  # one image of all pixels: what follows acts on each, or on their mean
    if color.grey:
        frames = cv2.cvtColor(cv2.cvtColor(frames, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    values = frames.astype(np.float32) * color.brightness
    grey = values @ LUMA  # (1, n)
    values = (values - grey.mean()) * color.contrast + grey.mean()
    grey = values @ LUMA
    values = np.clip((values - grey[..., None]) * color.saturation + grey[..., None], 0, 255)
    hsv = cv2.cvtColor(values / 255, cv2.COLOR_RGB2HSV)  # hue 0..360
    hsv[..., 0] = (hsv[..., 0] + 360 * color.hue) % 360
    return np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8).reshape(clip.shape)


def cut_clip(store: FrameStore, video_id: str, draw: Draw, clip_length: int, size: int) -> np.ndarray:
    """The drawn clip of a video as (clip_length, size, size, 3) uint8 RGB."""
    frames = store.read_clip(video_id, draw.start, clip_length)
    top, left, side = square(frames.shape[1], frames.shape[2], draw.scale, draw.position)
    frames = frames[:, top : top + side, left : left + side]
    if draw.flip:
        frames = frames[:, :, ::-1]
    clip = np.stack([resize(frame, size, size) for frame in frames])
    return clip if draw.color is None else change_color(clip, draw.color)


def to_input(clips: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Clips (B, T, H, W, 3) uint8 as the network takes them: (B, 3, T, H, W) float32 on `device`, 0..255 minus MEAN.

    The same in pretraining, finetuning and test. The result keeps the channels innermost in memory.
    """
    values = clips.to(device, non_blocking=True).float() - torch.tensor(MEAN, device=device)
    return values.permute(0, 4, 1, 2, 3)
