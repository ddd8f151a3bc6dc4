"""`idt boxes --detector`: the people in new videos, found as the pipeline's persons stage finds them."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..person_boxes import write_bb
from ..video import probe_video
from .files import CommandError, check_output, check_stems
from .progress import Progress, for_each_video

DETECTORS = ("hog", "torchvision", "detectron2")


def detect_boxes(
    videos: Sequence[Path], output: Path, detector: str, *, stride: int = 1, threads: int = 1, force: bool = False
) -> int:
    """Write the people in each video to the folder `output` as `<stem>.bb`; returns how many videos failed.

    `detector` is one of DETECTORS, with the settings that the pipeline has by default. It looks at every `stride`-th
    frame, and boxes are carried between. What is there already stays as it is, unless `force`. A video that fails is
    told of on stderr and does not stop the others. Raises CommandError before any work.
    """
    if threads < 1 or stride < 1:
        raise CommandError(f"--threads {threads}, --stride {stride}: at least 1 is needed")
    check_stems(videos)
    finder = _detector(detector, stride)
    output.mkdir(parents=True, exist_ok=True)
    targets = {video: output / f"{video.stem}.bb" for video in videos}
    for video, target in targets.items():
        check_output(target, video)
    todo = {video: target for video, target in targets.items() if force or not os.path.exists(target)}
    work = {video: partial(_detect, video, target, finder, stride) for video, target in todo.items()}
    n_written = for_each_video("find people", work, threads)
    n_present = len(videos) - len(todo)
    present = f", {n_present} there already (--force writes anew)" if n_present else ""
    print(f"{output}: boxes of {n_written} of {len(videos)} videos written{present}")
    return len(todo) - n_written


def _detector(name: str, stride: int) -> Any:
    """The pipeline's detector, which `idt` needs for this alone. Raises CommandError where it cannot work here."""
    try:
        from workflow_scripts.ground.stage import StageError
        from workflow_scripts.persons.detectors import make_detector
        from workflow_scripts.persons.settings import PersonsSettings
    except ImportError as error:
        raise CommandError(
            f"--detector {name}: it is part of the pipeline, which is not installed here ({error}); install all of "
            "this project, or give --boxes of another detector to the other commands"
        ) from None
    try:
        return make_detector(name, PersonsSettings(stride=stride))
    except StageError as error:
        raise CommandError(str(error)) from None


def _detect(video: Path, target: Path, finder: Any, stride: int, progress: Progress) -> str:
    """Find the people in one video, write its file, and say so. Raises CommandError, VideoError or OSError."""
    from workflow_scripts.persons.detect_persons import boxes_of

    result = boxes_of(progress.frames(video, probe_video(video).n_frames), finder, stride)
    if result.status != "ok":
        raise CommandError(f"{video}: {result.reason}")
    boxes = result.arrays["boxes"]
    n_frames, width, height = (int(result.attributes[name]) for name in ("n_frames", "width", "height"))
    write_bb(target, boxes, n_frames, width, height)
    return f"{target}: {len(boxes)} boxes in {n_frames} frames"
