"""The reading half of the frames store: clips of consecutive frames by video id, for training and evaluation.

Imports torch, numpy, h5py and OpenCV alone, so that a GPU machine with little installed can train.
"""

import os
import resource
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import torch
from torch.nn import functional

from idt_tools.attributes import read_attributes
from workflow_scripts.frames import jpeg
from workflow_scripts.ground.artifacts import read_hdf5, reading
from workflow_scripts.ground.stage import StageError

# Loaders run one clip per process or thread already; OpenCV's own pool would only compete with them.
cv2.setNumThreads(0)


def resize(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """A frame (H, W, 3) uint8 at another size, by the bilinear filter of PIL, whose tent widens when it shrinks.

    That is what Hara et al. train on. OpenCV's bilinear samples four pixels whatever the factor, so that a shrunk
    video flickers. Differs from PIL by at most 1 of 255.
    """
    image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None]  # (1, 3, H, W), channels innermost
    resized = functional.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def _allow_open_files(n_files: int) -> None:
    """Lets this process and those it starts hold so many files open; a system's usual 1,024 are less than Kinetics has.

    As far as the system lets them: `reading` says where that is too little.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_files + 256  # libraries', sockets, logs
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class FrameStore:
    """The stored frames of many videos, from any number of shard files, found by video id.

    Every process that reads (a DataLoader's workers are forked or pickled copies) opens its own handles on first use,
    because HDF5 handles must not cross a fork. Raises KeyError for an unknown id, ValueError for a video that has no
    frames (with its status and reason) and for an id that two files hold, StageError for a damaged file.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [Path(path) for path in paths]
        _allow_open_files(len(self._paths))
        self._file_of: dict[str, int] = {}
        self._files: dict[int, h5py.File] = {}
        self._opened_by = os.getpid()
        for number, path in enumerate(self._paths):
            with read_hdf5(path) as file:
                for video_id in file:
                    if video_id in self._file_of:
                        other = self._paths[self._file_of[video_id]]
                        raise ValueError(f"video {video_id} is in both {other} and {path}")
                    self._file_of[video_id] = number

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}

    @property
    def video_ids(self) -> list[str]:
        """All ids, sorted, those without frames included."""
        return sorted(self._file_of)

    def require(self, video_ids: Collection[str]) -> None:
        """Raises StageError, with the first few ids, where videos are in none of the files."""
        missing = sorted(set(video_ids) - self._file_of.keys())
        if missing:
            names = ", ".join(missing[:5])
            raise StageError(f"the frames lack {len(missing)} of the {len(video_ids)} videos ({names}); make them anew")

    def _group(self, video_id: str) -> h5py.Group:
        if self._opened_by != os.getpid():
            self._files, self._opened_by = {}, os.getpid()
        if video_id not in self._file_of:
            raise KeyError(f"video {video_id} is in none of the {len(self._paths)} frames files")
        number = self._file_of[video_id]
        if number not in self._files:
            with reading(self._paths[number]):
                self._files[number] = h5py.File(self._paths[number], "r")
        with reading(self._paths[number]):
            return self._files[number][video_id]

    def outcome(self, video_id: str) -> tuple[str, str]:
        """Status (`ok` when there are frames) and reason of a video."""
        attributes = read_attributes(self._group(video_id))
        return str(attributes["status"]), str(attributes["reason"])

    def n_frames(self, video_id: str) -> int:
        """Number of stored frames; 0 for a video that failed."""
        return int(self._group(video_id).attrs["n_frames"])

    def read_clip(
        self,
        video_id: str,
        start: int,
        length: int,
        square: jpeg.Square | None = None,
    ) -> np.ndarray:
        """Frames start, start + 1, ... of a video as (length, H, W, 3) uint8 RGB, values 0..255.

        Past its end a video starts again from frame 0, as often as needed (Hara et al., section 3.2). `square` says
        which part is wanted: top, left and side in pixels, for the height and width of the frames. No more is decoded.
        """
        group = self._group(video_id)
        with reading(self._paths[self._file_of[video_id]]):
            places, files = group["offsets"], group["jpeg"]
            n_frames = len(places) - 1  # as the attribute says, which takes longer to read
        if n_frames == 0:
            raise ValueError(f"video {video_id} has no frames: {': '.join(self.outcome(video_id))}")
        wanted = (start + np.arange(length)) % n_frames
        first, last = int(wanted.min()), int(wanted.max())
        with reading(self._paths[self._file_of[video_id]]):
            offsets = places[first : last + 2]  # (last - first + 2,) bytes
            encoded = files[offsets[0] : offsets[-1]]  # one read for the whole range
        clip = []
        for frame in wanted - first:
            rgb = jpeg.decode(encoded[offsets[frame] - offsets[0] : offsets[frame + 1] - offsets[0]], square)
            if rgb is None:
                raise ValueError(f"frame {first + frame} of video {video_id} in {group.file.filename} is damaged")
            clip.append(rgb)
        return np.stack(clip)
