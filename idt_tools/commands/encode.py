"""`idt encode`: computes the sketches of videos with a codebook."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from .. import trajectory_files
from ..attributes import fixed_length, read_attributes, write_attributes
from ..codebook import Codebook, Encoder
from ..printable import print_safely
from ..reading import ReadingFailed, size_and_time
from ..tracked import Undescribed, check_size, checked, track
from ..untrusted_hdf5 import TEXT, checked_array, opened_hdf5
from ..video import VideoError, probe_video
from ..whole_file import whole_file
from .files import CommandError, check_boxes, check_output, readable
from .progress import Progress, for_each_video

VERSION = 1  # raised when the same video gives another sketch
SAVE_SECONDS = 60  # a kill loses at most this much work
MEANING = {  # the datasets of the file, with a row per video
    "video": "the videos, as they were named",
    "sketch": "count sketch of the normalised Fisher vector; zeros where it failed",
    "n_trajectories": "trajectories that the sketch averages",
    "status": "ok, or why there is no sketch",
    "reason": "the same in words",
    "stamp": "bytes and time (ns) of the video's file, then of the file of its boxes; zeros where there is none",
}


@dataclass(frozen=True)
class Sketch:
    """The outcome of a video. `values` is (2000,) float32 if the status is ok."""

    status: str
    reason: str = ""
    n_trajectories: int = 0
    values: np.ndarray | None = None
    stamp: tuple[int, ...] = (0, 0, 0, 0)  # as in MEANING


@dataclass
class Sketches:
    """The sketches by video, and the file that stores them."""

    codebook: Encoder
    boxes: Path | None
    several: bool
    output: Path | None = None
    rows: dict[str, Sketch] = field(default_factory=dict)
    saved: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def attributes(self) -> dict[str, str | int]:
        """Returns the attributes that all sketches of a file share."""
        parameters = json.dumps({"persons": "masked" if self.boxes else "not masked"})
        codebook = self.codebook.digest()
        return {"stage": "idt encode", "VERSION": VERSION, "parameters": parameters, "input_codebook": codebook}

    def boxes_of(self, video: Path) -> Path | None:
        """Returns the path of a video's boxes, None without boxes. Raises ValueError or ReadingFailed."""
        return trajectory_files.find_boxes(self.boxes, video, self.several) if self.boxes else None

    def stamp(self, video: Path) -> tuple[int, ...]:
        """Returns the sizes and times of a video and its boxes, as in MEANING. Raises ValueError or ReadingFailed."""
        boxes = self.boxes_of(video)
        numbers: list[int] = []
        for path in (video, boxes and trajectory_files.split_group(boxes)[0]):
            numbers += size_and_time(path) if path else (0, 0)
        return tuple(numbers)

    def is_done(self, video: Path) -> bool:
        """Returns whether there is a sketch of the present content of a video."""
        sketch = self.rows.get(readable(video))
        try:
            return sketch is not None and sketch.status == "ok" and sketch.stamp == self.stamp(video)
        except (ValueError, ReadingFailed):
            return False  # encoding it reports the error


def encode_videos(
    videos: Sequence[Path],
    codebook: Path,
    output: Path | None = None,
    *,
    boxes: Path | None = None,
    threads: int = 1,
    force: bool = False,
) -> int:
    """Writes the sketches of videos to an HDF5 file, or prints the sketch of one video. Returns how many failed.

    A video that fails is reported on stderr and has its status in the file; the next call tries it again. A video that
    the operating system could not read changes nothing in the file.

    Args:
        videos: the video files.
        codebook: the codebook's HDF5 file.
        output: the file to write. Its sketches stay, except those of videos or boxes that have changed.
        boxes: the person boxes (see `find_boxes`).
        threads: how many videos are encoded at once.
        force: whether existing sketches are computed again.

    Raises:
        CommandError, ValueError: before any work, if an argument is wrong.
    """
    videos = list(dict.fromkeys(videos))
    if threads < 1:
        raise CommandError(f"--threads {threads}: at least one thread is needed")
    if output is None and len(videos) > 1:
        raise CommandError("the sketches of several videos need a file: give -o OUT.h5")
    if output and output.suffix != ".h5":
        raise CommandError(f"{output}: the name must end in .h5")
    check_boxes(boxes, several=len(videos) > 1)
    if output:
        check_output(output, codebook, boxes and trajectory_files.split_group(boxes)[0], *videos)
    sketches = Sketches(Codebook.load(codebook), boxes, len(videos) > 1, output)
    if output and output.exists() and not force:
        sketches.rows = _existing_sketches(output, sketches.attributes())
    _warn_of_masking(codebook, boxes)
    missing = [video for video in videos if not sketches.is_done(video)]
    try:
        with threadpool_limits(1):  # one thread per matrix product, so that `threads` changes no byte
            work = {video: partial(_encode, video, sketches) for video in missing}
            n_encoded = for_each_video("encode", work, threads)
    finally:  # on Ctrl-C too
        if output and missing and sketches.rows:
            _save(sketches)
    if output:
        n_present = len(videos) - len(missing)
        present = f", {n_present} existed (--force encodes them again)" if n_present else ""
        print_safely(f"{output}: {n_encoded} of {len(videos)} videos encoded{present}")
    return len(missing) - n_encoded


