"""What the network is fed: drawn squares resized, flipped and recoloured, a batch at once, on the training device.

Resizing is linear in each direction, so a whole batch of squares of different sizes, flipped or not, is two batched
matrix products: out = rows x columns^T. The weights are those of an antialiased bilinear filter (a triangle that widens
when the picture shrinks: PIL's, which Hara et al. train on).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.pretraining.augmentation import Color, Draw

MEAN = (114.7748, 107.7354, 99.4750)  # RGB of 0..255, as Hara et al.: the one place where it stands
LUMA = (0.299, 0.587, 0.114)  # of RGB, ITU-R 601


class Squares(NamedTuple):
    """A batch of clips as they were cut, and what is to be done with them. B clips of T frames, P the largest side."""

    frames: Tensor  # (B, T, P, P, 3) uint8 RGB; a smaller square fills the top left corner
    sides: Tensor  # (B,) int64
    flips: Tensor  # (B,) bool
    colors: Tensor | None  # (B, 5) float32, the fields of Color; None: no clip's colours change


def collate(clips: Sequence[tuple[np.ndarray, Draw]]) -> Squares:
    """One batch of squares (T, side, side, 3) uint8 RGB with their draws."""
    sides = [square.shape[1] for square, _ in clips]
    frames = torch.zeros(len(clips), len(clips[0][0]), max(sides), max(sides), 3, dtype=torch.uint8)
    for place, (square, _) in zip(frames.numpy(), clips, strict=True):
        place[:, : square.shape[1], : square.shape[2]] = square
    colors = None
    if any(draw.color for _, draw in clips):
        colors = torch.tensor([[float(value) for value in draw.color or Color()] for _, draw in clips])
    return Squares(frames, torch.tensor(sides), torch.tensor([draw.flip for _, draw in clips]), colors)


def to_input(squares: Squares, size: int, device: torch.device | str = "cpu") -> Tensor:
    """The clips as the network takes them: (B, 3, T, size, size) float32 on `device`, 0..255 minus MEAN.

    The same in pretraining, finetuning and test. The result has its channels innermost in memory.
    """
    frames, sides, flips, colors = (None if part is None else part.to(device, non_blocking=True) for part in squares)
    assert frames is not None and sides is not None and flips is not None
    rows = resizing_weights(sides, frames.shape[2], size)  # (B, S, P)
    columns = torch.where(flips[:, None, None], rows.flip(1), rows)
    values = torch.einsum("bthwc,bjw->bthcj", frames.float(), columns)
    values = torch.einsum("bthcj,bih->bctij", values, rows)  # (B, 3, T, S, S)
    if colors is not None:
        values = change_colors(values, colors)
    for channel, mean in enumerate(MEAN):  # no tensor of them: to bring it to a GPU would wait for all before
        values[:, channel] -= mean
    return values.contiguous(memory_format=torch.channels_last_3d)


def resizing_weights(sides: Tensor, width: int, size: int) -> Tensor:
    """Weights (B, size, width) float32 that make `size` pixels of the first `sides` (B,) int64 of `width`."""
    scale = (sides / size)[:, None, None]  # source pixels per output pixel
    centres = (torch.arange(size, device=sides.device)[:, None] + 0.5) * scale  # (B, S, 1)
    pixels = torch.arange(width, device=sides.device) + 0.5  # (P,)
    weights = (1 - (pixels - centres).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * (pixels < sides[:, None, None])
    return weights / weights.sum(dim=2, keepdim=True)


def change_colors(values: Tensor, colors: Tensor) -> Tensor:
    """Clips (B, 3, T, S, S) of 0..255, the colours of each changed alike in all its frames by `colors` (B, 5)."""
    grey, brightness, contrast, saturation, hue = colors.view(len(colors), 5, 1, 1, 1, 1).unbind(1)
    values = torch.where(grey > 0, luma(values), values) * brightness
    middle = luma(values).mean(dim=(2, 3, 4), keepdim=True)
    values = (values - middle) * contrast + middle
    light = luma(values)
    return rotate_hue(((values - light) * saturation + light).clamp(0, 255), hue)


def luma(values: Tensor) -> Tensor:  # (B, 3, ...) -> (B, 1, ...)
    """The brightness of RGB."""
    red, green, blue = values.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def rotate_hue(values: Tensor, hue: Tensor) -> Tensor:
    """RGB (B, 3, ...) with its hue, as HSV has it, moved by `hue` (broadcast), a part of the circle."""
    red, green, blue = values.split(1, dim=1)
    highest = values.amax(dim=1, keepdim=True)
    span = highest - values.amin(dim=1, keepdim=True)
    some = span.clamp(min=1e-6)  # a grey pixel has no hue, and its span of 0 makes it of no account
    sixth = torch.where(
        highest == red,
        (green - blue) / some,
        torch.where(highest == green, (blue - red) / some + 2, (red - green) / some + 4),
    )  # -1..5, sixths of the circle
    places = torch.arange(5.0, 0.0, -2.0, device=values.device)  # 5, 3, 1
    places = places.view(1, 3, *[1] * (values.dim() - 2))
    turned = (places + sixth + 6 * hue) % 6
    return highest - span * torch.minimum(turned, 4 - turned).clamp(0, 1)
