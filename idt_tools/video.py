"""Reads the RGB frames of videos, and raises one error with a reason if that fails.

The frames are PyAV's rgb24 pictures of the first video stream, turned upright. OpenCV's RGB2GRAY converts them, byte
for byte, to the grey pictures that the original trajectory extractor sees.
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
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .claim import claim_of
from .continuity import Continuity
from .gaps import FrameAfterGap
from .reading import ReadingFailed, system_errors
from .signals import end_if_stopped

VideoStatus = Literal["unreadable", "no_video_stream", "too_large", "truncated", "corrupted"]

MAX_CORRUPT_FRACTION = 0.05
"""Largest fraction of frames that may be damaged in a readable video."""
MAX_FRAME_SIDE = 8192
"""Pixels. Frames with a longer side are refused before memory is allocated for them."""

_TURNS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}  # by degrees, counterclockwise
_DEMUXERS = (  # containers of video; other demuxers read scripts that open further files (concat, hls, image2)
    "3gp,apng,asf,av1,avi,dv,flv,gif,gxf,h261,h263,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,"
    "mxf,nut,obu,ogg,rm,vc1,webm,wtv,yuv4mpegpipe"
)


class VideoError(Exception):
    """A video cannot be read, or not to its end.

    `reason` is a sentence without the file's name. `status` is one of

    - "unreadable": the file cannot be opened as a video, or none of its frames can be decoded;
    - "no_video_stream": it holds only sound, subtitles or a cover picture;
    - "too_large": a side of its frames is longer than the limit;
    - "corrupted": more of its frames are damaged than the limit allows, or their size changes;
    - "truncated": its frames end before 0.9 of the time that the container claims.
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
    """The claims of a video's container. Sizes are in pixels, after rotation.

    `exact` means that the container lists every frame, so that `n_frames` and `fps` (frames per second) are true.
    Otherwise `n_frames` is an estimate from duration and nominal rate, limited by the size of the file; 0 if unknown.
    """

    n_frames: int
    fps: float
    width: int
    height: int
    exact: bool = True


@dataclass
class _Count:
    """Counts of the frames that were read from a video."""

    n_frames: int = 0
    n_skipped: int = 0
    ticks: int = 0
    time_base: Fraction = Fraction(0)  # seconds per tick


class VideoFrames(Iterator[np.ndarray]):
    """Iterates over the frames of a video and counts them."""

    def __init__(self, frames: Iterator[np.ndarray], count: _Count) -> None:
        self._frames = frames
        self._count = count

    def __next__(self) -> np.ndarray:
        return next(self._frames)

    @property
    def n_frames(self) -> int:
        """Number of yielded frames."""
        return self._count.n_frames

    @property
    def n_skipped(self) -> int:
        """Number of frames that were lost with undecodable packets or flagged as corrupt."""
        return self._count.n_skipped

    @property
    def fps(self) -> float:
        """Frames per second, damaged frames included; 0 if the container gives no times."""
        n_frames = self._count.n_frames + self._count.n_skipped
        seconds = self._count.ticks * self._count.time_base
        return float(n_frames / seconds) if seconds > 0 else 0.0


def read_video(
    path: str | os.PathLike[str],
    *,
    max_corrupt_fraction: float = MAX_CORRUPT_FRACTION,
    max_frame_side: int = MAX_FRAME_SIDE,
) -> VideoFrames:
    """Returns the frames of a video's first video stream, (height, width, 3) uint8 RGB, all of one size.

    Frames are turned upright by the container's display matrix. Pixels that are not square stay so. Undecodable packets
    and frames that the decoder flags as corrupt are skipped; the next frame is then a `FrameAfterGap`. Frame numbers
    count the yielded frames.

    Args:
        path: the video.
        max_corrupt_fraction: largest fraction of skipped frames, 0 to 1.
        max_frame_side: longest side of a frame, in pixels.

    Raises:
        VideoError: at once if the video cannot be opened or a side is too long; after the last frame if too many were
            skipped, or if the frames end before 0.9 of the claimed time minus the time of three frames.
        ReadingFailed: if the operating system cannot read the file.
    """
    count = _Count()
    return VideoFrames(_frames(path, max_corrupt_fraction, max_frame_side, count), count)


def probe_video(path: str | os.PathLike[str], *, max_frame_side: int = MAX_FRAME_SIDE) -> VideoInfo:
    """Reads a video's header and decodes its first frame.

    Raises `VideoError` (unreadable, no_video_stream, too_large) and `ReadingFailed` as `read_video` does at once.
    """
    with _opened(path, max_frame_side) as video:
        first = next((frame for frame in video.decoded() if isinstance(frame, VideoFrame)), None)
        if first is None:
            raise video.no_frame()
        video.check_size(first.width, first.height)
        height, width = _upright(np.empty((first.height, first.width), bool), _turn(first)).shape
        claim = video.claim
        return VideoInfo(claim.n_frames, float(claim.rate), width, height, claim.exact)


