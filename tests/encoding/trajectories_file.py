"""A trajectories file for tests."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.encoding.settings import EncodingSettings

SMALL = EncodingSettings(components=4, sample_descriptors=50, sketch_dim=64, em_iterations=10)


Videos = dict[str, NDArray[np.floating] | str]  # descriptors, or the status of a video that failed


def write_trajectories(path: Path, videos: Videos, key: str = "1") -> Path:
    with h5py.File(path, "w") as file:
        for video_id, descriptors in videos.items():
            group = file.create_group(video_id)
            failed = isinstance(descriptors, str)
            group["descriptors"] = np.empty((0, 426), np.float16) if failed else descriptors.astype(np.float16)
            group.attrs["status"] = descriptors if failed else "ok"
            group.attrs["reason"] = "for the test" if failed else ""
            group.attrs["key"] = key + video_id
    return path
