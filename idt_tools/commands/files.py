"""Checks of the files that a command names, with errors of one sentence, and printable file names."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..trajectory_files import split_group


class CommandError(Exception):
    """An error for the user, in one sentence that names the file."""


def sentence(error: Exception) -> str:
    """Returns the text of an error. For an OSError this is the file and the reason, without the number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def readable(name: Path | str) -> str:
    """Returns a path or file name as valid UTF-8; bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def check_output(output: Path, *inputs: Path | None) -> None:
    """Raises CommandError if `output` cannot be written or is one of the inputs."""
    if not output.parent.is_dir():
        raise CommandError(f"{output.parent}: there is no such folder to write to; make it first")
    if not os.access(output.parent, os.W_OK):
        raise CommandError(f"{output.parent}: this folder is not writable; choose another")
    if os.path.isdir(output):  # Path.is_dir raises if the name is too long; writing reports that
        raise CommandError(f"{output}: it is a folder; name a file")
    for path in inputs:
        if path and os.path.exists(path) and os.path.exists(output) and path.samefile(output):
            raise CommandError(f"{output}: it is the input {path}; choose another name")


def check_stems(videos: Sequence[Path]) -> None:
    """Raises CommandError if two videos have the same stem, since their files in a folder are named after it."""
    duplicates = [stem for stem, times in Counter(video.stem for video in videos).items() if times > 1]
    if duplicates:
        names = " and ".join(str(video) for video in videos if video.stem == duplicates[0])
        raise CommandError(f"{names} would be written to one file {duplicates[0]}; write them to different folders")


def check_boxes(boxes: Path | None, several: bool) -> None:
    """Raises CommandError if `boxes` cannot hold the boxes of one or of `several` videos."""
    if boxes and not split_group(boxes)[0].exists():
        raise CommandError(f"{boxes}: there is no such file or folder of boxes")
    if boxes and not boxes.is_dir() and several and boxes.suffix != ".h5":
        raise CommandError(
            f"{boxes}: for several videos --boxes must be a folder or an HDF5 file .h5 with a group per video"
        )
