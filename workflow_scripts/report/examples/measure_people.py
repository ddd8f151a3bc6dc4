"""Stage: what masking the people does to the estimate of the camera's motion (paper 3.3), measured on some videos.

In: lists of videos and, of the same shards, the boxes of people. Out: a part of the report's page, and a TSV with a row
for each video. Each is tracked twice, with the people masked and without, but for `FRAMES` frames at most: 2 to 4
seconds a video of 320 x 240 pixels on one core.

The true motion of the camera is not known. Measured is what the homography leaves of the optical flow: on the
background that is its error, on people it is their own motion, which must be left. The flow is another (DIS, Kroeger et
al. 2016) than the tracker's, which the homography is fitted to.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

import idt_tools
from idt_tools import columns
from idt_tools.person_boxes import background_mask, boxes_by_frame
from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.identity import rng
from workflow_scripts.ground.stage import command_line
from workflow_scripts.report.examples.draw_examples import excerpt, in_turn
from workflow_scripts.report.templates import render
from workflow_scripts.trajectories.describe_video import Video, shard_videos
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

log = logging.getLogger(__name__)

FRAMES = 75  # of a video, around its middle
STEP = 4  # pixels from one place where errors are measured to the next, along each side
DRAWS = 2000  # of the bootstrap
FILLS = {"all": (0, 1), "< 10 %": (0, 0.1), "10 to 30 %": (0.1, 0.3), "> 30 %": (0.3, 1)}  # share of the frame


class Pair(NamedTuple):
    """A quantity where the people are not masked, and where they are."""

    unmasked: float
    masked: float


@dataclass(frozen=True)
class Effect:
    """What the mask does in a video."""

    persons: float  # boxes a frame
    covered: float  # by them, share of the frame, 0..1
    background_error: Pair  # pixels a frame; median outside the boxes, mean over the frames that have any
    people_error: Pair  # the same inside the boxes
    background_trajectories: Pair  # how many have their mean position outside the boxes of their middle frame
    people_trajectories: Pair  # or inside


MEASURES = ("background_error", "people_error", "background_trajectories", "people_trajectories")


class Change(NamedTuple):
    """Means over videos of a `Pair` and of its difference, with the 95 % bootstrap interval over the videos."""

    unmasked: float
    masked: float
    difference: float
    low: float
    high: float


def measure_people(
    videos: list[Path],
    boxes: list[Path],
    output: Path,
    table: Path,
    settings: TrajectoriesSettings,
    n_videos: int = 24,
    reading: ReadingSettings = READING,
) -> None:
    """Measures the mask on up to `n_videos` of the videos in which people were found, of as many classes as there are.

    `videos`: lists of shards; `boxes`: the persons stage's files of the same shards. `output` is HTML, `table` TSV.
    Which videos are taken is decided by a hash of their ids; one that cannot be read or tracked is left out.
    """
    cv2.setNumThreads(1)  # DIS depends on the number of threads
    listed: dict[str, Video] = {}
    for shard, people in zip(videos, boxes, strict=True):
        of_shard = shard_videos(shard, settings, people, reading)
        listed |= {name: video for name, video in of_shard.items() if video.boxes is not None and len(video.boxes)}
    effects: dict[str, Effect] = {}
    for name in in_turn(listed):
        try:
            effects[name] = _measure(listed[name])
        except (idt_tools.ReadingFailed, idt_tools.VideoError, ValueError) as error:
            log.info("%s: not measured (%s)", name, error)
        if len(effects) == n_videos:
            break
    rows = [{"video_id": name, "label": listed[name].row.get("label", ""), **_flat(effects[name])} for name in effects]
    names = [f"{measure}_{way}" for measure in MEASURES for way in Pair._fields]
    write_columns(table, rows, ["video_id", "label", "persons", "covered", *names])
    write_text(
        output, render("examples/people.html", rows=table_rows([*effects.values()]), measures=MEASURES, frames=FRAMES)
    )
    log.info("people: measured in %d of %d videos that show any", len(effects), len(listed))


def _measure(video: Video) -> Effect:
    start = max(0, (int(video.row["estimated_frames"]) - FRAMES) // 2)
    frames, boxes = excerpt(video, start, start + FRAMES)
    if boxes is None or not len(boxes):
        raise ValueError("nobody is seen around its middle")
    return mask_effect(frames, boxes, optical_flow(frames))


def mask_effect(frames: Sequence[np.ndarray], boxes: np.ndarray, motions: Iterable[np.ndarray]) -> Effect:
    """Tracks frames (H, W, 3) uint8 RGB with and without the mask of boxes (n, 6), and compares.

    motions: from each frame to the next, (H, W, 2) in pixels, what the homographies are held to. Raises ValueError
    where no box covers a part of a frame, or the tracker refuses the frames.
    """
    unmasked, masked = (idt_tools.extract(frames, people) for people in (None, boxes))
    height, width = frames[0].shape[:2]
    masks = (background_mask(boxes_by_frame(boxes), number, height, width) for number in range(len(frames)))
    people = np.stack([np.zeros((height, width), bool) if mask is None else mask == 0 for mask in masks])
    errors = []  # by frame, (2, 2): unmasked and masked, background and people
    for number, motion in enumerate(motions, 1):
        inside = people[number, ::STEP, ::STEP]
        if inside.any() and not inside.all():
            left = [
                np.linalg.norm(motion[::STEP, ::STEP] - displacement(of.homographies[number], width, height), axis=2)
                for of in (unmasked, masked)
                if of.homographies is not None
            ]
            errors.append([[np.median(lengths[~inside]), np.median(lengths[inside])] for lengths in left])
    if not errors:
        raise ValueError("its boxes cover no part of a frame, or all of it")
    background, on_people = np.mean(errors, axis=0).T.tolist()
    n_on_people = [int(_on(people, of).sum()) for of in (unmasked, masked)]
    return Effect(
        persons=len(boxes) / len(frames),
        covered=float(people.mean()),
        background_error=Pair(*background),
        people_error=Pair(*on_people),
        background_trajectories=Pair(len(unmasked) - n_on_people[0], len(masked) - n_on_people[1]),
        people_trajectories=Pair(*n_on_people),
    )


def displacement(homography: np.ndarray, width: int, height: int) -> np.ndarray:
    """Where a homography (3, 3) moves every `STEP`-th pixel: (rows, columns, 2), x and y in pixels."""
    x, y = np.meshgrid(np.arange(0, width, STEP), np.arange(0, height, STEP))
    places = np.stack([x, y], axis=-1).astype(np.float64)
    return np.asarray(cv2.perspectiveTransform(places, homography) - places)


def optical_flow(frames: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """(H, W, 2) from each frame to the next, in pixels."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for before, after in pairwise(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames):
        yield flow.calc(before, after, None)  # type: ignore[call-overload]


