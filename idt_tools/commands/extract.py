"""`idt extract`: writes the trajectories of videos, a file per video."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from .. import trajectory_files
from ..printable import print_safely
from ..read_ahead import read_ahead
from ..tracker import TrackerOptions, stream
from ..video import probe_video, read_video
from .files import CommandError, check_boxes, check_output, check_stems, readable
from .progress import Progress, for_each_video

Format = Literal["h5", "text"]
ENDINGS: dict[Format, str] = {"h5": ".h5", "text": ".txt"}


@dataclass(frozen=True)
class Extraction:
    """A video, the file for its trajectories, and the path of its person boxes: a file, an HDF5 group or a folder."""

    video: Path
    output: Path
    format: Format
    boxes: Path | None
    one_of_several: bool


def extract_videos(
    videos: Sequence[Path],
    output: str,
    *,
    boxes: Path | None = None,
    format: Format | None = None,
    threads: int = 1,
    force: bool = False,
) -> int:
    """Writes the trajectories of each video to a file. Returns how many videos failed.

    A video that fails is reported on stderr and does not stop the others.

    Args:
        videos: the video files.
        output: the file to write; or a folder, if there are several videos, if it ends in `/` or if it is a folder
            already. The files in a folder are `<stem>.h5` or `<stem>.txt`.
        boxes: the person boxes (see `find_boxes`).
        format: the format; by default that of the ending of `output`, and h5 in a folder.
        threads: how many videos are tracked at once. If fewer are left to track, some of them get two threads.
        force: whether existing files are overwritten.

    Raises:
        CommandError: before any work, if an argument is wrong.
    """
    if threads < 1:
        raise CommandError(f"--threads {threads}: at least one thread is needed")
    extractions = _plan(videos, output, boxes, format)
    missing = [item for item in extractions if force or not os.path.exists(item.output)]
    n_spare = threads - len(missing)
    work = {item.video: partial(_extract, item, 2 if i < n_spare else 1) for i, item in enumerate(missing)}
    n_written = for_each_video("track", work, threads)
    n_present = len(extractions) - len(missing)
    if n_present or len(extractions) > 1:
        present = f", {n_present} existed (--force overwrites them)" if n_present else ""
        print_safely(f"{n_written} of {len(extractions)} videos written{present}")
    return len(missing) - n_written


def _plan(videos: Sequence[Path], output: str, boxes: Path | None, format: Format | None) -> list[Extraction]:
    """Returns the extractions, checked without reading a video, and makes the folder."""
    target = Path(output)
    several = len(videos) > 1 or output.endswith("/") or target.is_dir()
    check_boxes(boxes, several)
    if not several:
        format_of_ending = {ending: name for name, ending in ENDINGS.items()}
        format = format or format_of_ending.get(target.suffix)
        if format is None:
            raise CommandError(f"{output}: the name must end in .h5 or .txt, or in / for a folder; or give --format")
        check_output(target, videos[0], boxes and trajectory_files.split_group(boxes)[0])
        return [Extraction(videos[0], target, format, boxes, False)]

    check_stems(videos)
    if target.suffix in ENDINGS.values() and not target.is_dir():
        raise CommandError(f"{output}: for several videos -o must be a folder, not a file")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{output}: the folder cannot be made ({error.strerror})") from None
    if boxes and boxes.samefile(target):
        raise CommandError(f"{output}: it is the folder of the boxes; choose another")
    format = format or "h5"
    extractions = [Extraction(video, target / (video.stem + ENDINGS[format]), format, boxes, True) for video in videos]
    for item in extractions:
        check_output(item.output, item.video, boxes)
    return extractions


def _extract(item: Extraction, threads: int, progress: Progress) -> str:
    """Tracks one video in 1 or 2 threads, writes its file and returns the line to print.

    Raises CommandError, VideoError, OSError or Stopped.
    """
    options = TrackerOptions()
    try:
        box_file = item.boxes and trajectory_files.find_boxes(item.boxes, item.video, item.one_of_several)
        boxes = trajectory_files.read_boxes(box_file) if box_file else None
    except ValueError as error:
        raise CommandError(f"{item.video}: {error}" if item.one_of_several else str(error)) from None
    header = probe_video(item.video)
    frames = read_video(item.video)
    try:
        # Closed at once, because the threads of a refused video would wait until the garbage collection.
        with contextlib.ExitStack() as closed:
            frames_ahead = closed.enter_context(contextlib.closing(read_ahead(frames)))
            shown = progress.shown(frames_ahead, item.video, header.n_frames)
            blocks = closed.enter_context(contextlib.closing(stream(shown, boxes, options=options, threads=threads)))
            if item.format == "text":
                n_rows = trajectory_files.write_text_rows(item.output, blocks, lambda: frames.n_frames)
            else:
                n_rows = trajectory_files.write_hdf5_rows(
                    item.output,
                    blocks,
                    options,
                    lambda: {
                        "video": readable(item.video.name),
                        "boxes": readable(box_file.name) if box_file else "",
                        "n_frames": frames.n_frames,
                        "n_skipped": frames.n_skipped,
                        "fps": header.fps if header.exact else frames.fps,
                        "width": header.width,
                        "height": header.height,
                    },
                )
    except ValueError as error:  # the tracker refuses a frame
        raise CommandError(f"{item.video}: {error}") from None
    skipped = f", {frames.n_skipped} damaged frames skipped" if frames.n_skipped else ""
    return f"{item.output}: {n_rows} trajectories of {frames.n_frames} frames{skipped}"
