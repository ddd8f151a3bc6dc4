"""Finds the persons in every frame of a shard's videos (paper 3.3; appendix A shows how much masking helps).

In: a shard's list of videos. Out: persons/{detector}/{shard}.h5 with a group per video id. Its `boxes` (n, 6) float32
are rows of frame (from 0), x1, y1, x2, y2 (pixels), score; its attributes are status, reason, n_frames, n_skipped
(damaged frames, which are left out), width, height. The group has no boxes if a video or its boxes cannot be read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

import idt_tools
from idt_tools.attributes import write_attributes
from idt_tools.reading import ReadingFailed
from workflow_scripts.ground.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.work_keys import attributes_of, file_stamp, keys_by_video
from workflow_scripts.persons.box_files import boxes_of_file, find_file, require_boxes
from workflow_scripts.persons.boxes import boxes_between, carry_boxes
from workflow_scripts.persons.detectors import Detector, make_detector
from workflow_scripts.persons.settings import VERSIONS, PersonsSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

MEANING = "rows of frame (from 0), x1, y1, x2, y2 (pixels), score; sorted by frame, best first"


class _Work(NamedTuple):
    """The computation of the boxes of a shard's videos, as arguments of `process_shard`."""

    parameters: dict[str, Any]
    compute: Callable[[str], Result]
    keys: dict[str, str]
    unread: Mapping[str, ReadingFailed]


def detect_persons(
    videos: Path,
    output: Path,
    store: Path,
    detector: str,
    settings: PersonsSettings,
    max_failed_fraction: float = 1.0,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Finds the persons in the videos of the list `videos` and writes their boxes to `output`, sorted by video id.

    Args:
        videos: The list of the shard's videos.
        output: The HDF5 file that is written.
        store: The record file of the results of single videos, which are not computed again.
        detector: A name in `detectors.DETECTORS`. `files` reads the boxes from the folder `settings.files`.
        settings: Settings of the stage.
        max_failed_fraction: Largest share of the videos that may be unreadable.
        threads: Number of videos that are processed at once.
        reading: Limits of the videos that are read.

    Raises:
        StageError: The detector cannot be used here, or the folder holds no boxes. It is raised before any work.
    """
    rows = {row["video_id"]: row for row in read_columns(videos)}
    if detector == "files":
        work = _read_files(rows, Path(settings.files))
    else:
        work = _run_detector(rows, detector, settings, reading)
    results = process_shard(
        store,
        work.keys,
        work.compute,
        stage="persons",
        threads=threads,
        max_failed_fraction=max_failed_fraction,
        unread=work.unread,
    )
    _write_boxes(output, results, work.keys, work.parameters)


def _read_files(rows: dict[str, dict[str, str]], folder: Path) -> _Work:
    files: dict[str, Path | None] = {}
    parameters = {"detector": "files"}

    def key(name: str) -> str:
        files[name] = find_file(folder, rows[name])
        return digest(VERSIONS["detect_persons"], parameters, attributes_of(rows[name]), file_stamp(files[name]))

    keys, unread = keys_by_video(rows, key)
    if rows and not unread and not any(files.values()):
        require_boxes(folder, rows)
    return _Work(parameters, lambda name: boxes_of_file(files[name], rows[name]), keys, unread)


def _run_detector(
    rows: dict[str, dict[str, str]], detector: str, settings: PersonsSettings, reading: ReadingSettings
) -> _Work:
    if settings.stride < 1:
        raise StageError(f"persons.stride must be at least 1, not {settings.stride}")
    person_detector = make_detector(detector, settings)
    parameters = {"stride": settings.stride, **person_detector.parameters}
    if settings.adaptive:
        parameters["adaptive"] = settings.adaptive

    def compute(name: str) -> Result:
        frames = idt_tools.read_video(rows[name]["path"], **vars(reading))
        return boxes_of(frames, person_detector, settings.stride, settings.adaptive)

    keys = {
        name: digest(VERSIONS["detect_persons"], parameters, reading, attributes_of(row)) for name, row in rows.items()
    }
    return _Work(parameters, compute, keys, {})


def _write_boxes(
    output: Path, results: Iterable[tuple[str, Result]], keys: dict[str, str], parameters: dict[str, Any]
) -> None:
    with write_hdf5(output, stage="persons", version=VERSIONS["detect_persons"], parameters=parameters) as file:
        for name, result in results:
            group = file.create_group(name)
            boxes = result.arrays.get("boxes", np.zeros((0, 6), np.float32))
            dataset(group, "boxes", boxes, unit="pixel", meaning=MEANING)
            outcome = {"status": result.status, "reason": result.reason, "key": keys[name]}
            write_attributes(
                group, {"n_frames": 0, "width": 0, "height": 0, "n_skipped": 0, **result.attributes, **outcome}
            )


def boxes_of(frames: Iterable[np.ndarray], detector: Detector, stride: int, adaptive: float = 0) -> Result:
    """Returns the boxes of the persons in all frames, (H, W, 3) uint8 RGB, of a video.

    Every `stride`-th frame and the last one are candidates. The detector gets the first one, and those that differ from
    the last frame that it got by at least `adaptive` grey values, 0..255, in the mean of a reduced grey picture. In the
    other candidates, boxes move as far to those of the next frame that the detector got as the picture has changed.
    After the last such frame they stay. Between the candidates, boxes move evenly.

    If the frames cannot be read (idt_tools.VideoError), the result has a status and a reason instead.
    """
    detected: list[int] = []  # numbers of the frames that the detector got
    skipped: list[dict[int, float]] = []  # weights of the candidates after each of them, by number: see `boxes_between`
    n_frames = width = height = 0

    def frames_to_detect() -> Iterator[np.ndarray]:
        nonlocal n_frames, width, height
        last = np.zeros(0)  # the reduced picture of the last frame that the detector got
        for number, frame in _candidates(frames, stride):
            n_frames, (height, width) = number + 1, frame.shape[:2]
            picture = _reduced(frame) if adaptive else last
            if adaptive and detected:
                change = float(np.abs(picture - last).mean())
                if change < adaptive:
                    skipped[-1][number] = change
                    continue
                skipped[-1] = {between: earlier / change for between, earlier in skipped[-1].items()}
            detected.append(number)
            skipped.append({})
            last = picture
            yield frame
        if skipped:
            skipped[-1] = dict.fromkeys(skipped[-1], 0.0)

    try:
        detections = detector.detect(frames_to_detect())
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    boxes = dict(zip(detected, detections, strict=True))
    for (before, after), weights in zip(pairwise([*detections, *detections[-1:]]), skipped, strict=True):
        boxes.update(zip(weights, boxes_between(before, after, weights.values()), strict=True))
    attributes: dict[str, str | int | float] = {"n_frames": n_frames, "width": width, "height": height}
    if isinstance(frames, idt_tools.VideoFrames):
        attributes["n_skipped"] = frames.n_skipped
    return Result(arrays={"boxes": carry_boxes(boxes)}, attributes=attributes)


def _candidates(frames: Iterable[np.ndarray], stride: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields every `stride`-th frame and the last one, each with its number."""
    number = 0
    for number, frame in enumerate(frames):
        if number % stride == 0:
            yield number, frame
    if number % stride:
        yield number, frame


def _reduced(frame: np.ndarray) -> np.ndarray:
    """Returns a frame as a grey picture of (48, 64) float32, 0..255, in which little of the noise is left."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (64, 48), interpolation=cv2.INTER_AREA).astype(np.float32)


if __name__ == "__main__":
    command_line(detect_persons)
