"""Videos that the tests of `idt_tools` share."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from written_videos import write_video


def write_square(path: Path, seed: int = 0) -> Path:
    """A textured square crossing a still textured background, 24 frames of 96 x 72 pixels."""
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (72, 96, 3), dtype=np.uint8), (0, 0), 2)
    square = cv2.GaussianBlur(rng.integers(0, 256, (36, 36, 3), dtype=np.uint8), (0, 0), 2)
    pictures = scene[None].repeat(24, axis=0)
    for t, picture in enumerate(pictures):
        picture[18:54, 5 + 2 * t : 41 + 2 * t] = square
    return write_video(path, pictures, bit_rate=4_000_000)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video of a moving square."""
    return write_square(tmp_path_factory.mktemp("video") / "square.mp4")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five videos of moving squares, square_0 to square_4."""
    folder = tmp_path_factory.mktemp("videos")
    return [write_square(folder / f"square_{seed}.mp4", seed) for seed in range(5)]


@pytest.fixture(scope="session")
def reported(shared: Path) -> Path:
    """The folder of videos that users reported."""
    return shared / "videos" / "reported"


@pytest.fixture
def square_boxes() -> np.ndarray:
    """Boxes (24, 6) around the square."""
    return np.array([[t, 3 + 2 * t, 16, 43 + 2 * t, 56, 0.9] for t in range(24)], np.float32)
