"""Improved dense trajectories of a video: `extract` returns all of them, `stream` yields them in blocks.

Wang and Schmid, "Action recognition with improved trajectories", ICCV 2013. The compiled `idt_tools._core` works on the
pixels. This module checks arguments, converts RGB to grey and passes the camera's motion to the core.
"""

import contextlib
import dataclasses
import math
from collections.abc import Generator, Iterable, Iterator, Sized
from dataclasses import dataclass

import cv2
import numpy as np

from . import _core, columns
from .camera_motion import camera_motion
from .gaps import FrameAfterGap
from .person_boxes import background_mask, boxes_by_frame
from .read_ahead import read_ahead

MIN_SIDE = 32
MAX_PIXELS = 2**28
BLOCK_ROWS = 1024
STEADY_SHARE = 0.93
"""Factor of `min_motion` where the tracker estimates the camera's motion.

The original's estimate varies more from frame to frame than ours (0.38 against 0.19 pixels at the image's corners on
Bowling), and this noise moves background beyond `min_motion`. The factor compensates for that: on the reference clips
(carphone, boxing, Bowling, Bowling with boxes) the number of trajectories is within -1.4 to +2.4 % of the
original's. With 1 it would be 8 % lower on carphone and 4 % lower on Bowling (idt_spec 2).
"""


@dataclass(frozen=True)
class TrackerOptions:
    """Parameters of the tracker. The defaults are the original's (idt_spec section 1)."""

    max_scales: int = 8
    """Largest number of scales; each is smaller than the last by a factor of sqrt 2."""
    sampling_step: int = 5
    """Pixels between points where tracks may start."""
    quality: float = 0.001
    """A track starts where the smaller eigenvalue exceeds this fraction of the image's largest."""
    min_deviation: float = math.sqrt(3)
    """Pixels. Standard deviation of x and y below which a trajectory is static and rejected."""
    max_deviation: float = 50.0
    """Pixels. Standard deviation of x or y above which a trajectory is random and rejected."""
    max_jump: float = 20.0
    """Pixels. A trajectory with a step longer than this, and longer than `max_jump_share` of its path, is rejected."""
    max_jump_share: float = 0.7
    """Fraction of the path, see `max_jump`."""
    min_motion: float = 1.0
    """Pixels. A trajectory whose longest step without the camera's motion is at most this is rejected. If the tracker
    estimates that motion, the threshold is `STEADY_SHARE` times this."""
    record_points: bool = False
    """Whether to return the points of the trajectories too."""

    def __post_init__(self) -> None:
        if self.max_scales < 1:
            raise ValueError(f"max_scales must be at least 1, not {self.max_scales}")
        if self.sampling_step < 1:
            raise ValueError(f"sampling_step must be at least 1 pixel, not {self.sampling_step}")


@dataclass(frozen=True)
class Trajectories:
    """Trajectories in order of end frame, scale and age. Columns: `idt_tools.columns`."""

    info: np.ndarray
    """(n, 10) float32: end frame, place, spread, length, scale."""
    descriptors: np.ndarray
    """(n, 426) float32: trajectory, HOG, HOF, MBHx, MBHy; the histograms' numbers are exact to 1e-5."""
    points: np.ndarray | None = None
    """(n, 16, 2) float32, x and y in pixels of the video, if `options.record_points`."""
    homographies: np.ndarray | None = None
    """(T, 3, 3) float64, only from `extract`: the camera's motion from frame t - 1 to t; entry 0 is the identity."""

    def __len__(self) -> int:
        return len(self.info)


