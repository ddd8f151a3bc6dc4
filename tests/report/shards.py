"""Writes lists of videos and boxes of people in the form of the other stages."""

from pathlib import Path

import numpy as np

from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5

Box = tuple[int, ...]  # frame, x1, y1, x2, y2, score


def write_shard(
    folder: Path, name: str, videos: dict[str, tuple[Path, str]], boxes: dict[str, list[Box]], n_frames: int
) -> tuple[Path, Path]:
    """Writes the list of videos of 128 x 96 pixels, path and label by id, and the boxes of each; returns both files."""
    properties = {"n_frames": n_frames, "estimated_frames": n_frames, "width": 128, "height": 96, "fps": 25}
    properties |= {"bytes": 1, "mtime_ns": 1}
    rows = [{"video_id": key, "path": path, "label": label, **properties} for key, (path, label) in videos.items()]
    write_columns(folder / f"{name}.tsv", rows, ["video_id", "path", "label", *properties])
    with write_hdf5(folder / f"{name}.h5", stage="persons", version=1, parameters={}) as file:
        for key, of_video in boxes.items():
            group = file.create_group(key)
            group.attrs["key"] = "k"
            dataset(group, "boxes", np.array(of_video, np.float32).reshape(-1, 6))
    return folder / f"{name}.tsv", folder / f"{name}.h5"
