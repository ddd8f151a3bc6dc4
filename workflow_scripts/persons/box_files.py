"""Reads existing boxes of persons, which replace a detector's: one `.bb`, HDF5 or JSON file per video.

The files are in one folder, or in its subfolders with the names of the videos' folders. A video gets the status
`no_boxes` if its boxes are missing or malformed, or belong to another video.
"""

from pathlib import Path

import numpy as np

from idt_tools.trajectory_files import BOX_ENDINGS, find_boxes, read_boxes
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError


def find_file(folder: Path, row: dict[str, str]) -> Path | None:
    """Returns the file with the boxes of the video in a row of a shard's list, or None.

    Raises ReadingFailed if the folder does not exist or cannot be read now.
    """
    try:
        return find_boxes(folder, Path(row["path"]), several=True)
    except ValueError:
        return None


def require_boxes(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    """Raises StageError if `folder` holds no file of boxes in any place for the videos of a shard's list `rows`."""
    places = {folder, *(folder / Path(row["path"]).parent.name for row in rows.values())}
    if not any(_holds_boxes(place) for place in places):
        raise StageError(
            f"persons.files: {folder} holds no file of boxes; name the files <the video's folder>/<the video's "
            "name>.bb, .h5 or .json, or <the video's name>.bb, .h5 or .json"
        )


def _holds_boxes(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix in BOX_ENDINGS for path in folder.iterdir())


def boxes_of_file(path: Path | None, row: dict[str, str]) -> Result:
    """Returns the boxes in a file, clipped to the frame of the video in a row of the shard's list.

    The result has the status `no_boxes` and a reason if there is no file, or if it cannot be read. The same holds if
    the file seems to belong to another video or another frame size: a box is completely outside the frame, or belongs
    to a frame far beyond the end (the number of frames in headers is often wrong by a few).
    """
    if path is None:
        return Result("no_boxes", "persons.files holds no boxes of this video, so no person is masked")
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
        image = f"the image of {width}x{height} pixels"
        return Result("no_boxes", f"{path.name}: the box {place} of frame {outside[0, 0]:g} is outside {image}")
    beyond = boxes[(boxes[:, 0] < 0) | (n_frames > 0) & (boxes[:, 0] > 1.1 * n_frames + 3), 0]
    if len(beyond):
        return Result("no_boxes", f"{path.name}: a box belongs to frame {beyond[0]:g}, but there are {n_frames} frames")
    boxes[:, 1:5] = np.clip(boxes[:, 1:5], 0, [width, height, width, height])
    return Result(arrays={"boxes": boxes}, attributes={"n_frames": n_frames, "width": width, "height": height})
