"""Boxes around people, which the estimate of the camera's motion leaves out (idt_spec 5.7).

Boxes are rows (frame, x1, y1, x2, y2, score), in pixels, edges included. Trajectories inside a box stay.
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

# Limits on the boxes of one video, so that a crafted file does not fill the memory.
MAX_BOXES = 4_000_000  # 20 people in each frame of two hours
LAST_FRAME = 2**24  # float32 holds all whole numbers up to here: a week at 25 frames/s
_MAX_LENGTH = 2**16  # characters of a line of a .bb file, or of a detection in JSON
_BLOCK = 2**20  # characters per read


def boxes_by_frame(boxes: np.ndarray | None) -> dict[int, np.ndarray] | None:
    """Returns the boxes (n, 6) by frame number, each (m, 4): x1, y1, x2, y2. None if `boxes` is None.

    Raises ValueError if the shape is another, a number is not finite or a frame number is not whole.
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
    """Returns the mask (height, width) uint8 of a frame: 0 inside its boxes, 255 elsewhere. None if it has no boxes.

    Args:
        boxes: the result of `boxes_by_frame`. Boxes are clipped to the image. A box whose second corner lies before
            its first is ignored.
        frame: the frame's number.
        height: pixels.
        width: pixels.
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
    """Reads a box file of the original extractor: a line per frame, `id x1 y1 x2 y2 conf [x1 y1 x2 y2 conf ...]`.

    A frame without people has a line with only the id. As in the original, a line's position is the frame number.
    Returns boxes (n, 6) float32. Raises ValueError, which names the file and the line.
    """
    boxes = array("f")
    with open(path, encoding="utf-8", errors="replace") as file:  # a binary file fails below, with its name
        for frame, line in enumerate(iter(partial(file.readline, _MAX_LENGTH), "")):
            words = line.split()
            try:
                numbers = [float(word) for word in words]
            except ValueError:
                raise ValueError(f"{path}, line {frame + 1}: not a line of numbers") from None
            if len(numbers) % 5 != 1 or len(line) == _MAX_LENGTH:
                raise ValueError(f"{path}, line {frame + 1}: expected a frame number and 5 numbers per box")
            for i in range(1, len(numbers), 5):
                boxes.extend((frame, *numbers[i : i + 5]))
            _check_number_of_boxes(path, boxes)
    return np.array(boxes, np.float32).reshape(-1, 6)


def _check_number_of_boxes(path: str | os.PathLike[str], boxes: "array[float]") -> None:
    if len(boxes) > 6 * MAX_BOXES:
        raise ValueError(f"{path}: it holds more than {MAX_BOXES} boxes, too many for one video")


def write_bb(path: Path, boxes: np.ndarray, n_frames: int, width: int, height: int) -> None:
    """Writes a box file of the original extractor, which `read_bb` reads.

    Args:
        path: the file to write.
        boxes: (n, 6). They are cut at the last column and row, since the original crashes on boxes beyond them.
        n_frames: number of frames of the video; the file has a line per frame.
        width: pixels.
        height: pixels.

    Raises:
        OSError: if the file cannot be written.
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
    """Reads the people in one video from results in COCO's format, a JSON list of detections.

    A detection has the keys image_id (number of the frame from 0), category_id (1 for a person; others are skipped),
    bbox (x, y, width, height in pixels) and score. Returns boxes (n, 6) float32, sorted by frame, highest score first.
    Raises ValueError, which names the file and the detection.
    """
    boxes = array("f")
    for number, detection in enumerate(_detections(path)):
        try:
            numbers = [detection[key] for key in ("image_id", "score")] + list(detection["bbox"])
            if any(type(value) not in (int, float) for value in numbers):
                raise TypeError("a value is not a number")
            frame, score, x, y, width, height = map(float, numbers)
            is_person = detection["category_id"] == PERSON
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            expected = "image_id (the frame's number), category_id, bbox (x, y, width, height) and score"
            raise ValueError(f"{path}, detection {number}: expected {expected} ({error!r:.80})") from None
        if is_person:
            boxes.extend((frame, x, y, x + width, y + height, score))
            _check_number_of_boxes(path, boxes)
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return rows[np.lexsort((-rows[:, 5], rows[:, 0]))]


def _detections(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yields the elements of a JSON list. Memory does not grow with the file.

    Raises ValueError, which names the file, if it is not a JSON list or an element is longer than any detection.
    """
    decoder, separator, position = json.JSONDecoder(), "[", 0
    with open(path, "rb") as raw:
        encoding = json.detect_encoding(raw.read(4))
    with open(path, encoding=encoding, errors="replace") as file:
        text = file.read(_BLOCK)
        while True:
            if len(text) - position < _MAX_LENGTH:  # the next element must be whole
                text, position = text[position:] + file.read(_BLOCK), 0
            position = _after_blanks(text, position)
            if text[position : position + 1] == "]" and separator == ",":
                break
            if text[position : position + 1] == "{" and separator == "[" and text[position + 1 :].strip():
                raise ValueError(f"{path}: expected a list of detections, as COCO's results are, not dict")
            if text[position : position + 1] != separator:
                raise ValueError(f"{path}: it is not a JSON list of detections ({separator!r} is missing)")
            position = _after_blanks(text, position + 1)
            if text[position : position + 1] == "]" and separator == "[":
                break
            try:
                detection, position = decoder.raw_decode(text, position)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}: it is not a JSON list of detections ({error})") from None
            separator = ","
            yield detection
        if text[position + 1 :].strip() or file.read(1).strip():
            raise ValueError(f"{path}: it is not a JSON list of detections (text follows the list)")


def _after_blanks(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\n", "\r"):
        position += 1
    return position
