"""Encodes frames as JPEG files, and decodes whole files or parts of them.

JPEG codes a picture in blocks of 16 x 16 pixels, row by row. Decoding restarts at a restart marker, independently of
the blocks before it. These files have a marker after every few blocks, the same number per row. Any rectangle of
such segments can therefore become a JPEG file: the header with another size, the segments, and renumbered markers. The
time of decoding a crop is then nearly proportional to its pixels, which equal those of the whole frame.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK = 16  # side in pixels, with colours at half resolution: OpenCV's default
MIN_SEGMENT_BLOCKS = 4  # smaller segments fit a crop more closely, but take more time and bytes (one block: 13 %)
MAX_CUT_FRACTION = 2 / 3  # fraction of a frame; decoding a larger part is not faster than decoding the whole frame

Square = Callable[[int, int], tuple[int, int, int]]  # (height, width) of a frame to (top, left, side) in pixels
Bytes = NDArray[np.uint8]


def encode(rgb: NDArray[np.uint8], quality: int) -> Bytes:
    """Returns the JPEG file of a frame (H, W, 3) uint8, with the same number of segments per row of blocks."""
    n_columns = -(-rgb.shape[1] // BLOCK)
    segment = next((n for n in range(MIN_SEGMENT_BLOCKS, n_columns) if n_columns % n == 0), n_columns)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, segment]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1]


def decode(jpeg: Bytes, square: Square | None = None) -> NDArray[np.uint8] | None:
    """Returns the frame (H, W, 3) uint8 RGB, or the part that `square` returns; None if the file is damaged.

    A file without segments, as other programs write it, is decoded as a whole.
    """
    if square is None:
        return _decode(jpeg)
    layout = _layout(jpeg)
    if layout is None:
        return None
    top, left, side = square(layout.height, layout.width)
    if layout.segment:
        # One pixel more on each side, because the decoder blends its colours into the outermost pixels
        first_row, last_row = max(top - 1, 0) // BLOCK, min(top + side, layout.height - 1) // BLOCK
        segment_width = BLOCK * layout.segment
        first_column = max(left - 1, 0) // segment_width
        last_column = min(left + side, layout.width - 1) // segment_width
        pixels = (last_row - first_row + 1) * BLOCK * (last_column - first_column + 1) * segment_width
        if pixels <= MAX_CUT_FRACTION * layout.height * layout.width:
            part = _part(jpeg, layout, first_row, last_row, first_column, last_column)
            if part is None:
                return None
            jpeg, top, left = part, top - first_row * BLOCK, left - first_column * segment_width
    rgb = _decode(jpeg)
    return None if rgb is None else rgb[top : top + side, left : left + side]


def _decode(jpeg: Bytes) -> NDArray[np.uint8] | None:
    rgb: Any = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)  # imdecode may return None, despite its type
    return rgb


class _Layout(NamedTuple):
    """The header of a JPEG file."""

    height: int  # pixels
    width: int
    segment: int  # blocks per segment; 0 without markers
    size_at: int  # offset of height and width, in bytes
    data_at: int  # offset of the first byte after the header


def _layout(jpeg: Bytes) -> _Layout | None:
    header = jpeg[:2048].tobytes()
    offset, height, width, segment, size_at = 2, 0, 0, 0, 0
    while offset + 4 <= len(header) and header[offset] == 0xFF:
        marker, length = header[offset + 1], int.from_bytes(header[offset + 2 : offset + 4])
        if marker == 0xC0:  # SOF0: the size follows one byte
            size_at = offset + 5
            height, width = (int.from_bytes(header[start : start + 2]) for start in (size_at, size_at + 2))
        elif marker == 0xDD:  # DRI: the interval of restart markers
            segment = int.from_bytes(header[offset + 4 : offset + 6])
        offset += 2 + length
        if marker == 0xDA:  # SOS: the blocks follow
            return _Layout(height, width, segment, size_at, offset) if size_at else None
    return None


def _part(jpeg: Bytes, layout: _Layout, top: int, bottom: int, left: int, right: int) -> Bytes | None:
    """Returns the JPEG file of rows `top` to `bottom` and segments `left` to `right` of each row; None if damaged."""
    n_columns = -(-layout.width // (BLOCK * layout.segment))
    escapes = np.flatnonzero(jpeg[layout.data_at : -1] == 0xFF) + layout.data_at
    ends = (escapes[jpeg[escapes + 1] >= 0xD0] + 2).tolist()  # after each marker; coded data has 0 after 255
    if len(ends) != n_columns * -(-layout.height // BLOCK):
        return None
    ends.append(layout.data_at)  # ends[-1] is the start of the first segment
    content = jpeg.tobytes()
    part = bytearray(content[: layout.data_at])
    number = 0
    for row in range(top, bottom + 1):
        for segment in range(row * n_columns + left, row * n_columns + right + 1):
            part += content[ends[segment - 1] : ends[segment]]
            part[-1] = 0xD0 + number % 8
            number += 1
    part[-1] = 0xD9  # EOI: the end of the picture
    segment_width = BLOCK * layout.segment
    height = min((bottom + 1) * BLOCK, layout.height) - top * BLOCK
    width = min((right + 1) * segment_width, layout.width) - left * segment_width
    part[layout.size_at : layout.size_at + 4] = height.to_bytes(2) + width.to_bytes(2)
    return np.frombuffer(part, np.uint8)
