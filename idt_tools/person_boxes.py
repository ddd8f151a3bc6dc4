"""Boxes around people: where the camera's motion must not be read from (idt_spec 5.7).

Boxes are rows (frame, x1, y1, x2, y2, score), in pixels, edges included. They delete no trajectory.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .whole_file import whole_file

PERSON = 1  # COCO's category_id


def boxes_by_frame(boxes: np.ndarray | None) -> dict[int, np.ndarray] | None:
    """Rows of `boxes` (n, 6) by frame number, each (m, 4): x1, y1, x2, y2. None where no boxes are given.

    Raises ValueError on another shape, on numbers that are not finite and on frame numbers that are not whole.
    """
    if boxes is None:
        return None
    rows = np.asarray(boxes, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise ValueError(f"boxes must have the shape (n, 6): frame, x1, y1, x2, y2, score; not {rows.shape}")
    if not np.isfinite(rows[:, :5]).all():
        raise ValueError("boxes must hold finite numbers")
    frames = rows[:, 0].astype(int)
    if (frames != rows[:, 0]).any():
        raise ValueError(f"boxes must have whole frame numbers, not {rows[frames != rows[:, 0], 0][0]:g}")
    return {int(frame): rows[frames == frame, 1:5] for frame in np.unique(frames)}


def background_mask(boxes: Mapping[int, np.ndarray] | None, frame: int, height: int, width: int) -> np.ndarray | None:
    """Mask (height, width) uint8 of a frame: 0 inside its boxes, 255 elsewhere; None where nothing is masked.

    Boxes are cut at the image's edges; a box whose second corner lies before its first is ignored.
    """
    if boxes is None or frame not in boxes:
        return None
    mask = np.full((height, width), 255, np.uint8)
    for x1, y1, x2, y2 in boxes[frame]:
        if x2 < x1 or y2 < y1:
            continue
        rows = slice(_within(math.ceil(y1), height), _within(math.floor(y2) + 1, height))
        columns = slice(_within(math.ceil(x1), width), _within(math.floor(x2) + 1, width))
        mask[rows, columns] = 0
    return mask


def _within(index: int, length: int) -> int:
    return min(max(index, 0), length)


def read_bb(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the original extractor's box file: one line a frame, `id x1 y1 x2 y2 conf [x1 y1 x2 y2 conf ...]`.

    A line with the id alone is a frame without people. As in the original a line's position is its frame number.
    Returns boxes (n, 6) float32. Raises ValueError naming file and line.
    """
    boxes: list[list[float]] = []
    with open(path, encoding="utf-8", errors="replace") as lines:  # else a binary file's error would not name it
        for frame, line in enumerate(lines):
            try:
                numbers = [float(word) for word in line.split()]
            except ValueError:
                raise ValueError(f"{path}, line {frame + 1}: not a line of numbers") from None
            if len(numbers) % 5 != 1:
                raise ValueError(f"{path}, line {frame + 1}: expected a frame number and 5 numbers a box")
            boxes += [[frame, *numbers[i : i + 5]] for i in range(1, len(numbers), 5)]
    return np.array(boxes, np.float32).reshape(-1, 6)


def write_bb(path: Path, boxes: np.ndarray, n_frames: int, width: int, height: int) -> None:
    """Write boxes (n, 6) as the original extractor's box file, with a line for each of the video's `n_frames` frames.

    Boxes are cut at the last column and row, beyond which the original crashes; else `read_bb` gives back the same
    numbers. Raises OSError where the file cannot be written.
    """
    rows = np.array(boxes, np.float32)
    rows[:, 1:5] = np.clip(rows[:, 1:5], 0, [width - 1, height - 1, width - 1, height - 1])
    with whole_file(path) as file:
        for frame in range(n_frames):
            numbers = [f"{number:.9g}" for number in rows[rows[:, 0] == frame, 1:].ravel()]
            file.write(" ".join([str(frame), *numbers]).encode("ascii") + b"\n")


def read_coco(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the people of one video from results in COCO's format: a JSON list of detections.

    Of each the keys image_id, which is the number of the frame from 0; category_id, 1 for a person, others are left
    out; bbox, which is x, y, width, height in pixels; score. Returns boxes (n, 6) float32, sorted by frame, best first.
    Raises ValueError naming the file and the detection.
    """
    try:
        detections = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: it is no JSON ({error})") from None
    if not isinstance(detections, list):
        raise ValueError(
            f"{path}: expected a list of detections, as COCO's results are, not {type(detections).__name__}"
        )
    boxes = []
    for number, detection in enumerate(detections):
        try:
            x, y, width, height = detection["bbox"]
            row = [float(value) for value in (detection["image_id"], x, y, x + width, y + height, detection["score"])]
            is_person = detection["category_id"] == PERSON
        except (KeyError, TypeError, ValueError) as error:
            wanted = "image_id (the frame's number), category_id, bbox (x, y, width, height) and score"
            raise ValueError(f"{path}, detection {number}: expected {wanted} ({error!r})") from None
        if is_person:
            boxes.append(row)
    return np.array(sorted(boxes, key=lambda row: (row[0], -row[5])), np.float32).reshape(-1, 6)
