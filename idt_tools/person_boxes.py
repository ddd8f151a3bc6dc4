"""Boxes around people: where the camera's motion must not be read from (idt_spec 5.7).

Boxes are rows (frame, x1, y1, x2, y2, score), in pixels, edges included. They delete no trajectory.
"""

import json
import math
import os
from array import array
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .whole_file import whole_file

PERSON = 1  # COCO's category_id

# What boxes of one video do not exceed, so that a crafted file does not fill the memory.
MOST_BOXES = 4_000_000  # 20 people in each frame of two hours
LAST_FRAME = 2**24  # as far as float32 has whole numbers: a week at 25 frames/s
_LONGEST_LINE = 2**16  # characters of a line of a .bb, or of a detection in JSON
_BLOCK = 2**20  # characters that are read at once


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
    wrong = (rows[:, 0] != np.round(rows[:, 0])) | (np.abs(rows[:, 0]) > LAST_FRAME)
    if wrong.any():
        raise ValueError(f"boxes must have whole frame numbers up to {LAST_FRAME}, not {rows[wrong, 0][0]:g}")
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    frames, starts = np.unique(rows[:, 0].astype(int), return_index=True)
    return dict(zip(frames.tolist(), np.split(rows[:, 1:5], starts[1:]), strict=False))


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
    boxes = array("f")
    with open(path, encoding="utf-8", errors="replace") as file:  # else a binary file's error would not name it
        for frame, line in enumerate(iter(partial(file.readline, _LONGEST_LINE), "")):
            words = line.split()
            try:
                numbers = [float(word) for word in words]
            except ValueError:
                raise ValueError(f"{path}, line {frame + 1}: not a line of numbers") from None
            if len(numbers) % 5 != 1 or len(line) == _LONGEST_LINE:
                raise ValueError(f"{path}, line {frame + 1}: expected a frame number and 5 numbers a box")
            for i in range(1, len(numbers), 5):
                boxes.extend((frame, *numbers[i : i + 5]))
            _check_number_of_boxes(path, boxes)
    return np.array(boxes, np.float32).reshape(-1, 6)


def _check_number_of_boxes(path: str | os.PathLike[str], boxes: "array[float]") -> None:
    if len(boxes) > 6 * MOST_BOXES:
        raise ValueError(f"{path}: it holds more than {MOST_BOXES} boxes, which are not those of one video")


def write_bb(path: Path, boxes: np.ndarray, n_frames: int, width: int, height: int) -> None:
    """Write boxes (n, 6) as the original extractor's box file, with a line for each of the video's `n_frames` frames.

    Boxes are cut at the last column and row, beyond which the original crashes; else `read_bb` gives back the same
    numbers. Raises OSError where the file cannot be written.
    """
    rows = np.array(boxes, np.float32)
    rows[:, 1:5] = np.clip(rows[:, 1:5], 0, [width - 1, height - 1, width - 1, height - 1])
    with whole_file(path) as file:
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        starts = np.searchsorted(rows[:, 0], np.arange(n_frames + 1))
        for frame in range(n_frames):
            numbers = [f"{number:.9g}" for number in rows[starts[frame] : starts[frame + 1], 1:].ravel()]
            file.write(" ".join([str(frame), *numbers]).encode("ascii") + b"\n")


def read_coco(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the people of one video from results in COCO's format: a JSON list of detections.

    Of each the keys image_id, which is the number of the frame from 0; category_id, 1 for a person, others are left
    out; bbox, which is x, y, width, height in pixels; score. Returns boxes (n, 6) float32, sorted by frame, best first.
    Raises ValueError naming the file and the detection.
    """
    boxes = array("f")
    for number, detection in enumerate(_detections(path)):
        try:
            place = [detection[key] for key in ("image_id", "score")] + list(detection["bbox"])
            if any(type(value) not in (int, float) for value in place):
                raise TypeError("a value is no number")
            frame, score, x, y, width, height = map(float, place)
            is_person = detection["category_id"] == PERSON
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            wanted = "image_id (the frame's number), category_id, bbox (x, y, width, height) and score"
            raise ValueError(f"{path}, detection {number}: expected {wanted} ({error!r:.80})") from None
        if is_person:
            boxes.extend((frame, x, y, x + width, y + height, score))
            _check_number_of_boxes(path, boxes)
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return rows[np.lexsort((-rows[:, 5], rows[:, 0]))]


def _detections(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The elements of a JSON list, one after another, so that memory does not grow with the file.

    Raises ValueError naming the file where it is no such list, or an element is longer than any detection.
    """
    decoder, separator, place = json.JSONDecoder(), "[", 0
    with open(path, "rb") as raw:
        encoding = json.detect_encoding(raw.read(4))
    with open(path, encoding=encoding, errors="replace") as file:
        text = file.read(_BLOCK)
        while True:
            if len(text) - place < _LONGEST_LINE:  # so that the next element is in it as a whole
                text, place = text[place:] + file.read(_BLOCK), 0
            place = _after_blanks(text, place)
            if text[place : place + 1] == "]" and separator == ",":
                break
            if text[place : place + 1] == "{" and separator == "[" and text[place + 1 :].strip():
                raise ValueError(f"{path}: expected a list of detections, as COCO's results are, not dict")
            if text[place : place + 1] != separator:
                raise ValueError(f"{path}: it is no JSON list of detections ({separator!r} is missing)")
            place = _after_blanks(text, place + 1)
            if text[place : place + 1] == "]" and separator == "[":
                break
            try:
                detection, place = decoder.raw_decode(text, place)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}: it is no JSON list of detections ({error})") from None
            separator = ","
            yield detection
        if text[place + 1 :].strip() or file.read(1).strip():
            raise ValueError(f"{path}: it is no JSON list of detections (more follows it)")


def _after_blanks(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t", "\n", "\r"):
        place += 1
    return place
