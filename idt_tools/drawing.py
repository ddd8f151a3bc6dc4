"""Trajectories drawn on the frames of their video.

A green line shows the path of each trajectory up to the frame, and a red dot its current end. The person mask, which
the estimate of the camera's motion leaves out, is tinted blue and outlined.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from . import columns
from .person_boxes import background_mask
from .tracker import Trajectories

GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (64, 128, 255)  # RGB
TINT = 0.3  # share of blue in the person mask
OPACITY = 0.7  # of the trajectories
END_RADIUS = 16  # 1/16 pixel
FILM_WIDTH = 480  # pixels: smaller frames are enlarged to at least this width, by a whole number
TILE_SIDE = 640  # pixels: the longer side of a frame in a sheet
SHEET_FRAMES, SHEET_COLUMNS = 9, 3
MARGIN, CAPTION = 8, 28  # pixels, around the tiles of a sheet and above each


@dataclass(frozen=True)
class Tracks:
    """The points of a video's trajectories, sorted by end frame."""

    end: np.ndarray
    """(n,) int: frame number of the last point."""
    points: np.ndarray
    """(n, 16, 2) float32: x and y in pixels of the video."""

    @classmethod
    def of(cls, blocks: Iterable[Trajectories]) -> "Tracks":
        """Returns the tracks of the blocks that `stream` yields with `TrackerOptions.record_points`."""
        ends, points = [np.empty(0, int)], [np.empty((0, columns.TRACK_LENGTH + 1, 2), np.float32)]
        for block in blocks:
            if block.points is None:
                raise ValueError("the trajectories hold no points; extract them with record_points")
            ends.append(block.info[:, 0].astype(int))
            points.append(block.points)
        return cls(np.concatenate(ends), np.concatenate(points))

    def until(self, frame: int) -> list[np.ndarray]:
        """Returns the points (m, 2), m = 1 to 16, up to `frame` of each track that passes through that frame."""
        first = np.searchsorted(self.end, frame)
        last = np.searchsorted(self.end, frame + columns.TRACK_LENGTH, side="right")
        n_points = columns.TRACK_LENGTH + 1 + frame - self.end[first:last]
        return [track[:n] for track, n in zip(self.points[first:last], n_points, strict=True)]

    def __len__(self) -> int:
        return len(self.end)


def draw_frame(
    frame: np.ndarray, number: int, tracks: Tracks, boxes: Mapping[int, np.ndarray] | None, zoom: float
) -> np.ndarray:
    """Returns a frame with its person mask and its tracks.

    Args:
        frame: (H, W, 3) uint8 RGB.
        number: the frame's number in the video.
        tracks: the tracks of the video.
        boxes: the result of `boxes_by_frame`.
        zoom: the factor by which the frame is resized first.
    """
    height, width = frame.shape[:2]
    size = round(width * zoom), round(height * zoom)
    picture = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA)
    mask = background_mask(boxes, number, height, width)
    if mask is not None:
        _draw_mask(picture, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) == 0)
    _draw_paths(picture, tracks.until(number), zoom)
    return picture


def _draw_mask(picture: np.ndarray, persons: np.ndarray) -> None:
    """Tints the picture where `persons` (H, W) bool is true, and draws an outline of two pixels just inside."""
    inner = cv2.erode(persons.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    picture[inner] = np.rint((1 - TINT) * picture[inner] + TINT * np.array(BLUE)).astype(np.uint8)
    picture[persons & ~inner] = BLUE


def _draw_paths(picture: np.ndarray, paths: list[np.ndarray], zoom: float) -> None:
    """Draws the lines, then the ends on top. Both are thin, so that the frame shows through many of them."""
    # OpenCV takes coordinates in 1/16 pixel here; pixel centres lie at whole numbers.
    fixed = [np.rint(((path + 0.5) * zoom - 0.5) * 16).astype(np.int32) for path in paths]
    drawn = picture.copy()
    cv2.polylines(drawn, [path.reshape(-1, 1, 2) for path in fixed], False, GREEN, 1, cv2.LINE_AA, 4)
    for path in fixed:
        cv2.circle(drawn, path[-1].tolist(), END_RADIUS, RED, -1, cv2.LINE_AA, 4)
    cv2.addWeighted(drawn, OPACITY, picture, 1 - OPACITY, 0, dst=picture)


def write_film(
    path: Path,
    frames: Iterable[np.ndarray],
    tracks: Tracks,
    boxes: Mapping[int, np.ndarray] | None,
    fps: float,
) -> None:
    """Writes all frames with their tracks as an H.264 video in an MP4 file.

    `boxes` is the result of `boxes_by_frame`, `fps` the frames per second (0: 25). Raises OSError.
    """
    with av.open(str(path), "w", format="mp4") as container:
        rate = Fraction(fps).limit_denominator(1001) if fps else Fraction(25)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        for number, frame in enumerate(frames):
            zoom = max(1, -(-FILM_WIDTH // frame.shape[1]))
            picture = draw_frame(frame, number, tracks, boxes, zoom)
            height, width = (side - side % 2 for side in picture.shape[:2])  # 4:2:0 needs even sides
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            coded = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(coded))
        container.mux(stream.encode())


def write_sheet(
    path: Path,
    frames: Iterable[np.ndarray],
    n_frames: int,
    tracks: Tracks,
    boxes: Mapping[int, np.ndarray] | None,
    title: str,
) -> None:
    """Writes a contact sheet: a PNG of evenly spaced frames with their tracks, each under its number.

    Args:
        path: the PNG to write.
        frames: all frames of the video.
        n_frames: their number.
        tracks: the tracks of the video.
        boxes: the result of `boxes_by_frame`.
        title: one line or more above the frames.

    Raises:
        OSError: if the file cannot be written.
    """
    # The first frames show only short paths, and the last frames few paths: skip half a path at either end.
    half = columns.TRACK_LENGTH // 2
    first = min(half, n_frames - 1)
    last = max(first, n_frames - 1 - half)
    chosen = set(np.linspace(first, last, min(SHEET_FRAMES, last + 1 - first)).round().astype(int).tolist())
    tiles = []
    for number, frame in enumerate(frames):
        if number in chosen:
            picture = draw_frame(frame, number, tracks, boxes, TILE_SIDE / max(frame.shape[:2]))
            framed = _captioned(picture, f"frame {number}")
            tiles.append(_bordered(framed, bottom=MARGIN, right=MARGIN))
    across = min(SHEET_COLUMNS, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    rows = [np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)]
    sheet = _captioned(np.vstack(rows), title)
    _, png = cv2.imencode(".png", _bordered(sheet, top=MARGIN, left=MARGIN)[:, :, ::-1])
    path.write_bytes(png.tobytes())


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """Returns the picture below its caption, dark on white."""
    lines = text.encode("ascii", "replace").decode().splitlines()  # OpenCV draws only ASCII
    captioned = _bordered(picture, top=CAPTION * len(lines))
    for i, line in enumerate(lines):
        place = (0, CAPTION * (i + 1) - 8)
        cv2.putText(captioned, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.65, (32, 32, 32), 1, cv2.LINE_AA)
    return captioned


def _bordered(picture: np.ndarray, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> np.ndarray:
    white = (255, 255, 255)
    return cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=white)
