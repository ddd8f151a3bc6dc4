"""`idt boxes`: writes person boxes from HDF5 files as text for the original extractor."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..attributes import read_attributes
from ..checksum import read_verified
from ..person_boxes import LAST_FRAME, write_bb
from ..printable import print_safely
from ..tab_separated import unescaped
from ..trajectory_files import read_boxes
from ..untrusted_hdf5 import opened_hdf5
from .files import CommandError, readable

SIZE = ("n_frames", "width", "height")  # attributes of a video's group


def export_boxes(files: Sequence[Path], output: Path, index: Path | None = None) -> int:
    """Writes the boxes of every video in `files` into the folder `output`; returns how many videos have no boxes.

    Each video without boxes (its status is not `ok`) is reported on stderr.

    Args:
        files: HDF5 files with a group per video: dataset `boxes` (n, 6), attributes n_frames, width and height.
        output: the folder of the box files, `<video_id>.bb`.
        index: a tab-separated table with the columns video_id and path; with it the box files are named after the
            videos, `<the video's folder>/<its name>.bb`.

    Raises:
        CommandError, ValueError or OSError: if a file cannot be read or written; the message names it.
    """
    videos = _videos(index) if index else {}
    written: set[Path] = set()
    n_failed = 0
    for path in files:
        for name, attributes in _groups(path).items():
            if attributes.get("status", "ok") != "ok":
                print_safely(f"{name} is {attributes['status']}: {attributes.get('reason', '')}", file=sys.stderr)
                n_failed += 1
                continue
            if index and name not in videos:
                raise CommandError(f"{index}: it does not list the video {name} of {path}; give the table that does")
            target = output / (f"{videos[name].parent.name}/{videos[name].stem}.bb" if index else f"{name}.bb")
            if target in written:
                raise CommandError(f"{target}: two videos would be written to it; leave --index out")
            target.parent.mkdir(parents=True, exist_ok=True)
            boxes = read_boxes(Path(f"{path}:{name}"))
            write_bb(target, boxes, *(int(attributes[key]) for key in SIZE))
            written.add(target)
    print_safely(
        f"{readable(output)}: boxes of {len(written)} videos written" + f", {n_failed} have none" * (n_failed > 0)
    )
    return n_failed


def _groups(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the attributes of each video in a file of boxes."""
    if not path.exists():
        raise CommandError(f"{path}: there is no such file")
    with opened_hdf5(path) as file:
        groups = {name: read_attributes(group) for name, group in file.items()}
    if not all(_is_size(attributes.get(key)) for attributes in groups.values() for key in SIZE):
        raise CommandError(
            f"{path}: it is not a file of boxes: each group needs the attributes n_frames, width and height"
        )
    return groups


def _is_size(value: Any) -> bool:
    """Returns whether `value` is a number of frames or pixels that a video can have."""
    return isinstance(value, int | float | np.number) and bool(0 <= value <= LAST_FRAME)


def _videos(index: Path) -> dict[str, Path]:
    """Returns the paths of the videos in a table by id."""
    try:
        text = read_verified(index).decode("utf-8", "surrogateescape")
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["video_id"]: Path(unescaped(row["path"])) for row in rows}
    except KeyError as error:
        raise CommandError(f"{index}: it has no column {error}; the columns video_id and path are needed") from None