class CountedFrames:
    """Iterates over frames and counts them in `n_frames`."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self.n_frames = 0
        self._frames = frames

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self._frames:
            self.n_frames += 1
            yield frame


def extract(
    frames: np.ndarray | Iterable[np.ndarray],
    boxes: np.ndarray | None = None,
    homographies: np.ndarray | None = None,
    options: TrackerOptions | None = None,
    *,
    threads: int = 1,
) -> Trajectories:
    """Tracks a video and describes its trajectories. Equal input gives equal bytes, in any thread.

    Args:
        frames: array (T, H, W) uint8 grey or (T, H, W, 3) uint8 RGB, or an iterable of such frames, all of one size and
            at least 32 pixels on each side. Fewer than 16 frames give no trajectory. No trajectory crosses the gap
            before a `FrameAfterGap`.
        boxes: (n, 6), rows of frame, x1, y1, x2, y2, score in pixels. The estimate of the camera's motion leaves these
            people out. Frames may be missing, boxes are cut at the edges, and inverted boxes are ignored.
        homographies: (T, 3, 3). Entry t maps pixels of frame t - 1 to frame t; entry 0 is ignored. With them, nothing
            is estimated and boxes have no effect.
        options: parameters of the tracker.
        threads: 1 or 2. With 2, a second thread reads the next frame and computes its flow. The bytes are the same.

    Raises:
        TypeError, ValueError: if an argument is anything else.
    """
    options = options or TrackerOptions()
    counted = CountedFrames(frames)
    matrices = _checked_homographies(homographies, _number_of(frames))
    _check_threads(threads)
    applied: list[np.ndarray] = []
    blocks = list(_blocks(counted, boxes_by_frame(boxes), matrices, options, None, threads, applied))
    info = np.concatenate([np.empty((0, len(columns.INFO)), np.float32), *(block.info for block in blocks)])
    descriptors = np.concatenate(
        [np.empty((0, len(columns.DESCRIPTORS)), np.float32), *(block.descriptors for block in blocks)]
    )
    points = None
    if options.record_points:
        block_points = [block.points for block in blocks if block.points is not None]
        points = np.concatenate([np.empty((0, columns.TRACK_LENGTH + 1, 2), np.float32), *block_points])
    set_relative_time(info, counted.n_frames)
    return Trajectories(info, descriptors, points, np.array(applied, np.float64).reshape(-1, 3, 3))


def stream(
    frames: np.ndarray | Iterable[np.ndarray],
    boxes: np.ndarray | None = None,
    homographies: np.ndarray | None = None,
    options: TrackerOptions | None = None,
    *,
    n_frames: int | None = None,
    threads: int = 1,
) -> Generator[Trajectories]:
    """Yields the trajectories of `extract` in blocks of about a thousand. Memory does not grow with the video.

    The arguments are those of `extract`, and `n_frames`: the number of frames, for the column relative_time. That
    column is NaN if neither `n_frames` nor `len(frames)` is known. With `threads=2`, another thread iterates over
    `frames`; `close()` ends it, if not all blocks are taken.
    """
    length = _number_of(frames)
    n_frames = length if n_frames is None else n_frames
    matrices = _checked_homographies(homographies, length)
    _check_threads(threads)
    return _blocks(frames, boxes_by_frame(boxes), matrices, options or TrackerOptions(), n_frames, threads)


def _blocks(
    frames: Iterable[np.ndarray],
    boxes: dict[int, np.ndarray] | None,
    homographies: np.ndarray | None,
    options: TrackerOptions,
    n_frames: int | None,
    threads: int,
    applied: list[np.ndarray] | None = None,
) -> Generator[Trajectories]:
    """Yields blocks of trajectories of the frames; appends the homography of each frame to `applied`."""
    block = _Block(options, n_frames)
    compensated = _compensated(frames, boxes, homographies, options, threads)
    with contextlib.closing(read_ahead(compensated, threads - 1) if threads > 1 else compensated) as steps:
        for number, (tracker, first, homography) in enumerate(steps):
            if number > first:
                tracker.finish()
            if applied is not None:
                applied.append(homography)
            while tracker.finished:
                if block.fill(tracker, first):
                    yield block.take()
    if block.rows:
        yield block.take()


def _compensated(
    frames: Iterable[np.ndarray],
    boxes: dict[int, np.ndarray] | None,
    homographies: np.ndarray | None,
    options: TrackerOptions,
    threads: int,
) -> Generator[tuple[_core.Tracker, int, np.ndarray]]:
    """Yields, of each frame, a tracker that can finish it, the tracker's first frame, and the camera's motion (3, 3).

    A tracker's first frame, number 0 or a frame after a gap, needs no finish.
    """
    tracker: _core.Tracker | None = None
    shape: tuple[int, ...] = ()
    first = 0
    for number, frame in enumerate(frames):
        grey = _grey(frame, number)
        height, width = grey.shape
        shape = shape or grey.shape
        if grey.shape != shape:
            sizes = f"frame {number} is {width}x{height}, those before are {shape[1]}x{shape[0]}"
            raise ValueError(f"all frames must have one size: {sizes}")
        if tracker is None or isinstance(frame, FrameAfterGap):
            tracker = make_tracker(width, height, options, 1 if homographies is not None else STEADY_SHARE, threads)
            first = number
        if homographies is not None and number >= len(homographies):
            raise ValueError(f"there are {len(homographies)} homographies, but more frames")

        homography = np.eye(3)
        if tracker.start(grey):
            if homographies is not None:
                homography = homographies[number]
            else:
                homography = camera_motion(tracker, background_mask(boxes, number, height, width))
            tracker.compensate(homography)
        yield tracker, first, homography


class _Block:
    """Memory for BLOCK_ROWS trajectories, filled from the tracker."""

    def __init__(self, options: TrackerOptions, n_frames: int | None) -> None:
        self._record_points = options.record_points
        self._n_frames = n_frames
        self._renew()

    def _renew(self) -> None:
        n_points = BLOCK_ROWS if self._record_points else 0
        self.rows = 0
        self._info = np.empty((BLOCK_ROWS, len(columns.INFO)), np.float32)
        self._descriptors = np.empty((BLOCK_ROWS, len(columns.DESCRIPTORS)), np.float32)
        self._points = np.empty((n_points, columns.TRACK_LENGTH + 1, 2), np.float32)

    def fill(self, tracker: _core.Tracker, first: int) -> bool:
        """Moves finished trajectories here while there is room. Returns whether the block is full.

        `first` is the number in the video of the tracker's first frame.
        """
        start = self.rows
        self.rows += tracker.take(self._info[start:], self._descriptors[start:], self._points[start:])
        self._info[start : self.rows, 0] += first
        return self.rows == BLOCK_ROWS

    def take(self) -> Trajectories:
        """Returns the trajectories and empties the block."""
        info, descriptors, points = (part[: self.rows] for part in (self._info, self._descriptors, self._points))
        set_relative_time(info, self._n_frames)
        self._renew()
        return Trajectories(info, descriptors, points if self._record_points else None)


def make_tracker(
    width: int, height: int, options: TrackerOptions | None = None, motion_share: float = 1.0, threads: int = 1
) -> _core.Tracker:
    """Returns the core's tracker for frames of this size. `motion_share` scales `options.min_motion`."""
    values = dataclasses.asdict(options or TrackerOptions())
    del values["record_points"]
    values["min_motion"] *= motion_share
    return _core.Tracker(width, height, **values, threads=threads)