def _encode(video: Path, sketches: Sketches, progress: Progress) -> str:
    """Encodes one video, stores its sketch and returns the line to print. Raises CommandError or ReadingFailed."""
    sketch = _sketch(video, sketches, progress)
    with sketches.lock:
        sketches.rows[readable(video)] = sketch
        if sketches.output and time.monotonic() - sketches.saved > SAVE_SECONDS:
            _save(sketches)
    if sketch.values is None:
        raise CommandError(f"{video}: {sketch.reason} ({sketch.status})")
    if sketches.output is None:
        return "\t".join(f"{value:.9g}" for value in sketch.values.tolist())  # 9 digits identify a float32
    return f"{video}: {sketch.n_trajectories} trajectories"


def _sketch(video: Path, sketches: Sketches, progress: Progress) -> Sketch:
    """Returns the sketch of a video, or the status and reason of its failure. Memory does not grow with its length."""
    n_rows = 0

    def descriptors(width: int, height: int, n_frames: int) -> Iterator[np.ndarray]:
        nonlocal n_rows
        check_size(width, height)
        for block in checked(track(progress.frames(video, n_frames), boxes)):
            n_rows += len(block)
            yield block.descriptors

    try:
        stamp = sketches.stamp(video)
        box_file = sketches.boxes_of(video)
        boxes = trajectory_files.read_boxes(box_file) if box_file else None
    except ValueError as error:
        return Sketch("no_boxes", str(error))
    try:
        header = probe_video(video)
        values = sketches.codebook.encode(descriptors(header.width, header.height, header.n_frames))
    except (Undescribed, VideoError) as error:
        return Sketch(error.status, error.reason)
    if not np.isfinite(values).all():
        return Sketch("not_finite", "a descriptor is not a finite number")
    return Sketch("ok", "", n_rows, values, stamp)


def _save(sketches: Sketches) -> None:
    """Writes all sketches to the file. Raises OSError if it cannot be written."""
    assert sketches.output
    rows = sketches.rows.values()
    zeros = np.zeros(sketches.codebook.sketch_dimension, np.float32)
    arrays = {
        "video": np.array([*sketches.rows]),
        "sketch": np.array([zeros if row.values is None else row.values for row in rows]),
        "n_trajectories": np.array([row.n_trajectories for row in rows], np.int64),
        "status": np.array([row.status for row in rows]),
        "reason": np.array([row.reason for row in rows]),
        "stamp": np.array([row.stamp for row in rows], np.int64),
    }
    with whole_file(sketches.output) as raw, h5py.File(raw, "w", libver=("v110", "v110")) as file:
        write_attributes(file, sketches.attributes())
        for name, array in arrays.items():
            data = fixed_length(array) if array.dtype.kind == "U" else array
            dataset = file.create_dataset(name, data=data, chunks=True, fletcher32=True, track_times=False)
            write_attributes(dataset, {"meaning": MEANING[name]})
    sketches.saved = time.monotonic()


def _existing_sketches(output: Path, attributes: dict[str, str | int]) -> dict[str, Sketch]:
    """Returns the sketches in the file. Raises CommandError if they were made with other `attributes`."""
    try:
        with opened_hdf5(output) as file:
            present = read_attributes(file)
            different = [name for name, value in attributes.items() if present.get(name) != value]
            if not different:
                texts = [checked_array(file, name, TEXT) for name in ("video", "status", "reason")]
                numbers = [checked_array(file, name) for name in ("n_trajectories", "sketch", "stamp")]
    except ValueError as error:
        raise CommandError(f"{output}: it exists and cannot be read ({error}); --force replaces it") from None
    if different:
        origin = "with another codebook, or with other --boxes"
        if "VERSION" in different:
            origin = "by another version of idt"
        if "stage" in different:
            origin = "by another program"
        raise CommandError(f"{output}: it exists and was made {origin}; choose another name, or --force")
    return {
        name: Sketch(status, reason, int(count), values if status == "ok" else None, tuple(stamp.tolist()))
        for name, status, reason, count, values, stamp in zip(*texts, *numbers, strict=True)
    }


def _warn_of_masking(codebook: Path, boxes: Path | None) -> None:
    """Warns on stderr if people were masked for the codebook's sample but not for these videos, or the reverse."""
    with h5py.File(codebook, "r") as file:
        persons = read_attributes(file).get("persons")
    if persons == "masked" and boxes is None:
        print_safely(
            f"warning: {codebook}: The codebook was fitted with people masked, but you gave no --boxes. These sketches "
            "therefore differ from those of its sample. `idt boxes VIDEO --detector hog -o people/` finds the people, "
            "and --boxes people/ masks them.",
            sys.stderr,
        )
    if persons == "not masked" and boxes is not None:
        print_safely(
            f"warning: {codebook}: The codebook was fitted without masking people, but you gave --boxes. These "
            "sketches therefore differ from those of its sample. Leave --boxes out.",
            sys.stderr,
        )