def _frames(
    path: str | os.PathLike[str], max_corrupt_fraction: float, max_frame_side: int, count: _Count
) -> Iterator[np.ndarray]:
    """Yields the frames of `read_video` and counts each before."""
    with _opened(path, max_frame_side) as video:
        continuity = Continuity()
        count.time_base = video.time_base
        shape: tuple[int, ...] | None = None
        turn: tuple[int, int, int, int] | None = None
        for frame in video.decoded():
            if isinstance(frame, FFmpegError) or not continuity.accepts(frame):
                continuity.damage()
                count.n_skipped = continuity.n_skipped
                continue
            video.check_size(frame.width, frame.height)
            turn = turn or _turn(frame)  # only once: PyAV never frees a frame whose matrix was read
            picture = _upright(frame.to_ndarray(format="rgb24"), turn)
            if shape and picture.shape != shape:
                change = f"{shape[1]}x{shape[0]} to {picture.shape[1]}x{picture.shape[0]}"
                raise VideoError(path, "corrupted", f"the size changes from {change} at frame {count.n_frames}")
            shape = picture.shape
            count.n_frames += 1
            count.n_skipped = continuity.n_skipped
            count.ticks = continuity.end - continuity.start
            end_if_stopped()
            yield picture.view(FrameAfterGap) if continuity.after_gap else picture
        if not count.n_frames:
            raise video.no_frame()
        total = count.n_frames + count.n_skipped
        if count.n_skipped > max_corrupt_fraction * total:
            allowed = f"more than max_corrupt_fraction = {max_corrupt_fraction:g} allows"
            raise VideoError(path, "corrupted", f"{count.n_skipped} of {total} frames are damaged, {allowed}")
        claimed, reached = video.claim.seconds, video.reached(continuity.end, count.n_frames)
        if reached < Fraction(9, 10) * claimed - 3 * reached / count.n_frames:
            times = f"{float(reached):.2f} of {float(claimed):.2f} seconds"
            raise VideoError(path, "truncated", f"it ends after {times}, {count.n_frames} frames")


class _File(io.FileIO):
    """A file for PyAV that stores errors of the operating system, since libav may take them for the file's end.

    libav gets no name, which it might take for a URL.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.path = path
        self.error: OSError | None = None

    def check(self, error: FFmpegError | None = None) -> None:
        """Raises ReadingFailed if the operating system failed, even if libav reports another error."""
        if self.error:
            raise ReadingFailed(self.path, str(self.error.strerror)) from self.error
        if error and error.errno == errno.ENOMEM:
            raise ReadingFailed(self.path, "there is not enough memory") from error

    def read(self, size: int) -> bytes:  # type: ignore[override]
        try:
            return os.read(self.fileno(), size)
        except OSError as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a damaged file may name an offset before the start
                self.error = error
            return -1


class _Video:
    """An open container and its first video stream, decoded by one thread."""

    def __init__(self, file: _File, container: InputContainer, stream: VideoStream, max_frame_side: int) -> None:
        self.claim = claim_of(container, stream, os.fstat(file.fileno()).st_size)
        self.time_base = stream.time_base or Fraction(0)
        self._file, self._container, self._stream, self._max_frame_side = file, container, stream, max_frame_side
        self._others = Fraction(0)  # seconds: end of the packets of other streams
        self._error: FFmpegError | None = None  # the first error of decoding
        context = stream.codec_context
        self.check_size(context.width, context.height)
        context.thread_count = 1
        context.options = _decoder_options(max_frame_side)

    def check_size(self, width: int, height: int) -> None:
        """Raises VideoError if a side is too long."""
        if max(width, height) > self._max_frame_side:
            reason = f"{width}x{height} pixels; a side may have {self._max_frame_side}"
            raise VideoError(self._file.path, "too_large", reason)

    def decoded(self) -> Iterator[VideoFrame | FFmpegError]:
        """Yields the frames, and an error for each undecodable packet. Raises ReadingFailed."""
        for packet in self._packets():
            try:
                if isinstance(packet, FFmpegError):
                    raise packet
                yield from self._stream.decode(packet)
            except FFmpegError as error:
                self._file.check(error)
                self._error = self._error or error
                yield error
        self._file.check()

    def _packets(self) -> Iterator[Any]:
        """Yields the stream's packets with data, an error if reading fails, and None at the end."""
        packets = self._container.demux() if self.claim.of_container else self._container.demux(self._stream)
        try:
            for packet in packets:
                if packet.stream.index == self._stream.index:
                    if packet.size:  # an empty packet repeats a picture, or is PyAV's mark of the end
                        yield packet
                elif packet.pts is not None and packet.time_base:
                    self._others = max(self._others, (packet.pts + (packet.duration or 0)) * packet.time_base)
        except IndexError:  # PyAV raises this at the end of a file in which a stream appears late
            pass
        except FFmpegError as error:
            yield error
        yield None

    def reached(self, end: int, n_frames: int) -> Fraction:
        """Returns the seconds of `n_frames` that end at the tick `end`, for comparison with `claim.seconds`."""
        by_rate = n_frames / self.claim.rate if self.claim.rate else Fraction(0)
        if self.claim.of_container:
            return max(end * self.time_base, by_rate, self._others)
        return max((end - (self._stream.start_time or 0)) * self.time_base, by_rate)

    def no_frame(self) -> VideoError:
        """Returns the error of a stream without a decodable frame."""
        if self._error and self._error.errno == errno.EINVAL and not self._stream.codec_context.width:
            reason = f"its pictures have more pixels than {self._max_frame_side} x {self._max_frame_side}"
            return VideoError(self._file.path, "too_large", reason)  # libav does not report a size that it refuses
        reason = f"no frame could be decoded ({self._error.strerror})" if self._error else "it holds no frame"
        return VideoError(self._file.path, "unreadable", reason)


