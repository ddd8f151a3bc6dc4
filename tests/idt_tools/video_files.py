"""Helpers that write and read videos."""

from pathlib import Path

import numpy as np
from written_videos import write_video

import idt_tools
from idt_tools import VideoError


def read(path: Path, **limits: float) -> tuple[list[np.ndarray], str]:
    """Returns the decoded frames and the status, "ok" or that of the VideoError."""
    frames = []
    try:
        for frame in idt_tools.read_video(path, **limits):  # type: ignore[arg-type]
            frames.append(frame)
    except VideoError as error:
        return frames, error.status
    return frames, "ok"


def write(
    path: Path, n_frames: int = 20, width: int = 64, height: int = 48, codec: str = "mpeg4", **options: str
) -> Path:
    """Writes a video of a bright square that moves to the right, at 25 frames per second."""
    pictures = np.full((n_frames, height, width, 3), 40, np.uint8)
    for t, picture in enumerate(pictures):
        picture[10:20, 2 * t : 2 * t + 10] = 220
    return write_video(path, pictures, codec, pixels="yuvj420p" if codec == "mjpeg" else "yuv420p", **options)
