"""Helpers that write and read videos."""

from pathlib import Path

import av
import numpy as np

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
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for t in range(n_frames):
            picture = np.full((height, width, 3), 40, np.uint8)
            picture[10:20, 2 * t : 2 * t + 10] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
