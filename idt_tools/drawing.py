"""Trajectories drawn on the frames of their video: a green line as far as each has come, its end red.

Only the trajectories that `extract` returns are drawn, from their first frame to their last.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from . import columns
from .tracker import Trajectories

GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (64, 128, 255)  # RGB
SMALLEST_WIDTH = 480  # pixels: smaller frames are drawn enlarged
SHEET_FRAMES, SHEET_COLUMNS = 12, 4


def draw_frames(
    frames: Iterable[np.ndarray], found: Trajectories, boxes: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield each frame (H, W, 3) uint8 RGB with the trajectories that pass through it and its person boxes, enlarged.

    `found` must hold the points (`TrackerOptions.record_points`).
    """
    if found.points is None:
        raise ValueError("the trajectories hold no points; extract them with record_points")
    end = found.info[:, 0].astype(int)
    for number, frame in enumerate(frames):
        zoom = max(1, -(-SMALLEST_WIDTH // frame.shape[1]))
        picture = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
        for _, x1, y1, x2, y2, *_ in boxes[boxes[:, 0] == number] if boxes is not None else ():
            corners = (np.array([[x1, y1], [x2, y2]]) * zoom).round().astype(int).tolist()
            cv2.rectangle(picture, corners[0], corners[1], BLUE, 1, cv2.LINE_AA)
        passing = np.flatnonzero((end >= number) & (end - columns.TRACK_LENGTH <= number))
        so_far = columns.TRACK_LENGTH + number - end[passing]
        paths = [found.points[row, : last + 1] for row, last in zip(passing, so_far, strict=True)]
        _draw_paths(picture, paths, zoom)
        yield picture


def _draw_paths(picture: np.ndarray, paths: list[np.ndarray], zoom: int) -> None:
    """Lines first, ends on top; coordinates in 1/16 pixel, pixel centres at whole numbers."""
    fixed = [np.rint(((path + 0.5) * zoom - 0.5) * 16).astype(np.int32) for path in paths]
    cv2.polylines(picture, [path.reshape(-1, 1, 2) for path in fixed], False, GREEN, 1, cv2.LINE_AA, 4)
    for path in fixed:
        cv2.circle(picture, path[-1].tolist(), 16 * zoom // 2 + 8, RED, -1, cv2.LINE_AA, 4)


def write_film(path: Path, pictures: Iterable[np.ndarray], fps: float) -> None:
    """Write pictures (H, W, 3) uint8 RGB as an H.264 video."""
    with av.open(str(path), "w") as container:
        rate = Fraction(fps).limit_denominator(1001) if fps else Fraction(25)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        for number, picture in enumerate(pictures):
            height, width = (side - side % 2 for side in picture.shape[:2])  # 4:2:0 needs even sides
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_sheet(path: Path, pictures: Iterable[np.ndarray], n_pictures: int) -> None:
    """Write a contact sheet, a PNG of some pictures evenly spaced over `n_pictures`, numbered in the corner."""
    first = min(columns.TRACK_LENGTH, n_pictures - 1)
    chosen = set(np.linspace(first, n_pictures - 1, min(SHEET_FRAMES, n_pictures - first)).round().astype(int).tolist())
    tiles = []
    for number, picture in enumerate(pictures):
        if number in chosen:
            cv2.putText(picture, f"{number}", (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(picture, f"{number}", (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
            tiles.append(picture)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % min(SHEET_COLUMNS, len(tiles)))
    across = min(SHEET_COLUMNS, len(tiles))
    sheet = np.vstack([np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)])
    if not cv2.imwrite(str(path), sheet[:, :, ::-1]):
        raise OSError(f"{path} could not be written")
