"""Measurements of time and memory, and a textured image, for the benchmarks."""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call of `work`."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_memory() -> float:
    """The peak memory of this process in MiB. (A child inherits getrusage's from its parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def textured_image(draw: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A random image (height, width, 3) float32 of 10..245 with structure at four scales."""
    image = np.zeros((height, width, 3), np.float32)
    for side in (4, 16, 64, 256):
        image += cv2.resize(draw.normal(size=(side, side, 3)).astype(np.float32), (width, height)) / side**0.5
    return cv2.normalize(image, image, 10, 245, cv2.NORM_MINMAX)
