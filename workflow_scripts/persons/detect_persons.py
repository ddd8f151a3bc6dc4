"""Finds the persons in every frame of a shard's videos (paper 3.3; appendix A shows how much masking helps).

In: a shard's list of videos. Out: persons/{detector}/{shard}.h5 with a group per video id. Its `boxes` (n, 6) float32
are rows of frame (from 0), x1, y1, x2, y2 (pixels), score; its attributes are status, reason, n_frames, n_skipped
(damaged frames, which are left out), width, height. The group has no boxes if a video or its boxes cannot be read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
from workflow_scripts.persons.boxes import carry_boxes
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

    def compute(name: str) -> Result:
        return boxes_of(idt_tools.read_video(rows[name]["path"], **vars(reading)), person_detector, settings.stride)

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


def boxes_of(frames: Iterable[np.ndarray], detector: Detector, stride: int) -> Result:
    """Returns the boxes of the persons in all frames, (H, W, 3) uint8 RGB, of a video.

    The detector gets every `stride`-th frame and the last one; boxes are interpolated between them. If the frames
    cannot be read (idt_tools.VideoError), the result has a status and a reason instead.
    """
    detected_frames: list[int] = []
    n_frames = width = height = 0

    def frames_to_detect() -> Iterator[np.ndarray]:
        nonlocal n_frames, width, height
        for number, frame in enumerate(frames):
            n_frames, (height, width) = number + 1, frame.shape[:2]
            if number % stride == 0:
                detected_frames.append(number)
                yield frame
        if n_frames and number not in detected_frames[-1:]:
            detected_frames.append(number)
            yield frame

    try:
        detections = detector.detect(frames_to_detect())
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    boxes = carry_boxes(dict(zip(detected_frames, detections, strict=True)))
    attributes: dict[str, str | int | float] = {"n_frames": n_frames, "width": width, "height": height}
    if isinstance(frames, idt_tools.VideoFrames):
        attributes["n_skipped"] = frames.n_skipped
    return Result(arrays={"boxes": boxes}, attributes=attributes)


if __name__ == "__main__":
    command_line(detect_persons)