def _on(people: np.ndarray, trajectories: idt_tools.Trajectories) -> np.ndarray:
    """(n,) bool: the trajectories that lie on `people` (T, H, W)."""
    middle = trajectories.info[:, 0].astype(int) - columns.TRACK_LENGTH // 2
    x, y = (np.clip(trajectories.info[:, 1 + i].round().astype(int), 0, people.shape[2 - i] - 1) for i in range(2))
    return np.asarray(people[middle, y, x])


def _flat(effect: Effect) -> dict[str, str]:
    """The numbers of a row of the TSV."""
    pairs = {f"{name}_{way}": value for name in MEASURES for way, value in getattr(effect, name)._asdict().items()}
    numbers = {"persons": effect.persons, "covered": effect.covered} | pairs
    return {name: f"{value:.6g}" for name, value in numbers.items()}


def table_rows(effects: Sequence[Effect]) -> list[dict[str, Any]]:
    """Of all videos, and of those that people fill as `FILLS` says: the name, their effects, the changes by measure."""
    rows: list[dict[str, Any]] = []
    for name, (low, high) in FILLS.items():
        some = [effect for effect in effects if low < effect.covered <= high]
        if some:
            changes = {measure: change([getattr(effect, measure) for effect in some]) for measure in MEASURES}
            rows.append({"name": name, "effects": some, "changes": changes})
    return rows


def change(pairs: Sequence[Pair]) -> Change:
    """Means over videos, and the percentile bootstrap interval of the mean difference; NaN of fewer than two."""
    unmasked, masked = np.reshape(pairs, (-1, 2)).T
    differences = masked - unmasked
    low = high = np.nan
    if len(pairs) > 1:
        draws = rng("people", len(pairs)).integers(len(pairs), size=(DRAWS, len(pairs)))
        low, high = np.quantile(differences[draws].mean(axis=1), (0.025, 0.975))
    return Change(*map(float, (unmasked.mean(), masked.mean(), differences.mean(), low, high)))


if __name__ == "__main__":
    command_line(measure_people)
