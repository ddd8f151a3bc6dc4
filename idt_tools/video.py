"""Videos in, RGB frames out, with one clear reason where that fails.

The frames are PyAV's rgb24 pictures of the first video stream: OpenCV's RGB2GRAY of them is byte for byte the grey
picture that the original trajectory extractor sees.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError

from .reading import ReadingFailed, raise_if_of_the_system, system_errors
from .signals import end_if_stopped

VideoStatus = Literal["unreadable", "no_video_stream", "truncated", "corrupted"]


class VideoError(Exception):
    """A video that cannot be read, or not to its end.

    `status`: "unreadable" (no frame can be decoded), "no_video_stream", "truncated" (it ends well before the number of
    frames that its header claims) or "corrupted" (decoding fails on the way). `reason`: why, without the file's name.
    """

    def __init__(self, path: str | os.PathLike[str], status: VideoStatus, reason: str) -> None:
        super().__init__(path, status, reason)
        self.path = Path(path)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says: number of frames (0 when unknown), frames per second, size in pixels."""

    n_frames: int
    fps: float
    width: int
    height: int


def read_video(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    """Yield the frames of a video's first video stream, (height, width, 3) uint8 RGB, all of one size.

    Raises `VideoError` where the video cannot be opened, or, after the frames that could be decoded, where it is
    corrupted or ends early: fewer than 0.9 x the claimed number - 3 (headers are often off by a few). Raises
    `ReadingFailed` where the system cannot read the file just now, and nothing else.
    """
    with _errors_of(path):
        for frame in _frames(path):
            end_if_stopped()
            yield frame


def _frames(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    with _opened(path) as (container, stream):
        claimed = _claimed_frames(container, stream)
        decoded = discarded = 0
        size: tuple[int, int] | None = None
        try:
            for packet in container.demux(stream):
                discarded += packet.is_discard  # cut away by the container's edit list, yet counted in its claim
                for frame in packet.decode():
                    if size is not None and (frame.width, frame.height) != size:
                        change = f"{size[0]}x{size[1]} to {frame.width}x{frame.height}"
                        raise VideoError(path, "corrupted", f"the size changes from {change} at frame {decoded}")
                    size = (frame.width, frame.height)
                    yield frame.to_ndarray(format="rgb24")
                    decoded += 1
        except FFmpegError as error:
            if decoded == 0:
                raise VideoError(path, "unreadable", f"no frame could be decoded ({error.strerror})") from error
            part = f"{decoded} of {claimed}" if claimed else f"only {decoded}"
            raise VideoError(path, "corrupted", f"{part} frames could be decoded ({error.strerror})") from error
        if decoded == 0:
            raise VideoError(path, "unreadable", "it holds no frame that could be decoded")
        if decoded < 0.9 * (claimed - discarded) - 3:
            raise VideoError(path, "truncated", f"{decoded} of {claimed} frames could be decoded")


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Read a video's header and decode its first frame.

    `n_frames` is the container's claim, else duration x frame rate, else 0; the true number may differ by a few.
    Raises `VideoError` (unreadable, no_video_stream) and `ReadingFailed` as `read_video` does before its first frame.
    """
    with _errors_of(path), _opened(path) as (container, stream):
        try:
            frame = next(container.decode(stream), None)
        except FFmpegError as error:
            raise VideoError(path, "unreadable", f"no frame could be decoded ({error.strerror})") from error
        if frame is None:
            raise VideoError(path, "unreadable", "it holds no frame that could be decoded")
        n_frames = _claimed_frames(container, stream)
        if not n_frames and container.duration:
            n_frames = round(Fraction(container.duration, av.time_base) * _frame_rate(stream))
        return VideoInfo(n_frames, float(_frame_rate(stream)), frame.width, frame.height)


@contextmanager
def _errors_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes of whatever reading the video raises in the block either a VideoError or a ReadingFailed.

    One video must never stop another, whatever is in it; what the libraries raise on odd files cannot be foreseen.
    """
    try:
        with system_errors(path):
            yield
    except ReadingFailed:
        raise
    except VideoError as error:
        if isinstance(error.__cause__, FFmpegError) and error.__cause__.errno == errno.ENOMEM:
            raise_if_of_the_system(path, error.__cause__)
        raise
    except Exception as error:
        raise VideoError(path, "corrupted", f"{type(error).__name__}: {error}") from error


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Any, Any]]:
    """The open container and its first video stream, decoded by one thread.

    FFmpeg reads through a file that Python has opened. So the system's errors arrive as they are, and cannot be
    mistaken for those that FFmpeg gives the same numbers.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(path, "unreadable", f"it is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no file'}")
    if status.st_size == 0:
        raise VideoError(path, "unreadable", "the file is empty")
    with open(path, "rb", buffering=0) as file, _container(path, file) as container:
        if not container.streams.video:
            raise VideoError(path, "no_video_stream", "it holds no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError(path, "unreadable", "there is no decoder for its video stream")
        stream.codec_context.thread_count = 1
        yield container, stream


def _container(path: str | os.PathLike[str], file: io.FileIO) -> Any:
    try:
        return av.open(file)
    except FFmpegError as error:
        raise VideoError(path, "unreadable", f"it cannot be opened as a video ({error.strerror})") from error


def _frame_rate(stream: Any) -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(0)


def _claimed_frames(container: Any, stream: Any) -> int:
    """Number of frames the file claims for this stream, 0 when it claims none."""
    if stream.frames:
        return int(stream.frames)
    if stream.duration:
        return round(stream.duration * stream.time_base * _frame_rate(stream))
    if container.duration and len(container.streams) == 1:  # else the duration may be the sound's
        return round(Fraction(container.duration, av.time_base) * _frame_rate(stream))
    return 0
