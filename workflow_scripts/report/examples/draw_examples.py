"""Stage: draws, on frames of a few videos, the trajectories and the people that are masked.

In: a shard's list of videos and, where people are masked, their boxes. Out: a part of the report's page.
Only the frames around the middle of a video are tracked: those that a trajectory through the middle can reach.
"""

import logging
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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


@dataclass(frozen=True)
class Example:
    """A frame as drawn (a data URI) and what is in it; persons: None where nobody is masked."""

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
    """Draws the trajectories on a frame of up to six videos of the list `videos`, of as many classes as there are.

    `boxes` is the persons stage's file of the same shard. `output` is HTML, a part of a page. A hash of their ids
    chooses the videos. A video that cannot be read or tracked is left out.
    """
    listed = shard_videos(videos, settings, boxes, reading)
    examples = []
    for name in in_turn(listed):
        try:
            examples.append(_draw(listed[name]))
        except (idt_tools.ReadingFailed, idt_tools.VideoError, ValueError) as error:
            log.info("%s: not drawn (%s)", name, error)
        if len(examples) == N_EXAMPLES:
            break
    write_text(output, render("examples/examples.html", examples=examples))


def in_turn(listed: dict[str, Video]) -> list[str]:
    """The ids, one of each class after the other, those of a class in the order of a hash."""
    places: dict[str, int] = {}  # of the next of a class
    order = {}
    for name in sorted(listed, key=lambda name: digest("examples", name)):
        label = listed[name].row.get("label", "")
        order[name] = (places.setdefault(label, 0), label)
        places[label] += 1
    return sorted(order, key=lambda name: order[name])


def excerpt(video: Video, start: int, stop: int) -> tuple[list[np.ndarray], np.ndarray | None]:
    """The frames from `start` to before `stop` as they are tracked, and the boxes in them, numbered from `start`.

    Fewer frames where the video ends before. Raises VideoError if they cannot be decoded.
    """
    frames = list(islice(video.frames(), start, stop))
    boxes = video.scaled_boxes()
    if boxes is not None:
        boxes = boxes - [start, 0, 0, 0, 0, 0]
        boxes = boxes[(boxes[:, 0] >= 0) & (boxes[:, 0] < len(frames))]
    return frames, boxes


def _draw(video: Video) -> Example:
    """The middle frame with all trajectories that pass through it. Raises VideoError or ValueError if there is none."""
    middle = int(video.row["estimated_frames"]) // 2
    start = max(0, middle - columns.TRACK_LENGTH)
    frames, boxes = excerpt(video, start, middle + columns.TRACK_LENGTH + 1)
    if len(frames) <= middle - start:
        raise ValueError("it has fewer frames than its header claims")
    tracks = Tracks.of(idt_tools.stream(frames, boxes, options=idt_tools.TrackerOptions(record_points=True)))
    here = boxes_by_frame(boxes)
    picture = draw_frame(frames[middle - start], middle - start, tracks, here, _WIDTH / frames[0].shape[1])
    return Example(
        uri=data_uri(picture[..., ::-1], _QUALITY),
        name=Path(video.row["path"]).stem,
        label=video.row.get("label", ""),
        frame=middle,
        n_trajectories=len(tracks.until(middle - start)),
        n_persons=None if here is None else len(here.get(middle - start, ())),
    )


if __name__ == "__main__":
    command_line(draw_examples)
