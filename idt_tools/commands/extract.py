"""`idt extract`: the trajectories of one or many videos, each to a file of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from .. import trajectory_files
from ..printable import say
from ..tracker import TrackerOptions, stream
from ..video import probe_video
from .files import CommandError, check_boxes, check_output, check_stems, readable
from .progress import Progress, for_each_video

Format = Literal["h5", "text"]
ENDINGS: dict[Format, str] = {"h5": ".h5", "text": ".txt"}


@dataclass(frozen=True)
class Extraction:
    """One video, the file its trajectories go to, and where its person boxes are: a file, an HDF5 group or a folder."""

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
    """Write the trajectories of each video to the file `output` or into the folder `output`; returns how many failed.

    A folder is meant by several videos, by a `/` at the end of `output`, or where there is one already: its files are
    `<stem>.h5` or `.txt`. What is there already stays as it is, unless `force`. `threads` videos are tracked at once.
    A video that fails is told of on stderr and does not stop the others. Raises CommandError before any work.
    """
    if threads < 1:
        raise CommandError(f"--threads {threads}: at least one thread is needed")
    work = _plan(videos, output, boxes, format)
    todo = [item for item in work if force or not os.path.exists(item.output)]
    n_written = for_each_video("track", {item.video: partial(_extract, item) for item in todo}, threads)
    n_kept = len(work) - len(todo)
    if n_kept or len(work) > 1:
        kept = f", {n_kept} there already (--force writes anew)" if n_kept else ""
        say(f"{n_written} of {len(work)} videos written{kept}")
    return len(todo) - n_written


def _plan(videos: Sequence[Path], output: str, boxes: Path | None, format: Format | None) -> list[Extraction]:
    """What is to be done, checked as far as can be without reading a video; makes the folder."""
    target = Path(output)
    several = len(videos) > 1 or output.endswith("/") or target.is_dir()
    check_boxes(boxes, several)
    if not several:
        of_ending = {ending: name for name, ending in ENDINGS.items()}
        chosen = format or of_ending.get(target.suffix)
        if chosen is None:
            raise CommandError(f"{output}: the name must end in .h5 or .txt, or in / for a folder; or give --format")
        check_output(target, videos[0], boxes and trajectory_files.split_group(boxes)[0])
        return [Extraction(videos[0], target, chosen, boxes, False)]

    check_stems(videos)
    if target.suffix in ENDINGS.values() and not target.is_dir():
        raise CommandError(f"{output}: for several videos -o is a folder, and this is the name of a file")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{output}: the folder cannot be made ({error.strerror})") from None
    if boxes and boxes.samefile(target):
        raise CommandError(f"{output}: it is the folder of the boxes; choose another")
    chosen = format or "h5"
    work = [Extraction(video, target / (video.stem + ENDINGS[chosen]), chosen, boxes, True) for video in videos]
    for item in work:
        check_output(item.output, item.video, boxes)
    return work


def _extract(item: Extraction, progress: Progress) -> str:
    """Track one video, write its file, and say so. Raises CommandError, VideoError, OSError or Stopped."""
    options = TrackerOptions()
    try:
        place = item.boxes and trajectory_files.find_boxes(item.boxes, item.video, item.one_of_several)
        boxes = trajectory_files.read_boxes(place) if place else None
    except ValueError as error:
        raise CommandError(f"{item.video}: {error}" if item.one_of_several else str(error)) from None
    header = probe_video(item.video)
    # Counted first, as column relative_time needs the number with the first row that is written, and headers claim
    # wrong ones. Decoding takes a small part of the time of tracking, and finds a broken video before it.
    counted = progress.count_frames(item.video)
    n_frames = counted.n_frames
    blocks = stream(progress.frames(item.video, n_frames), boxes, options=options, n_frames=n_frames)
    try:
        if item.format == "text":
            n_rows = trajectory_files.write_text_rows(item.output, blocks)
        else:
            n_rows = trajectory_files.write_hdf5_rows(
                item.output,
                blocks,
                options,
                video=readable(item.video.name),
                boxes=readable(place.name) if place else "",
                n_frames=n_frames,
                n_skipped=counted.n_skipped,
                fps=header.fps if header.exact else counted.fps,
                width=header.width,
                height=header.height,
            )
    except ValueError as error:  # frames that the tracker refuses
        raise CommandError(f"{item.video}: {error}") from None
    skipped = f", {counted.n_skipped} damaged frames skipped" if counted.n_skipped else ""
    return f"{item.output}: {n_rows} trajectories of {n_frames} frames{skipped}"
