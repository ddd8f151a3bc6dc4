"""Encodes frames as JPEG files, and decodes whole files, or a square of all frames of a clip at once.

JPEG codes a picture in blocks of 16 x 16 pixels, row by row. Decoding restarts at a restart marker, independently of
the blocks before it. These files have such a marker after every block. So the blocks of any rectangle can become a JPEG
file: the header with another size, the blocks, and renumbered markers. The time of decoding is then nearly proportional
to the rectangle's area. The pixels equal those of the whole frame.

The rectangles of all frames of a clip become a single file, in which they lie one below the other. One call decodes it.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK = 16  # side in pixels, with colours at half resolution: OpenCV's default
MAX_SIDE = 65500  # pixels, a limit of libjpeg

Square = Callable[[int, int], tuple[int, int, int]]  # (height, width) of a frame to (top, left, side) in pixels
Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


class DamagedFrameError(ValueError):
    """A frame is no JPEG file, or parts of the file are missing. `frame`: its number in the clip."""

    def __init__(self, frame: int) -> None:
        super().__init__(f"frame {frame} of the clip is damaged")
        self.frame = frame


def encode(rgb: NDArray[np.uint8], quality: int) -> Bytes:
    """Returns the JPEG file (bytes,) of a frame (H, W, 3) uint8. Its markers take 3 % of it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, 1]
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1].ravel()


def decode(jpeg: Bytes) -> NDArray[np.uint8] | None:
    """Returns the frame (H, W, 3) uint8 RGB of a JPEG file; None if the file is damaged."""
    if not len(jpeg):
        return None
    rgb: Any = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)  # imdecode may return None, despite its type
    return rgb


def decode_clip(content: Bytes, starts: Offsets, ends: Offsets, square: Square | None = None) -> NDArray[np.uint8]:
    """Decodes frames of the same size.

    Files that other programs wrote are decoded as a whole.

    Args:
        content: The JPEG files, in any order.
        starts: (T,) The offset of each frame's file.
        ends: (T,) The offset of the byte after it.
        square: Returns the part to decode; None: the whole frames.

    Returns:
        (T, H, W, 3) uint8 RGB, or (T, side, side, 3) with `square`.

    Raises:
        DamagedFrameError: A frame is damaged.
    """
    if square is not None and (layout := _common_layout(content, starts, ends)):
        return _decode_squares(content, _segments(content, starts, ends, layout), layout, square)
    frames: list[NDArray[np.uint8]] = []
    for frame, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        rgb = decode(content[start:end])
        if rgb is None or (frames and rgb.shape != frames[0].shape):
            raise DamagedFrameError(frame)
        frames.append(rgb)
    clip = np.stack(frames)
    if square is None:
        return clip
    top, left, side = square(clip.shape[1], clip.shape[2])
    return clip[:, top : top + side, left : left + side]


