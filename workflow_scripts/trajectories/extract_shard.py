"""Improved Dense Trajectories of the videos of a shard (paper 3.3; the tracker is `idt_tools`).

In: the shard's list of videos and, where people are masked, their boxes. Out: an HDF5 file with a group for every
video: `info` (n, 10) float32 and `descriptors` (n, 426) float16, columns as in `idt_tools.columns`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

import idt_tools
from idt_tools import columns
from idt_tools.tracker import MIN_SIDE
from workflow_scripts.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.identity import digest
from workflow_scripts.stage import command_line
from workflow_scripts.store import Result, attributes_of, process_shard
from workflow_scripts.trajectories.settings import VERSION, TrajectoriesSettings

MIN_FRAMES = columns.TRACK_LENGTH + 1
INFO_MEANING = ", ".join(columns.INFO)
DESCRIPTORS_MEANING = ", ".join(f"{name} {part.start}-{part.stop - 1}" for name, part in columns.CHANNELS.items())


def extract_shard(
    videos: Path,
    output: Path,
    store: Path,
    settings: TrajectoriesSettings,
    boxes: Path | None = None,
    threads: int = 1,
) -> None:
    """Extracts the trajectories of the videos in the list `videos` and writes them to `output`, sorted by id.

    `boxes` is the persons stage's file of the same shard: people are then left out of the estimate of the camera's
    motion. A video that gives no trajectories is a group with a status and a reason and no rows. What is already in
    `store` is not computed again.
    """
    rows = {row["video_id"]: row for row in read_columns(videos)}
    people = _read_boxes(boxes) if boxes else {}
    keys = {
        name: digest(VERSION, settings, attributes_of(row), people[name][1] if boxes else "no boxes")
        for name, row in rows.items()
    }

    def compute(name: str) -> Result:
        found = people[name][0] if boxes else None
        return _extract(rows[name], found, settings)

    parameters = {"settings": vars(settings), "persons": "masked" if boxes else "not masked"}
    results = process_shard(store, keys, compute, stage="trajectories", threads=threads)
    with write_hdf5(output, stage="trajectories", version=VERSION, parameters=parameters) as file:
        for name, result in results:
            group = file.create_group(name)
            group.attrs.update(
                {"status": result.status, "reason": result.reason, "key": keys[name], **result.attributes}
            )
            arrays = result.arrays or {"info": np.zeros((0, 10), "f4"), "descriptors": np.zeros((0, 426), "f2")}
            dataset(group, "info", arrays["info"], meaning=INFO_MEANING)
            dataset(group, "descriptors", arrays["descriptors"], meaning=DESCRIPTORS_MEANING)


def _read_boxes(path: Path) -> dict[str, tuple[np.ndarray, str]]:
    """Boxes (n, 6) of every video and the key of the work that found them."""
    with h5py.File(path) as file:
        return {name: (group["boxes"][:], group.attrs["key"]) for name, group in file.items()}


def _extract(row: dict[str, str], boxes: np.ndarray | None, settings: TrajectoriesSettings) -> Result:
    """The trajectories of the video in a row of the shard's list, whose size and rate the index has read already."""
    width, height = int(row["width"]), int(row["height"])
    if min(width, height) < MIN_SIDE:
        return Result("too_small", f"{width}x{height} pixels; the tracker needs {MIN_SIDE} on each side")
    if boxes is not None and settings.max_side and max(width, height) > settings.max_side:
        scale = settings.max_side / max(width, height)
        boxes = boxes * np.array([1, scale, scale, scale, scale, 1], np.float32)
    size: dict[str, Any] = {"n_frames": 0, "width": 0, "height": 0}

    def frames() -> Iterator[np.ndarray]:
        for frame in idt_tools.read_video(row["path"]):
            if settings.max_side and max(frame.shape[:2]) > settings.max_side:
                scale = settings.max_side / max(frame.shape[:2])
                frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            size["n_frames"] += 1
            size["height"], size["width"] = frame.shape[:2]
            yield frame

    try:
        found = idt_tools.extract(frames(), boxes=boxes)
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason, attributes=size)
    except ValueError as error:  # frames that the tracker refuses, such as a size that changes within the video
        return Result("corrupted", str(error), attributes=size)
    attributes = {**size, "fps": float(row["fps"])}
    if size["n_frames"] < MIN_FRAMES:
        return Result("too_short", f"{size['n_frames']} frames; a trajectory needs {MIN_FRAMES}", attributes=attributes)
    if not len(found.info):
        return Result("no_trajectories", "nothing in the video moves, or nothing has texture", attributes=attributes)
    if not np.isfinite(found.descriptors).all():
        return Result("not_finite", "a descriptor is not a finite number", attributes=attributes)
    arrays = {"info": found.info, "descriptors": found.descriptors.astype(np.float16)}
    return Result(arrays=arrays, attributes=attributes)


if __name__ == "__main__":
    command_line(extract_shard)