def _decoder_options(max_frame_side: int) -> dict[str, str]:
    """Returns options with which libav refuses larger pictures before it allocates memory for them."""
    return {"max_pixels": str((max_frame_side + 256) ** 2)}  # libav adds a margin to each picture


@contextmanager
def _opened(path: str | os.PathLike[str], max_frame_side: int) -> Iterator[_Video]:
    """Opens a video. Every error in the block becomes a VideoError or a ReadingFailed.

    The libraries raise many kinds of errors, and one video must not stop the others.
    """
    try:
        with system_errors(path):
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise VideoError(path, "unreadable", "it is a folder" if os.path.isdir(path) else "it is not a file")
            with _File(path) as file, _container(file, max_frame_side) as container:
                yield _Video(file, container, _first_stream(file, container), max_frame_side)
    except (ReadingFailed, VideoError):
        raise
    except Exception as error:
        raise VideoError(path, "corrupted", f"{type(error).__name__}: {error}") from error


def _container(file: _File, max_frame_side: int) -> InputContainer:
    """Returns the file as an open container. Raises VideoError and ReadingFailed."""
    if os.fstat(file.fileno()).st_size == 0:
        raise VideoError(file.path, "unreadable", "the file is empty")
    try:
        return av.open(
            file,
            mode="r",
            options=_decoder_options(max_frame_side),
            container_options={"format_whitelist": _DEMUXERS},
            metadata_errors="replace",  # a title that is not UTF-8
        )
    except FFmpegError as error:
        file.check(error)
        raise VideoError(file.path, "unreadable", f"it cannot be opened as a video ({error.strerror})") from error


def _first_stream(file: _File, container: InputContainer) -> VideoStream:
    """Returns the first video stream that is not a cover picture. Raises VideoError."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoError(file.path, "no_video_stream", "it holds no video stream")
    if streams[0].codec_context is None:
        raise VideoError(file.path, "unreadable", "there is no decoder for its video stream")
    return streams[0]


def _turn(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Returns a, b, c, d of the display matrix, which moves column x and row y to ax + cy and bx + dy."""
    try:
        # frame.side_data would keep the frame in memory until the garbage collector runs.
        data: Any = SideDataContainer(frame)["DISPLAYMATRIX"]  # type: ignore[call-arg]
    except KeyError:
        return 1, 0, 0, 1
    except ValueError:  # PyAV does not know the type of other side data
        return _TURNS.get(frame.rotation % 360, (1, 0, 0, 1))
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    return a, b, c, d


def _upright(picture: np.ndarray, turn: tuple[int, int, int, int]) -> np.ndarray:
    """Returns a picture (H, W, ...) turned and mirrored. Angles that are not right are ignored."""
    a, b, c, d = turn
    if b == c == 0 and a and d:
        return np.ascontiguousarray(picture[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1])
    if a == d == 0 and b and c:
        return np.ascontiguousarray(picture.swapaxes(0, 1)[:: 1 if b > 0 else -1, :: 1 if c > 0 else -1])
    return picture