def set_relative_time(info: np.ndarray, n_frames: int | None) -> None:
    """Sets column 9 of `info` (n, 10) to the `relative_time` of its trajectories."""
    info[:, 9] = relative_time(info[:, 0], n_frames)


def relative_time(end_frames: np.ndarray, n_frames: int | None) -> np.ndarray:
    """Returns the position in time (n,) float32, 0 to 0.999, of the middle of trajectories that end at these frames.

    It is NaN if `n_frames`, the number of frames of the video, is not known.
    """
    if not n_frames:
        return np.full(len(end_frames), np.nan, np.float32)
    middle = (end_frames - np.float32(columns.TRACK_LENGTH / 2)) / np.float32(n_frames)
    return np.clip(middle, 0, np.float32(0.999))


def _grey(frame: np.ndarray, number: int) -> np.ndarray:
    """Returns a frame as contiguous (H, W) uint8. Raises TypeError or ValueError if it cannot be tracked."""
    if not isinstance(frame, np.ndarray):
        raise TypeError(f"frame {number} must be a numpy array, not {type(frame).__name__}")
    if frame.dtype != np.uint8:
        raise TypeError(f"frame {number} must hold uint8, not {frame.dtype}")
    if frame.ndim != 2 and not (frame.ndim == 3 and frame.shape[2] == 3):
        raise ValueError(f"frame {number} must have the shape (H, W) or (H, W, 3), not {frame.shape}")
    height, width = frame.shape[:2]
    size = f"frame {number} has {width}x{height} pixels"
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"{size}: the tracker needs at least {MIN_SIDE} on each side")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{size}: the tracker takes at most {MAX_PIXELS}")
    if frame.ndim == 3:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(frame)


def _number_of(frames: np.ndarray | Iterable[np.ndarray]) -> int | None:
    """Returns the number of frames; None if it is unknown. Raises TypeError or ValueError if these are not frames."""
    if isinstance(frames, str | bytes) or not isinstance(frames, Iterable):
        raise TypeError("frames must be an array or an iterable of arrays; idt_tools.read_video(path) reads a file")
    if isinstance(frames, np.ndarray) and frames.ndim not in (3, 4):
        raise ValueError(f"frames must have the shape (T, H, W) or (T, H, W, 3), not {frames.shape}")
    return len(frames) if isinstance(frames, Sized) else None


def _check_threads(threads: int) -> None:
    if threads not in (1, 2):
        raise ValueError(f"threads must be 1 or 2, not {threads}")


def _checked_homographies(homographies: np.ndarray | None, n_frames: int | None) -> np.ndarray | None:
    if homographies is None:
        return None
    matrices = np.ascontiguousarray(homographies, np.float64)
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3):
        raise ValueError(f"homographies must have the shape (T, 3, 3), not {matrices.shape}")
    if n_frames is not None and len(matrices) != n_frames:
        raise ValueError(f"there are {len(matrices)} homographies for {n_frames} frames")
    wrong = np.flatnonzero(~np.isfinite(matrices[1:]).all(axis=(1, 2)))
    if len(wrong):
        raise ValueError(f"homography {wrong[0] + 1} holds numbers that are not finite")
    return matrices
