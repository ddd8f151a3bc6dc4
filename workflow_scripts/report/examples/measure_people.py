"""Stage: measures, on some videos, how masking people changes the estimate of the camera's motion (paper 3.3).

Each video is tracked twice, with and without the mask, for at most `FRAMES` frames. This takes 2 to 4 seconds per video
of 320 x 240 pixels on one core.

The true motion of the camera is not known. The stage subtracts the homography from the optical flow. On the background,
the rest is the error of the homography. On people, the rest is their own motion, which the estimate should leave. The
flow is DIS (Kroeger et al. 2016), not the tracker's flow, which the homography is fitted to.
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
from workflow_scripts.report.examples.draw_examples import excerpt, first_results
from workflow_scripts.report.templates import render
from workflow_scripts.trajectories.describe_video import Video, shard_videos
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

log = logging.getLogger(__name__)

FRAMES = 75  # measured frames around the middle of a video
STEP = 4  # pixels between places where errors are measured, along each side
DRAWS = 2000  # bootstrap samples
FILLS = {
    "all": (0, 1),
    "< 10 %": (0, 0.1),
    "10 to 30 %": (0.1, 0.3),
    "> 30 %": (0.3, 1),
}  # fraction of the frame that people cover


class Pair(NamedTuple):
    """A quantity without and with the mask."""

    unmasked: float
    masked: float


@dataclass(frozen=True)
class Effect:
    """The effect of the mask on a video."""

    persons: float  # boxes per frame
    covered: float  # fraction of the frame in boxes, 0..1
    background_error: Pair  # pixels per frame: median outside the boxes, mean over the frames with boxes
    people_error: Pair  # the same inside the boxes
    background_trajectories: Pair  # number whose mean position is outside the boxes of their middle frame
    people_trajectories: Pair  # the same inside the boxes


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
    """Measures the effect of the mask on videos with detected people, of as many classes as possible.

    A hash of the ids chooses the videos. Videos that cannot be read or tracked are left out.

    Args:
        videos: Lists of the videos of shards.
        boxes: The persons stage's files of the same shards.
        output: HTML, a part of the report's page.
        table: TSV with a row per video.
        settings: Settings of the trajectories stage.
        n_videos: The most videos that are measured.
        reading: How videos are decoded.
    """
    cv2.setNumThreads(1)  # DIS depends on the number of threads
    videos_by_id: dict[str, Video] = {}
    for shard, people in zip(videos, boxes, strict=True):
        of_shard = shard_videos(shard, settings, people, reading)
        videos_by_id |= {
            name: video for name, video in of_shard.items() if video.boxes is not None and len(video.boxes)
        }
    effects = first_results(videos_by_id, _measure, n_videos)
    rows = [
        {"video_id": name, "label": videos_by_id[name].row.get("label", ""), **_flat(effects[name])} for name in effects
    ]
    names = [f"{measure}_{way}" for measure in MEASURES for way in Pair._fields]
    write_columns(table, rows, ["video_id", "label", "persons", "covered", *names])
    write_text(
        output, render("examples/people.html", rows=table_rows([*effects.values()]), measures=MEASURES, frames=FRAMES)
    )
    log.info("people: measured in %d of %d videos that show any", len(effects), len(videos_by_id))


def _measure(video: Video) -> Effect:
    start = max(0, (int(video.row["estimated_frames"]) - FRAMES) // 2)
    frames, boxes = excerpt(video, start, start + FRAMES)
    if boxes is None or not len(boxes):
        raise ValueError("it has no boxes around its middle")
    return mask_effect(frames, boxes, optical_flow(frames))


def mask_effect(frames: Sequence[np.ndarray], boxes: np.ndarray, motions: Iterable[np.ndarray]) -> Effect:
    """Tracks frames with and without the mask, and compares.

    Args:
        frames: (H, W, 3) uint8 RGB.
        boxes: (n, 6), as the persons stage stores them.
        motions: The motion from each frame to the next, (H, W, 2) in pixels, which the homographies are compared with.

    Raises:
        ValueError: No box covers a part of a frame, or the tracker refuses the frames.
    """
    unmasked, masked = (idt_tools.extract(frames, people) for people in (None, boxes))
    height, width = frames[0].shape[:2]
    masks = (background_mask(boxes_by_frame(boxes), number, height, width) for number in range(len(frames)))
    people = np.stack([np.zeros((height, width), bool) if mask is None else mask == 0 for mask in masks])
    errors = []  # (2, 2) per frame: unmasked and masked, background and people
    for number, motion in enumerate(motions, 1):
        inside = people[number, ::STEP, ::STEP]
        if inside.any() and not inside.all():
            residuals = [
                np.linalg.norm(
                    motion[::STEP, ::STEP] - displacement(result.homographies[number], width, height), axis=2
                )
                for result in (unmasked, masked)
                if result.homographies is not None
            ]
            errors.append([[np.median(lengths[~inside]), np.median(lengths[inside])] for lengths in residuals])
    if not errors:
        raise ValueError("its boxes cover no part of a frame, or all of it")
    background, on_people = np.mean(errors, axis=0).T.tolist()
    n_on_people = [int(_on(people, result).sum()) for result in (unmasked, masked)]
    return Effect(
        persons=len(boxes) / len(frames),
        covered=float(people.mean()),
        background_error=Pair(*background),
        people_error=Pair(*on_people),
        background_trajectories=Pair(len(unmasked) - n_on_people[0], len(masked) - n_on_people[1]),
        people_trajectories=Pair(*n_on_people),
    )


def displacement(homography: np.ndarray, width: int, height: int) -> np.ndarray:
    """The displacement of every `STEP`-th pixel of a frame by a homography.

    Args:
        homography: (3, 3).
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.

    Returns:
        (rows, columns, 2): x and y in pixels.
    """
    x, y = np.meshgrid(np.arange(0, width, STEP), np.arange(0, height, STEP))
    places = np.stack([x, y], axis=-1).astype(np.float64)
    return np.asarray(cv2.perspectiveTransform(places, homography) - places)


def optical_flow(frames: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The optical flow from each frame to the next, (H, W, 2) in pixels."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for before, after in pairwise(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames):
        yield flow.calc(before, after, None)  # type: ignore[call-overload]


def _on(people: np.ndarray, trajectories: idt_tools.Trajectories) -> np.ndarray:
    """Whether each trajectory lies on `people` (T, H, W): (n,) bool."""
    middle = trajectories.info[:, 0].astype(int) - columns.TRACK_LENGTH // 2
    x, y = (np.clip(trajectories.info[:, 1 + i].round().astype(int), 0, people.shape[2 - i] - 1) for i in range(2))
    return np.asarray(people[middle, y, x])


def _flat(effect: Effect) -> dict[str, str]:
    """The numbers of a row of the TSV."""
    pairs = {f"{name}_{way}": value for name in MEASURES for way, value in getattr(effect, name)._asdict().items()}
    numbers = {"persons": effect.persons, "covered": effect.covered} | pairs
    return {name: f"{value:.6g}" for name, value in numbers.items()}


def table_rows(effects: Sequence[Effect]) -> list[dict[str, Any]]:
    """A row per range of `FILLS` that has videos: `name`, `effects` of its videos, `changes` by measure."""
    rows: list[dict[str, Any]] = []
    for name, (low, high) in FILLS.items():
        in_range = [effect for effect in effects if low < effect.covered <= high]
        if in_range:
            changes = {measure: change([getattr(effect, measure) for effect in in_range]) for measure in MEASURES}
            rows.append({"name": name, "effects": in_range, "changes": changes})
    return rows


def change(pairs: Sequence[Pair]) -> Change:
    """Means over videos, and the percentile bootstrap interval of the mean difference (NaN for fewer than two)."""
    unmasked, masked = np.reshape(pairs, (-1, 2)).T
    differences = masked - unmasked
    low = high = np.nan
    if len(pairs) > 1:
        draws = rng("people", len(pairs)).integers(len(pairs), size=(DRAWS, len(pairs)))
        low, high = np.quantile(differences[draws].mean(axis=1), (0.025, 0.975))
    return Change(*map(float, (unmasked.mean(), masked.mean(), differences.mean(), low, high)))


if __name__ == "__main__":
    command_line(measure_people)
