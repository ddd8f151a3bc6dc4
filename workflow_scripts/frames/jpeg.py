"""Frames as JPEG files of which a part can be decoded alone.

JPEG codes a picture in blocks of 16 x 16 pixels, row by row. After a restart marker the decoder knows nothing of the
blocks before, so with a marker after every few blocks, as many in each row, any rectangle of such segments is a JPEG
file of its own: the header with another size, the segments, and their markers counted anew. A small crop of a large
frame then costs little more than its own pixels, and these are the same as in the whole frame.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK = 16  # pixels on a side, with colours at half resolution: OpenCV's default
LEAST_BLOCKS = 4  # in a segment: smaller ones cut more closely, but take more bytes (with one block 13 %) and time
MOST_OF_FRAME = 2 / 3  # that is taken out before it is decoded; of more, the whole is decoded as fast

Square = Callable[[int, int], tuple[int, int, int]]  # height and width of a frame: top, left and side in pixels
Bytes = NDArray[np.uint8]


def encode(rgb: NDArray[np.uint8], quality: int) -> Bytes:
    """The JPEG file of a frame (H, W, 3) uint8, in segments that divide its rows of blocks evenly."""
    n_columns = -(-rgb.shape[1] // BLOCK)
    segment = next((n for n in range(LEAST_BLOCKS, n_columns) if n_columns % n == 0), n_columns)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, segment]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1]


def decode(jpeg: Bytes, square: Square | None = None) -> NDArray[np.uint8] | None:
    """The frame (H, W, 3) uint8 RGB, or its part that `square` names; None where the file is damaged.

    A file without segments, as other programs write them, is decoded whole.
    """
    if square is None:
        return _decode(jpeg)
    layout = _layout(jpeg)
    if layout is None:
        return None
    top, left, side = square(layout.height, layout.width)
    if layout.segment:
        # One pixel more on each side, whose colours the decoder blends into the outermost
        first_row, last_row = max(top - 1, 0) // BLOCK, min(top + side, layout.height - 1) // BLOCK
        across = BLOCK * layout.segment
        first_column, last_column = max(left - 1, 0) // across, min(left + side, layout.width - 1) // across
        pixels = (last_row - first_row + 1) * BLOCK * (last_column - first_column + 1) * across
        if pixels <= MOST_OF_FRAME * layout.height * layout.width:
            part = _part(jpeg, layout, first_row, last_row, first_column, last_column)
            if part is None:
                return None
            jpeg, top, left = part, top - first_row * BLOCK, left - first_column * across
    rgb = _decode(jpeg)
    return None if rgb is None else rgb[top : top + side, left : left + side]


def _decode(jpeg: Bytes) -> NDArray[np.uint8] | None:
    rgb: Any = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)  # None, which its types do not say
    return rgb


class _Layout(NamedTuple):
    """What the header of a JPEG file says, and where."""

    height: int  # pixels
    width: int
    segment: int  # blocks in a segment; 0: there are no markers
    size_at: int  # byte at which height and width stand
    data_at: int  # first byte behind the header


def _layout(jpeg: Bytes) -> _Layout | None:
    header = jpeg[:2048].tobytes()
    at, height, width, segment, size_at = 2, 0, 0, 0, 0
    while at + 4 <= len(header) and header[at] == 0xFF:
        kind, length = header[at + 1], int.from_bytes(header[at + 2 : at + 4])
        if kind == 0xC0:  # the size, behind one byte
            size_at = at + 5
            height, width = (int.from_bytes(header[place : place + 2]) for place in (size_at, size_at + 2))
        elif kind == 0xDD:  # the interval of restart markers
            segment = int.from_bytes(header[at + 4 : at + 6])
        at += 2 + length
        if kind == 0xDA:  # then come the blocks
            return _Layout(height, width, segment, size_at, at) if size_at else None
    return None


def _part(jpeg: Bytes, layout: _Layout, top: int, bottom: int, left: int, right: int) -> Bytes | None:
    """The JPEG file of the rows of segments `top` to `bottom`, and the segments `left` to `right` of each."""
    across = -(-layout.width // (BLOCK * layout.segment))  # segments in a row
    marks = np.flatnonzero(jpeg[layout.data_at : -1] == 0xFF) + layout.data_at
    ends = (marks[jpeg[marks + 1] >= 0xD0] + 2).tolist()  # of segments, behind their markers; coded, 0 follows on 255
    if len(ends) != across * -(-layout.height // BLOCK):
        return None
    ends.append(layout.data_at)  # ends[-1]: where the first segment begins
    content = jpeg.tobytes()
    part = bytearray(content[: layout.data_at])
    number = 0
    for row in range(top, bottom + 1):
        for segment in range(row * across + left, row * across + right + 1):
            part += content[ends[segment - 1] : ends[segment]]
            part[-1] = 0xD0 + number % 8
            number += 1
    part[-1] = 0xD9  # the end of the picture
    across = BLOCK * layout.segment
    height = min((bottom + 1) * BLOCK, layout.height) - top * BLOCK
    width = min((right + 1) * across, layout.width) - left * across
    part[layout.size_at : layout.size_at + 4] = height.to_bytes(2) + width.to_bytes(2)
    return np.frombuffer(part, np.uint8)
