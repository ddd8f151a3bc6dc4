"""Boxes of people that are there already, in place of a detector's: a `.bb`, HDF5 or JSON file for every video.

The files lie in one folder, in subfolders named like those of the videos or not; `idt_tools.trajectory_files` reads
them. A video whose boxes are missing, malformed or not its own gets the status `no_boxes`.
"""

from pathlib import Path

import numpy as np

from idt_tools.trajectory_files import BOX_ENDINGS, find_boxes, read_boxes
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError


def find_file(folder: Path, row: dict[str, str]) -> Path | None:
    """The file with the boxes of the video in a row of a shard's list, None where there is none.

    Raises ReadingFailed where the folder is not there, or the system does not tell.
    """
    try:
        return find_boxes(folder, Path(row["path"]), several=True)
    except ValueError:
        return None


def require_boxes(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    """Raises StageError where no file of boxes lies in `folder` where those of a shard's list `rows` are looked for."""
    places = {folder, *(folder / Path(row["path"]).parent.name for row in rows.values())}
    if not any(_holds_boxes(place) for place in places):
        raise StageError(
            f"persons.files: {folder} holds no file of boxes; they are looked for as <the video's folder>/<the video's "
            "name>.bb, .h5 or .json and as <the video's name>.bb, .h5 or .json"
        )


def _holds_boxes(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix in BOX_ENDINGS for path in folder.iterdir())


def boxes_of_file(path: Path | None, row: dict[str, str]) -> Result:
    """The boxes in the file at `path` of the video in a row of the shard's list, cut to its frame.

    The status `no_boxes` with a reason where there is no file, where it cannot be read, and where it seems to be that
    of another video or of another size of it: a box lies wholly outside the frame, or is of a frame well beyond the end
    (headers are often off by a few).
    """
    if path is None:
        return Result("no_boxes", "persons.files holds no boxes of it; nobody is masked")
    width, height, n_frames = int(row["width"]), int(row["height"]), int(row["n_frames"] or 0)
    try:
        boxes = read_boxes(path)
    except ValueError as error:
        return Result("no_boxes", str(error).replace(f"{path.parent}/", ""))  # artifacts hold no paths
    boxes = boxes[np.lexsort((-boxes[:, 5], boxes[:, 0]))]
    x1, y1, x2, y2 = boxes[:, 1:5].T
    outside = boxes[(x1 >= width) | (y1 >= height) | (x2 < 0) | (y2 < 0)]
    if len(outside):
        place = ", ".join(f"{corner:g}" for corner in outside[0, 1:5])
        size = f"outside the frame of {width}x{height} pixels"
        return Result("no_boxes", f"{path.name}: a box of frame {outside[0, 0]:g}, {place}, lies {size}")
    beyond = boxes[(boxes[:, 0] < 0) | (n_frames > 0) & (boxes[:, 0] > 1.1 * n_frames + 3), 0]
    if len(beyond):
        return Result("no_boxes", f"{path.name}: a box is of frame {beyond[0]:g}, and the video has {n_frames} frames")
    boxes[:, 1:5] = np.clip(boxes[:, 1:5], 0, [width, height, width, height])
    return Result(arrays={"boxes": boxes}, attributes={"n_frames": n_frames, "width": width, "height": height})
