"""The input of the network: batches of crops, resized, flipped and recolored on the training device.

Resizing is linear in each direction. So two batched matrix products resize and flip a batch of crops of different
sizes. The weights are those of PIL's antialiased bilinear filter, which Hara et al. use: a triangle that is wider
where the image shrinks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.pretraining.augmentation import Color, Draw

MEAN = (114.7748, 107.7354, 99.4750)  # RGB of 0..255, as Hara et al.
LUMA = (0.299, 0.587, 0.114)  # weights of RGB, ITU-R 601


class Squares(NamedTuple):
    """A batch of B cropped clips of T frames each, and their augmentations."""

    frames: Tensor  # (pixels, 3) uint8 RGB: the clips (T, side, side, 3), one after the other
    sides: Tensor  # (B,) int64
    flips: Tensor  # (B,) bool
    colors: Tensor | None  # (B, 5) float32, the fields of Color; None: no colors change


def collate(clips: Sequence[tuple[np.ndarray, Draw]]) -> Squares:
    """The batch of crops (T, side, side, 3) uint8 RGB with their draws."""
    sides = [square.shape[1] for square, _ in clips]
    # Not padded to the largest side, because a loading process spends much of its time on handing over the bytes
    n_pixels = [square.size // 3 for square, _ in clips]
    frames = torch.empty(sum(n_pixels), 3, dtype=torch.uint8)
    for part, (square, _) in zip(frames.split(n_pixels), clips, strict=True):
        part.numpy().reshape(square.shape)[:] = square
    colors = None
    if any(draw.color for _, draw in clips):
        colors = torch.tensor([[float(value) for value in draw.color or Color()] for _, draw in clips])
    return Squares(frames, torch.tensor(sides), torch.tensor([draw.flip for _, draw in clips]), colors)


def to_input(squares: Squares, size: int, device: torch.device | str = "cpu") -> Tensor:
    """The input of the network in pretraining, finetuning and test.

    Args:
        squares: A batch of crops.
        size: Side of the result in pixels.
        device: Device of the result.

    Returns:
        (B, 3, T, size, size) float32, 0..255 minus MEAN, with the channels innermost in memory.
    """
    sides_in_pixels = squares.sides.tolist()  # before the copy to a GPU, because it would synchronise
    frames, sides, flips, colors = (None if part is None else part.to(device, non_blocking=True) for part in squares)
    assert frames is not None and sides is not None and flips is not None
    values = _padded(frames, sides_in_pixels)
    if all(side == size for side in sides_in_pixels):
        values = torch.where(flips[:, None, None, None, None], values.flip(3), values).permute(0, 4, 1, 2, 3)
    else:
        rows = resizing_weights(sides, values.shape[2], size)  # (B, S, P)
        columns = torch.where(flips[:, None, None], rows.flip(1), rows)
        values = torch.einsum("bthwc,bjw->bthcj", values, columns)
        values = torch.einsum("bthcj,bih->bctij", values, rows)  # (B, 3, T, S, S)
    if colors is not None:
        values = change_colors(values, colors)
    for channel, mean in enumerate(MEAN):  # a loop over channels, because copying the means to a GPU would synchronise
        values[:, channel] -= mean
    return values.contiguous(memory_format=torch.channels_last_3d)


def _padded(frames: Tensor, sides: list[int]) -> Tensor:
    """The clips of `Squares.frames` as (B, T, P, P, 3) float32, P the largest side, each in the top left corner."""
    n_frames = len(frames) // sum(side**2 for side in sides)
    padded = frames.new_zeros(len(sides), n_frames, max(sides), max(sides), 3, dtype=torch.float32)
    clips = frames.split([n_frames * side**2 for side in sides])
    for corner, clip, side in zip(padded, clips, sides, strict=True):
        corner[:, :side, :side] = clip.view(n_frames, side, side, 3)
    return padded


def resizing_weights(sides: Tensor, width: int, size: int) -> Tensor:
    """Weights of the resizing filter.

    Args:
        sides: (B,) int64, the pixels of each crop, which come first in its row.
        width: Pixels of a row, with padding.
        size: Pixels of the result.

    Returns:
        (B, size, width) float32, sums of 1 over the last axis.
    """
    scale = (sides / size)[:, None, None]  # source pixels per output pixel
    centres = (torch.arange(size, device=sides.device)[:, None] + 0.5) * scale  # (B, S, 1)
    pixels = torch.arange(width, device=sides.device) + 0.5  # (P,)
    weights = (1 - (pixels - centres).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * (pixels < sides[:, None, None])
    return weights / weights.sum(dim=2, keepdim=True)


def change_colors(values: Tensor, colors: Tensor) -> Tensor:
    """Changes the colors of clips (B, 3, T, S, S) of 0..255 by `colors` (B, 5), alike in all frames of a clip."""
    grey, brightness, contrast, saturation, hue = colors.view(len(colors), 5, 1, 1, 1, 1).unbind(1)
    values = torch.where(grey > 0, luma(values), values) * brightness
    mean = luma(values).mean(dim=(2, 3, 4), keepdim=True)
    values = (values - mean) * contrast + mean
    light = luma(values)
    return rotate_hue(((values - light) * saturation + light).clamp(0, 255), hue)


def luma(values: Tensor) -> Tensor:  # (B, 3, ...) -> (B, 1, ...)
    """The brightness of RGB."""
    red, green, blue = values.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def rotate_hue(values: Tensor, hue: Tensor) -> Tensor:
    """Shifts the hue (of HSV) of RGB (B, 3, ...) by `hue`, a part of the circle, broadcast."""
    red, green, blue = values.split(1, dim=1)
    highest = values.amax(dim=1, keepdim=True)
    span = highest - values.amin(dim=1, keepdim=True)
    divisor = span.clamp(min=1e-6)  # the span of a grey pixel is 0, so that its hue does not count below
    sixth = torch.where(
        highest == red,
        (green - blue) / divisor,
        torch.where(highest == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )  # -1..5, sixths of the circle
    offsets = torch.arange(5.0, 0.0, -2.0, device=values.device)  # 5, 3, 1 for red, green, blue
    offsets = offsets.view(1, 3, *[1] * (values.dim() - 2))
    angle = (offsets + sixth + 6 * hue) % 6
    return highest - span * torch.minimum(angle, 4 - angle).clamp(0, 1)
