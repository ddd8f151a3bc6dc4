"""The boxes of persons in every frame of a shard's videos (paper 3.3; appendix A shows how much masking helps).

In: a shard's list of videos. Out: persons/{detector}/{shard}.h5, per video id a group with `boxes` (n, 6) float32,
rows frame (from 0), x1, y1, x2, y2 (pixels), score; attributes status, reason, n_frames, n_skipped (damaged frames,
left out), width, height. If a video or its file of boxes cannot be read, the group has no boxes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import idt_tools
from idt_tools.attributes import write_attributes
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
    """Finds the persons in the videos of the list `videos` and writes their boxes to `output`, sorted by id.

    Results that are in `store` are not computed again.

    Args:
        videos: The list of the shard's videos.
        output: The HDF5 file that is written.
        store: Folder of the results of single videos.
        detector: A name in `detectors.DETECTORS`. With `files`, the boxes of each video are read from a file in the
            folder `settings.files`.
        settings: Settings of the stage.
        max_failed_fraction: Share of the videos that may be unreadable.
        threads: Videos that are processed at a time.
        reading: Which videos are refused.

    Raises:
        StageError: The detector cannot be used here, or the folder holds no boxes. It is raised before any work.
    """
    rows = {row["video_id"]: row for row in read_columns(videos)}
    if detector == "files":
        files: dict[str, Path | None] = {}
        parameters: dict[str, Any] = {"detector": "files"}

        def key(name: str) -> str:
            files[name] = find_file(Path(settings.files), rows[name])
            return digest(VERSIONS["detect_persons"], parameters, attributes_of(rows[name]), file_stamp(files[name]))

        keys, unread = keys_by_video(rows, key)
        if rows and not unread and not any(files.values()):
            require_boxes(Path(settings.files), rows)

        def compute(name: str) -> Result:
            return boxes_of_file(files[name], rows[name])

    else:
        if settings.stride < 1:
            raise StageError(f"persons.stride must be at least 1, not {settings.stride}")
        finder = make_detector(detector, settings)
        parameters = {"stride": settings.stride, **finder.parameters}
        keys = {
            name: digest(VERSIONS["detect_persons"], parameters, reading, attributes_of(row))
            for name, row in rows.items()
        }
        unread = {}

        def compute(name: str) -> Result:
            return boxes_of(idt_tools.read_video(rows[name]["path"], **vars(reading)), finder, settings.stride)

    results = process_shard(
        store,
        keys,
        compute,
        stage="persons",
        threads=threads,
        max_failed_fraction=max_failed_fraction,
        unread=unread,
    )
    _write_boxes(output, results, keys, parameters)


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


def boxes_of(frames: Iterable[np.ndarray], finder: Detector, stride: int) -> Result:
    """The boxes of a video's frames, (H, W, 3) uint8 RGB, found in every `stride`-th and the last, carried between.

    A status and reason instead where the frames cannot be read (idt_tools.VideoError).
    """
    looked_at: list[int] = []
    n_frames = width = height = 0

    def to_look_at() -> Iterator[np.ndarray]:
        nonlocal n_frames, width, height
        for number, frame in enumerate(frames):
            n_frames, (height, width) = number + 1, frame.shape[:2]
            if number % stride == 0:
                looked_at.append(number)
                yield frame
        if n_frames and number not in looked_at[-1:]:
            looked_at.append(number)
            yield frame

    try:
        found = finder.detect(to_look_at())
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    boxes = carry_boxes(dict(zip(looked_at, found, strict=True)))
    seen: dict[str, str | int | float] = {"n_frames": n_frames, "width": width, "height": height}
    if isinstance(frames, idt_tools.VideoFrames):
        seen["n_skipped"] = frames.n_skipped
    return Result(arrays={"boxes": boxes}, attributes=seen)


if __name__ == "__main__":
    command_line(detect_persons)
