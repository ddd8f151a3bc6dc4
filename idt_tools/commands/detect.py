"""`idt boxes --detector`: finds the people in videos, by a detector of another package.

idt_tools has no detector. A package offers detectors by an entry point of the group DETECTOR_GROUP: a
function `(detector's name, stride) -> BoxFinder`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np

from ..person_boxes import write_bb
from ..printable import print_safely
from ..video import probe_video
from .files import CommandError, check_output, check_stems
from .progress import Progress, for_each_video

DETECTOR_GROUP = "idt_tools.detectors"

BoxFinder = Callable[[Iterable[np.ndarray]], np.ndarray]
"""Frames (H, W, 3) uint8 RGB of a video to its boxes (n, 6). Raises ValueError for a video that cannot be read."""


def detect_boxes(
    videos: Sequence[Path], output: Path, detector: str, *, stride: int = 1, threads: int = 1, force: bool = False
) -> int:
    """Writes the people in each video to the folder `output` as `<stem>.bb`; returns how many videos failed.

    A video that fails is reported on stderr and does not stop the others.

    Args:
        videos: the video files.
        output: the folder of the box files.
        detector: the name of the detector.
        stride: the detector gets every `stride`-th frame; boxes are interpolated between these.
        threads: how many videos are read at once.
        force: whether existing files are overwritten.

    Raises:
        CommandError: before any work, if an argument is wrong or the detector cannot work here.
    """
    if threads < 1 or stride < 1:
        raise CommandError(f"--threads {threads}, --stride {stride}: at least 1 is needed")
    check_stems(videos)
    find_boxes = _load_detector(detector, stride)
    output.mkdir(parents=True, exist_ok=True)
    targets = {video: output / f"{video.stem}.bb" for video in videos}
    for video, target in targets.items():
        check_output(target, video)
    missing = {video: target for video, target in targets.items() if force or not os.path.exists(target)}
    work = {video: partial(_detect, video, target, find_boxes) for video, target in missing.items()}
    n_written = for_each_video("find people", work, threads)
    n_present = len(videos) - len(missing)
    present = f", {n_present} existed (--force overwrites them)" if n_present else ""
    print_safely(f"{output}: boxes of {n_written} of {len(videos)} videos written{present}")
    return len(missing) - n_written


def _load_detector(name: str, stride: int) -> BoxFinder:
    """Returns the detector called `name`. Raises CommandError if it is not installed or cannot work here."""
    packages = entry_points(group=DETECTOR_GROUP)
    try:
        make_finders = [package.load() for package in packages]
    except ImportError as error:
        raise CommandError(f"--detector {name}: its package cannot be imported ({error}); install it again") from None
    if not make_finders:
        raise CommandError(
            f"--detector {name}: no detector is installed; install the pipeline, or give the boxes of another detector "
            "to the other commands by --boxes"
        )
    finder: BoxFinder = make_finders[0](name, stride)
    return finder


def _detect(video: Path, target: Path, find_boxes: BoxFinder, progress: Progress) -> str:
    """Finds the people in one video, writes its file and returns the line to print. Raises CommandError or OSError."""
    n_frames = width = height = 0

    def counted() -> Iterable[np.ndarray]:
        nonlocal n_frames, width, height
        for frame in progress.frames(video, probe_video(video).n_frames):
            n_frames, (height, width) = n_frames + 1, frame.shape[:2]
            yield frame

    try:
        boxes = find_boxes(counted())
    except ValueError as error:
        raise CommandError(f"{video}: {error}") from None
    write_bb(target, boxes, n_frames, width, height)
    return f"{target}: {len(boxes)} boxes in {n_frames} frames"
