"""Yields the trajectories of one video in blocks, from the tracker or from rows that the original extractor wrote.

`trajectories.extract_shard` stores the trajectories, and `encoding.encode_shard` encodes them at once. Both use this
module, so they get the same rows and the same errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import idt_tools
from idt_tools.attributes import read_attributes
from idt_tools.tracked import Undescribed, check_size, checked, track
from idt_tools.tracker import MIN_SIDE
from idt_tools.trajectory_files import find_rows, read_rows
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.work_keys import attributes_of, file_stamp
from workflow_scripts.trajectories.settings import VERSIONS, TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings


@dataclass(eq=False)
class Video:
    """A video in a `row` of a shard's list, with the `boxes` (n, 6) of its persons, or None to mask no person."""

    row: dict[str, str]
    settings: TrajectoriesSettings
    boxes: np.ndarray | None = None
    boxes_key: str = "no boxes"
    reading: ReadingSettings = READING

    def __post_init__(self) -> None:
        self.size = {"n_frames": 0, "n_skipped": 0, "width": 0, "height": 0}  # the tracked frames
        self.fps = float(self.row["fps"] or 0)

    @cached_property
    def rows(self) -> Path | None:
        """The file of the original extractor's rows. Raises ReadingFailed if the system cannot read the folder now."""
        return find_rows(Path(self.settings.rows), Path(self.row["path"])) if self.settings.rows else None

    @cached_property
    def key(self) -> str:
        """The digest of all inputs of the trajectories. Raises ReadingFailed as `rows` does."""
        inputs = attributes_of(self.row), self.boxes_key, *file_stamp(self.rows)
        return digest(VERSIONS["extract_shard"], self.settings, self.reading, *inputs)

    def trajectories(self) -> Iterator[idt_tools.Trajectories]:
        """Yields blocks of trajectories. Raises Undescribed if the video is at fault, possibly after the last block.

        The tracker leaves the column relative_time NaN, because the number of frames is not known before the end.
        """
        yield from checked(self._read() if self.settings.rows else self._track())

    def _read(self) -> Iterator[idt_tools.Trajectories]:
        if self.rows is None:
            name = Path(self.row["path"]).stem + ".txt.gz"
            raise Undescribed("no_rows", f"{self.settings.rows} and its folder of the label hold no file {name}")
        try:
            yield from read_rows(self.rows)
        except ValueError as error:
            raise Undescribed("corrupted", str(error)) from error

    def _track(self) -> Iterator[idt_tools.Trajectories]:
        width, height = int(self.row["width"]), int(self.row["height"])
        scale = min(1.0, self.settings.max_side / max(width, height)) if self.settings.max_side else 1.0
        if scale * min(width, height) < MIN_SIDE:
            note = f", as trajectories.max_side = {self.settings.max_side} makes them" if scale < 1 else ""
            check_size(round(scale * width), round(scale * height), note)
        yield from track(self.frames(), self.scaled_boxes())

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames (H, W, 3) uint8 RGB in the tracked size. Raises VideoError if they cannot be decoded."""
        self.size = {"n_frames": 0, "n_skipped": 0, "width": 0, "height": 0}
        video = idt_tools.read_video(self.row["path"], **vars(self.reading))
        for frame in video:
            longer = max(frame.shape[:2])
            if self.settings.max_side and longer > self.settings.max_side:
                scale = self.settings.max_side / longer
                smaller = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                frame = smaller.view(type(frame))
            self.size["n_frames"] += 1
            self.size["n_skipped"] = video.n_skipped
            self.size["height"], self.size["width"] = frame.shape[:2]
            yield frame
        self.size["n_skipped"] = video.n_skipped
        self.fps = self.fps or video.fps

    def scaled_boxes(self) -> np.ndarray | None:
        """Returns the boxes (n, 6) in pixels of `frames`."""
        longer = max(int(self.row["width"]), int(self.row["height"]))
        if self.boxes is None or not self.settings.max_side or longer <= self.settings.max_side:
            return self.boxes
        scale = self.settings.max_side / longer
        return self.boxes * np.array([1, scale, scale, scale, scale, 1], np.float32)


def shard_videos(
    videos: Path, settings: TrajectoriesSettings, boxes: Path | None = None, reading: ReadingSettings = READING
) -> dict[str, Video]:
    """Returns the videos of the list `videos` by id, with their boxes in the file of the persons stage."""
    rows = {row["video_id"]: row for row in read_columns(videos)}
    if boxes is None:
        return {name: Video(row, settings, reading=reading) for name, row in rows.items()}
    with read_hdf5(boxes) as file:
        persons: dict[str, tuple[Any, str]] = {
            name: (file[name]["boxes"][:], read_attributes(file[name])["key"]) for name in rows
        }
    return {name: Video(row, settings, *persons[name], reading) for name, row in rows.items()}
