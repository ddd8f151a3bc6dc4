"""Inputs of the tests of detectors: frames with red rectangles, and lists of generated videos."""

from pathlib import Path

import numpy as np

from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.identity import video_id
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


def red_rectangles(height: int, width: int) -> tuple[list[np.ndarray], list[list[int]]]:
    """Returns three black frames (height, width, 3) uint8 with a red rectangle, and its corners x1, y1, x2, y2."""
    frames, corners = [], []
    for x1, y1, x2, y2 in ((0.1, 0.2, 0.4, 0.9), (0.5, 0, 1, 0.5), (0.6, 0.4, 0.7, 0.6)):
        left, top, right, bottom = round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)
        frames.append(np.zeros((height, width, 3), np.uint8))
        frames[-1][top:bottom, left:right, 0] = 255
        corners.append([left, top, right, bottom])
    return frames, corners


def assert_valid(boxes: np.ndarray, height: int, width: int) -> None:
    """Boxes (k, 5) are in the frame, have area and a score over 0.5, and are sorted by score."""
    assert boxes.dtype == np.float32 and boxes.shape[1] == 5
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:4] <= (width, height)).all()
    assert (boxes[:, 2:4] > boxes[:, :2]).all()
    assert (np.diff(boxes[:, 4]) <= 0).all() and (boxes[:, 4] > 0.5).all()


def write_shard_list(folder: Path, generated: GeneratedSettings, *others: str) -> Path:
    """Generates videos and writes the list of a shard that holds them and `others`, which exist."""
    rows = []
    for name in [*(row["path"] for row in generate_videos(folder / "videos", generated)), *others]:
        path = folder / "videos" / name
        stat = path.stat()
        rows.append({"video_id": video_id(name), "path": path, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns})
    write_columns(folder / "shard.tsv", rows, list(rows[0]))
    return folder / "shard.tsv"