class _Layout(NamedTuple):
    """The header of a JPEG file with markers, the same number in each row of blocks."""

    height: int  # pixels
    width: int
    segment: int  # blocks up to a marker
    size_at: int  # offset of height and width, in bytes
    header: bytes  # up to the first block

    @property
    def segment_width(self) -> int:
        return BLOCK * self.segment

    @property
    def n_rows(self) -> int:
        return -(-self.height // BLOCK)

    @property
    def n_columns(self) -> int:  # segments per row of blocks
        return -(-self.width // self.segment_width)


class _Segments(NamedTuple):
    """Where the segments of a clip begin and end in its bytes, (T, rows, columns) each. Each ends with its marker."""

    begins: Offsets
    ends: Offsets


def _common_layout(content: Bytes, starts: Offsets, ends: Offsets) -> _Layout | None:
    """Returns the layout of all frames; None if it is another layout, or if the headers of the frames differ."""
    layout = _layout(content[starts[0] : ends[0]])
    if layout is None or (starts + len(layout.header) > ends).any():
        return None
    headers = content[starts[:, None] + np.arange(len(layout.header))]
    return layout if (headers == headers[0]).all() else None


def _layout(jpeg: Bytes) -> _Layout | None:
    header = jpeg[:2048].tobytes()
    offset, height, width, segment, size_at = 2, 0, 0, 0, 0
    while offset + 4 <= len(header) and header[offset] == 0xFF:
        marker, length = header[offset + 1], int.from_bytes(header[offset + 2 : offset + 4])
        # SOF0: the size follows one byte. The blocks have 16 x 16 pixels only with colours at half resolution.
        if marker == 0xC0 and header[offset + 11 : offset + 18 : 3] == b"\x22\x11\x11":
            size_at = offset + 5
            height, width = (int.from_bytes(header[start : start + 2]) for start in (size_at, size_at + 2))
        elif marker == 0xDD:  # DRI: the interval of restart markers
            segment = int.from_bytes(header[offset + 4 : offset + 6])
        offset += 2 + length
        if marker == 0xDA:  # SOS: the blocks follow
            fits = size_at and segment and -(-width // BLOCK) % segment == 0
            return _Layout(height, width, segment, size_at, header[:offset]) if fits else None
    return None


def _segments(content: Bytes, starts: Offsets, ends: Offsets, layout: _Layout) -> _Segments:
    """Finds the segments of each frame. Raises DamagedFrameError if a frame has not as many as its header says."""
    escapes = np.flatnonzero(content[:-1] == 0xFF)
    codes = content[escapes + 1]
    after_markers = escapes[(codes > 0) & (codes < 0xFF)] + 2  # coded data has 0 after 255
    data_starts = starts + len(layout.header)
    first, last = np.searchsorted(after_markers, [data_starts, ends], side="right")
    n_segments = layout.n_rows * layout.n_columns
    if (damaged := last - first != n_segments).any():
        raise DamagedFrameError(int(damaged.argmax()))
    segment_ends = after_markers[first[:, None] + np.arange(n_segments)]
    begins = np.column_stack([data_starts, segment_ends[:, :-1]])
    shape = len(starts), layout.n_rows, layout.n_columns
    return _Segments(begins.reshape(shape), segment_ends.reshape(shape))


def _decode_squares(content: Bytes, segments: _Segments, layout: _Layout, square: Square) -> NDArray[np.uint8]:
    top, left, side = square(layout.height, layout.width)
    # One pixel more on each side, because the decoder blends its colours into the outermost pixels. A part has at least
    # 5 columns, because the decoder does not blend those of a narrower picture.
    rows = slice(max(top - 1, 0) // BLOCK, min(top + side, layout.height - 1) // BLOCK + 1)
    first_column = max(min(left - 1, layout.width - 5), 0) // layout.segment_width
    columns = slice(first_column, min(left + side, layout.width - 1) // layout.segment_width + 1)
    first_row, first_pixel = rows.start * BLOCK, first_column * layout.segment_width
    height = (rows.stop - rows.start) * BLOCK
    # A pixel less than the blocks: libjpeg-turbo writes rows of 32 n bytes past the cache, which takes a third longer
    end = layout.width if columns.stop == layout.n_columns else columns.stop * layout.segment_width - 1
    width = end - first_pixel
    part = _Segments(segments.begins[:, rows, columns], segments.ends[:, rows, columns])
    inside = np.s_[..., top - first_row : top - first_row + side, left - first_pixel : left - first_pixel + side, :]
    n_frames = len(part.begins)
    # The outermost rows of a frame blend with themselves. Below another frame they would blend with that.
    if top > 0 and top + side < layout.height and n_frames * height <= MAX_SIDE:
        (file,) = _join(content, part, layout, n_frames * height, width, n_files=1)
        rgb = decode(file)
        if rgb is None:
            raise DamagedFrameError(0)  # its header, which all frames share; a damaged block gives another picture
        return rgb.reshape(n_frames, height, width, 3)[inside]
    clip = np.empty((n_frames, side, side, 3), np.uint8)
    height = min(height, layout.height - first_row)
    for frame, file in enumerate(_join(content, part, layout, height, width, n_files=n_frames)):
        rgb = decode(file)
        if rgb is None:
            raise DamagedFrameError(frame)
        clip[frame] = rgb[inside]
    return clip


def _join(
    content: Bytes, segments: _Segments, layout: _Layout, height: int, width: int, n_files: int
) -> Iterator[Bytes]:
    """Yields JPEG files of `height` x `width` pixels that consist of some segments, with as many in each file."""
    header = bytearray(layout.header)
    header[layout.size_at : layout.size_at + 4] = height.to_bytes(2) + width.to_bytes(2)
    # A row is contiguous in `content`.
    begins, ends = segments.begins[..., 0].reshape(n_files, -1), segments.ends[..., -1].reshape(n_files, -1)
    data = content.data
    pieces: list[bytearray | memoryview] = []
    for first, last in zip(begins.tolist(), ends.tolist(), strict=True):
        pieces.append(header)
        pieces += [data[begin:end] for begin, end in zip(first, last, strict=True)]
    files = np.frombuffer(bytearray().join(pieces), np.uint8)
    lengths = (segments.ends - segments.begins).reshape(n_files, -1)
    lengths[:, 0] += len(header)
    markers = np.cumsum(lengths).reshape(lengths.shape) - 1
    codes = 0xD0 + np.arange(lengths.shape[1]) % 8
    codes[-1] = 0xD9  # EOI: the end of the picture
    files[markers] = codes
    start = 0
    for end in (markers[:, -1] + 1).tolist():
        yield files[start:end]
        start = end
