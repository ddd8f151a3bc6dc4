"""Strokes that the scenes are painted with: noise, color gradients, floors, rectangles and circles."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Color = tuple[float, float, float]


def noise(rng: np.random.Generator, width: int, height: int, cell_x: float, cell_y: float) -> NDArray[np.float32]:
    """Smooth noise (height, width), about -1..1, with lumps of the given size in pixels."""
    grid = rng.standard_normal((max(2, round(height / cell_y)), max(2, round(width / cell_x)))).astype(np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6, np.float32)


def flat(width: int, height: int, top: Color, bottom: Color) -> NDArray[np.float32]:
    """A vertical gradient (height, width, 3) from one color to another."""
    t = np.linspace(0, 1, max(height, 1), dtype=np.float32)[:, None, None]
    run = np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t
    return np.repeat(run, width, axis=1)


def vary(rng: np.random.Generator, color: Color, by: float = 14) -> Color:
    """The color with each channel moved by up to `by`."""
    r, g, b = np.clip(np.array(color) + rng.uniform(-by, by, 3), 0, 255)
    return float(r), float(g), float(b)


def finish(picture: NDArray[np.float32]) -> Picture:
    """Rounded to uint8."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def floor_grid(width: int, height: int, scale: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates (height, width) on a level floor whose first row is near the horizon: sideways and away."""
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.28 * height
    columns = np.arange(width, dtype=np.float32)[None, :] - width / 2
    sideways = columns * (height / rows) / scale
    away = np.broadcast_to(1.1 * height * height / rows / scale, (height, width))
    return sideways.astype(np.float32), away.astype(np.float32)


def box(picture: NDArray[np.float32], x: float, y: float, w: float, h: float, color: Color) -> None:
    """A filled upright rectangle."""
    cv2.rectangle(picture, (round(x), round(y)), (round(x + w), round(y + h)), color, -1, cv2.LINE_AA)


def disc(picture: NDArray[np.float32], x: float, y: float, r: float, color: Color) -> None:
    """A filled circle."""
    cv2.circle(picture, (round(x), round(y)), max(1, round(r)), color, -1, cv2.LINE_AA)
