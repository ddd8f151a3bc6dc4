"""Reads clips by video id, for training and evaluation.

It needs only torch, numpy, h5py and OpenCV, so that a GPU machine with few packages can train.
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

# Loaders already use all cores; the threads of OpenCV would compete with them.
cv2.setNumThreads(0)


def resize(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resizes a frame (H, W, 3) uint8 by the antialiased bilinear filter of PIL, with which Hara et al. train.

    It differs from PIL by at most 2 of 255. OpenCV's bilinear filter does not antialias: a shrunk video flickers.
    """
    image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None]  # (1, 3, H, W), channels last in memory
    resized = functional.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def _allow_open_files(n_files: int) -> None:
    """Raises the limit of open files for this process and its children, as far as the system allows.

    Kinetics has 1,850 shards; the usual limit is 1,024 files. If the limit is too low, `reading` raises StageError.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_needed = n_files + 256  # 256 are for libraries, sockets and logs
    if soft != resource.RLIM_INFINITY and soft < n_needed:
        limit = n_needed if hard == resource.RLIM_INFINITY else min(n_needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class FrameStore:
    """The stored frames of the videos in some shard files, by video id.

    Each process opens the files on first use, because HDF5 handles must not cross a fork; a DataLoader's workers are
    forked or pickled copies.

    Raises:
        KeyError: The video id is unknown.
        ValueError: The video has no frames (with its status and reason), or two files hold the same id.
        StageError: A file is damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [Path(path) for path in paths]
        _allow_open_files(len(self._paths))
        self._file_of: dict[str, int] = {}
        self._files: dict[int, h5py.File] = {}
        self._opened_by = os.getpid()
        self._open: tuple[str, h5py.Dataset, h5py.Dataset] | None = None
        for number, path in enumerate(self._paths):
            with read_hdf5(path) as file:
                for video_id in file:
                    if video_id in self._file_of:
                        other = self._paths[self._file_of[video_id]]
                        raise ValueError(f"video {video_id} is in both {other} and {path}")
                    self._file_of[video_id] = number

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_open": None}

    @property
    def video_ids(self) -> list[str]:
        """The sorted ids of all videos, including those without frames."""
        return sorted(self._file_of)

    def require(self, video_ids: Collection[str]) -> None:
        """Raises StageError, with the first ids, if videos are in none of the files."""
        missing = sorted(set(video_ids) - self._file_of.keys())
        if missing:
            raise StageError(
                f"{len(missing)} of the {len(video_ids)} videos are in no frames file ({', '.join(missing[:5])}); run "
                "the stage frames again"
            )

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

    def _datasets(self, video_id: str) -> tuple[h5py.Dataset, h5py.Dataset]:
        """Returns `offsets` and `jpeg` of a video. Those of the last one stay open, because opening takes long."""
        if self._opened_by != os.getpid() or self._open is None or self._open[0] != video_id:
            group = self._group(video_id)
            with reading(self._paths[self._file_of[video_id]]):
                self._open = video_id, group["offsets"], group["jpeg"]
        return self._open[1:]

    def outcome(self, video_id: str) -> tuple[str, str]:
        """Returns status (`ok` if there are frames) and reason of a video."""
        attributes = read_attributes(self._group(video_id))
        return str(attributes["status"]), str(attributes["reason"])

    def n_frames(self, video_id: str) -> int:
        """Returns the number of stored frames; 0 for a failed video."""
        return len(self._datasets(video_id)[0]) - 1

    def read_clip(
        self, video_id: str, start: int, length: int, *, interval: int = 1, square: jpeg.Square | None = None
    ) -> np.ndarray:
        """Returns frames of a video as (length, H, W, 3) uint8 RGB, 0..255.

        Args:
            video_id: The video.
            start: The first frame.
            length: Number of frames. After its end, a video starts again at frame 0 (Hara et al., section 3.2).
            interval: Frames from one frame of the clip to the next; 1: consecutive frames.
            square: Returns top, left and side (pixels) of the part to decode, from height and width of the frames.
        """
        all_offsets, jpeg_bytes = self._datasets(video_id)
        n_frames = len(all_offsets) - 1
        if n_frames == 0:
            raise ValueError(f"video {video_id} has no frames: {': '.join(self.outcome(video_id))}")
        indices = (start + interval * np.arange(length)) % n_frames
        first, last = int(indices.min()), int(indices.max())
        with reading(self._paths[self._file_of[video_id]]):
            offsets = all_offsets[first : last + 2]  # (last - first + 2,) bytes
            starts, ends = offsets[indices - first], offsets[indices - first + 1]
            if interval == 1:  # one read for the whole range
                encoded = jpeg_bytes[offsets[0] : offsets[-1]]
                starts, ends = starts - offsets[0], ends - offsets[0]
            else:
                encoded = np.concatenate([jpeg_bytes[start:end] for start, end in zip(starts, ends, strict=True)])
                ends = np.cumsum(ends - starts)
                starts = np.concatenate([[0], ends[:-1]])
        try:
            return jpeg.decode_clip(encoded, starts, ends, square)
        except jpeg.DamagedFrameError as error:
            frame, path = indices[error.frame], self._paths[self._file_of[video_id]]
            raise ValueError(f"frame {frame} of video {video_id} in {path} is damaged") from error
