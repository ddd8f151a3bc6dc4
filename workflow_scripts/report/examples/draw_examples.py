"""Stage: draws trajectories, and the people that are masked, on frames of a few videos.

Only the frames around the middle of a video are tracked: those that a trajectory through the middle can reach.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

import idt_tools
from idt_tools import columns
from idt_tools.drawing import Tracks, draw_frame
from idt_tools.person_boxes import boxes_by_frame
from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import command_line
from workflow_scripts.report.page.gallery import data_uri
from workflow_scripts.report.templates import render
from workflow_scripts.trajectories.describe_video import Video, shard_videos
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

log = logging.getLogger(__name__)

N_EXAMPLES = 6
_WIDTH, _QUALITY = 480, 70  # pixels; of WebP, 1..100
Result = TypeVar("Result")


@dataclass(frozen=True)
class Example:
    """A drawn frame (a data URI) and what is in it; n_persons: None if people are not masked."""

    uri: str
    name: str
    label: str
    frame: int
    n_trajectories: int
    n_persons: int | None


def draw_examples(
    videos: Path,
    output: Path,
    settings: TrajectoriesSettings,
    boxes: Path | None = None,
    reading: ReadingSettings = READING,
) -> None:
    """Draws the trajectories on a frame of up to six videos, of as many classes as possible.

    A hash of the ids chooses the videos. Videos that cannot be read or tracked are left out.

    Args:
        videos: The list of a shard's videos.
        output: HTML, a part of the report's page.
        settings: Settings of the trajectories stage.
        boxes: The persons stage's file of the same shard, if people are masked.
        reading: How videos are decoded.
    """
    videos_by_id = shard_videos(videos, settings, boxes, reading)
    examples = first_results(videos_by_id, _draw, N_EXAMPLES)
    write_text(output, render("examples/examples.html", examples=list(examples.values())))


def first_results(videos_by_id: dict[str, Video], process: Callable[[Video], Result], limit: int) -> dict[str, Result]:
    """The results of `process` by id, for up to `limit` videos in the order of `in_turn` that it can read and track."""
    results: dict[str, Result] = {}
    for name in in_turn(videos_by_id):
        try:
            results[name] = process(videos_by_id[name])
        except (idt_tools.ReadingFailed, idt_tools.VideoError, ValueError) as error:
            log.info("%s: left out (%s)", name, error)
        if len(results) == limit:
            break
    return results


def in_turn(videos_by_id: dict[str, Video]) -> list[str]:
    """The ids, alternating between the classes; within a class in the order of a hash."""
    places: dict[str, int] = {}  # position of the next video of each class
    order = {}
    for name in sorted(videos_by_id, key=lambda name: digest("examples", name)):
        label = videos_by_id[name].row.get("label", "")
        order[name] = (places.setdefault(label, 0), label)
        places[label] += 1
    return sorted(order, key=lambda name: order[name])


def excerpt(video: Video, start: int, stop: int) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Returns the frames and the boxes of the part of a video that is tracked.

    Args:
        video: The video.
        start: The first frame.
        stop: The frame after the last one.

    Returns:
        The frames, fewer if the video ends earlier; and the boxes (n, 6) in them, with frame numbers that count from
        `start`, or None if people are not masked.

    Raises:
        VideoError: The frames cannot be decoded.
    """
    frames = list(islice(video.frames(), start, stop))
    boxes = video.scaled_boxes()
    if boxes is not None:
        boxes = boxes - [start, 0, 0, 0, 0, 0]
        boxes = boxes[(boxes[:, 0] >= 0) & (boxes[:, 0] < len(frames))]
    return frames, boxes


def _draw(video: Video) -> Example:
    """The middle frame with all trajectories through it. Raises VideoError or ValueError if there is no such frame."""
    middle = int(video.row["estimated_frames"]) // 2
    start = max(0, middle - columns.TRACK_LENGTH)
    frames, boxes = excerpt(video, start, middle + columns.TRACK_LENGTH + 1)
    if len(frames) <= middle - start:
        raise ValueError("it has fewer frames than its header claims")
    tracks = Tracks.of(idt_tools.stream(frames, boxes, options=idt_tools.TrackerOptions(record_points=True)))
    boxes_of = boxes_by_frame(boxes)
    picture = draw_frame(frames[middle - start], middle - start, tracks, boxes_of, _WIDTH / frames[0].shape[1])
    return Example(
        uri=data_uri(picture[..., ::-1], _QUALITY),
        name=Path(video.row["path"]).stem,
        label=video.row.get("label", ""),
        frame=middle,
        n_trajectories=len(tracks.until(middle - start)),
        n_persons=None if boxes_of is None else len(boxes_of.get(middle - start, ())),
    )


if __name__ == "__main__":
    command_line(draw_examples)
