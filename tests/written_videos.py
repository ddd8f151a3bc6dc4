"""Videos that tests write."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    codec: str = "mpeg4",
    *,
    pixels: str = "yuv420p",
    bit_rate: int = 0,
    container_format: str | None = None,
    **options: str,
) -> Path:
    """Writes pictures (H, W, 3) uint8 RGB, 25 per second, with libav's `options` of the container and the codec."""
    pictures = list(pictures)
    with av.open(str(path), "w", format=container_format, options=options) as container:
        stream = container.add_stream(codec, rate=25, options=options)  # type: ignore[call-overload]
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        if bit_rate:
            stream.bit_rate = bit_rate
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
