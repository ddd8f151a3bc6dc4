"""What is said of files: what is wrong with them, as one sentence for the user, and their names."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..trajectory_files import split_group


class CommandError(Exception):
    """What the user must know, in one sentence that names the file."""


def sentence(error: Exception) -> str:
    """The error's text; of the system's errors the file and the reason, without the number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def readable(name: Path | str) -> str:
    """The path or name of a file for a text that must be UTF-8, which a name need not be."""
    return os.fsencode(name).decode("utf-8", "replace")


def check_output(output: Path, *inputs: Path | None) -> None:
    """Raises CommandError where `output` cannot be written, or is one of the inputs."""
    if not output.parent.is_dir():
        raise CommandError(f"{output.parent}: there is no such folder to write to; make it first")
    if not os.access(output.parent, os.W_OK):
        raise CommandError(f"{output.parent}: this folder may not be written to; choose another")
    if os.path.isdir(output):  # unlike Path's method it takes a name that is too long, which is told when it is written
        raise CommandError(f"{output}: it is a folder; name a file")
    for given in inputs:
        if given and os.path.exists(given) and os.path.exists(output) and given.samefile(output):
            raise CommandError(f"{output}: it is the input {given}; choose another name")


def check_stems(videos: Sequence[Path]) -> None:
    """Raises CommandError where two videos have one name, after which their files in one folder are named."""
    same = [stem for stem, times in Counter(video.stem for video in videos).items() if times > 1]
    if same:
        names = " and ".join(str(video) for video in videos if video.stem == same[0])
        raise CommandError(f"{names} would be written to one file {same[0]}; give them folders of their own")


def check_boxes(boxes: Path | None, several: bool) -> None:
    """Raises CommandError where `boxes` cannot hold the boxes of one or of `several` videos."""
    if boxes and not split_group(boxes)[0].exists():
        raise CommandError(f"{boxes}: there is no such file or folder of boxes")
    if boxes and not boxes.is_dir() and several and boxes.suffix != ".h5":
        raise CommandError(f"{boxes}: for several videos --boxes is a folder, or an HDF5 file .h5 of a group a video")
