"""Improved dense trajectories of a video: `extract` gives them all, `stream` in blocks as they end.

Wang and Schmid, "Action recognition with improved trajectories", ICCV 2013. The work on pixels is done by the compiled
`idt_tools._core`; this module checks arguments, turns RGB to grey, and joins it to the camera's motion.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass

import cv2
import numpy as np

from . import _core, columns
from .camera_motion import camera_motion
from .gaps import FrameAfterGap
from .person_boxes import background_mask, boxes_by_frame

MIN_SIDE = 32
MAX_PIXELS = 2**28
BLOCK_ROWS = 1024
STEADY_SHARE = 0.93
"""Share of `min_motion` that counts where the camera's motion is estimated.

The original's estimate trembles from frame to frame (0.38 pixels at the image's corners on Bowling, ours 0.19), and
that lifts background over `min_motion`. This share makes up for it: on the reference clips (carphone, boxing, Bowling,
Bowling with boxes) as many trajectories pass as the original's, within -1.4 to +2.4 %; with 1 it would be 8 % fewer on
carphone and 4 % on Bowling (idt_spec 2).
"""


@dataclass(frozen=True)
class TrackerOptions:
    """What may be changed about the tracker. Defaults: the original's (idt_spec section 1)."""

    max_scales: int = 8
    """Largest number of scales; each is smaller than the one before by sqrt 2."""
    sampling_step: int = 5
    """Pixels between points where tracks may start."""
    quality: float = 0.001
    """A track starts where the smaller eigenvalue exceeds this share of the image's largest."""
    min_deviation: float = math.sqrt(3)
    """Pixels. Standard deviation of x and y below which a trajectory counts as static."""
    max_deviation: float = 50.0
    """Pixels. Standard deviation of x or y above which it counts as random."""
    max_jump: float = 20.0
    """Pixels. A step longer than this ..."""
    max_jump_share: float = 0.7
    """... and than this share of the path rejects the trajectory."""
    min_motion: float = 1.0
    """Pixels. A trajectory whose longest step, without the camera's motion, is at most this is the camera's.
    Where that motion is estimated rather than given, `STEADY_SHARE` of this."""
    record_points: bool = False
    """Whether the points of the trajectories are returned too."""

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
    """(n, 16, 2) float32, x and y in pixels of the video, where `options.record_points`."""
    homographies: np.ndarray | None = None
    """(T, 3, 3) float64, of `extract` alone: the camera's motion, from frame t - 1 to t; entry 0 is the identity."""

    def __len__(self) -> int:
        return len(self.info)


def extract(
    frames: np.ndarray | Iterable[np.ndarray],
    boxes: np.ndarray | None = None,
    homographies: np.ndarray | None = None,
    options: TrackerOptions | None = None,
) -> Trajectories:
    """Track a video and describe its trajectories.

    frames: array (T, H, W) uint8 grey or (T, H, W, 3) uint8 RGB, or any iterable of such frames, all of one size and at
        least 32 pixels on each side. Fewer than 16 frames give no trajectory, and none runs across a gap, which is
        before every `FrameAfterGap`.
    boxes: (n, 6) rows frame, x1, y1, x2, y2, score in pixels: people, left out when the camera's motion is estimated.
        Frames may be missing; boxes are cut at the edges; inverted ones are ignored.
    homographies: (T, 3, 3), entry t maps pixels of frame t - 1 to frame t, entry 0 is ignored; given, nothing is
        estimated and boxes have no effect.

    Raises TypeError or ValueError on anything else. Equal input gives equal bytes, in any thread.
    """
    options = options or TrackerOptions()
    n_frames = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal n_frames
        for frame in frames:
            n_frames += 1
            yield frame

    matrices = _checked_homographies(homographies, _number_of(frames))
    used: list[np.ndarray] = []
    blocks = list(_blocks(counted(), boxes_by_frame(boxes), matrices, options, None, used))
    info = np.concatenate([np.empty((0, len(columns.INFO)), np.float32), *(block.info for block in blocks)])
    descriptors = np.concatenate(
        [np.empty((0, len(columns.DESCRIPTORS)), np.float32), *(block.descriptors for block in blocks)]
    )
    points = None
    if options.record_points:
        recorded = [block.points for block in blocks if block.points is not None]
        points = np.concatenate([np.empty((0, columns.TRACK_LENGTH + 1, 2), np.float32), *recorded])
    set_relative_time(info, n_frames)
    return Trajectories(info, descriptors, points, np.array(used, np.float64).reshape(-1, 3, 3))


def stream(
    frames: np.ndarray | Iterable[np.ndarray],
    boxes: np.ndarray | None = None,
    homographies: np.ndarray | None = None,
    options: TrackerOptions | None = None,
    *,
    n_frames: int | None = None,
) -> Iterator[Trajectories]:
    """As `extract`, but yield blocks of about a thousand trajectories as they end, never holding the whole video.

    n_frames: the number of frames, for the column relative_time. Where neither it nor `len(frames)` is known that
        column is NaN. The blocks joined are otherwise the rows of `extract`.
    """
    known = _number_of(frames)
    n_frames = known if n_frames is None else n_frames
    matrices = _checked_homographies(homographies, known)
    return _blocks(frames, boxes_by_frame(boxes), matrices, options or TrackerOptions(), n_frames)


def _blocks(
    frames: Iterable[np.ndarray],
    boxes: dict[int, np.ndarray] | None,
    homographies: np.ndarray | None,
    options: TrackerOptions,
    n_frames: int | None,
    used: list[np.ndarray] | None = None,
) -> Iterator[Trajectories]:
    """The tracker's loop over the frames; `used` collects the homography of each."""
    tracker: _core.Tracker | None = None
    block = _Block(options, n_frames)
    shape: tuple[int, ...] = ()
    first = 0  # the tracker's first frame: 0, or one after a gap
    for number, frame in enumerate(frames):
        grey = _grey(frame, number)
        height, width = grey.shape
        shape = shape or grey.shape
        if grey.shape != shape:
            was, now = f"{shape[1]}x{shape[0]}", f"{width}x{height}"
            raise ValueError(f"all frames must have one size: frame {number} is {now}, those before are {was}")
        if tracker is None or isinstance(frame, FrameAfterGap):
            tracker = make_tracker(width, height, options, 1 if homographies is not None else STEADY_SHARE)
            first = number
        if homographies is not None and number >= len(homographies):
            raise ValueError(f"there are {len(homographies)} homographies, but more frames")

        homography = np.eye(3)
        if tracker.start(grey):
            if homographies is not None:
                homography = homographies[number]
            else:
                homography = camera_motion(tracker, background_mask(boxes, number, height, width))
            tracker.finish(homography)
        if used is not None:
            used.append(homography)
        while tracker.finished:
            if block.fill(tracker, first):
                yield block.take()
    if block.rows:
        yield block.take()


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
        """Move finished trajectories here as long as there is room; whether the block is full.

        first: number in the video of the tracker's first frame.
        """
        start = self.rows
        self.rows += tracker.take(self._info[start:], self._descriptors[start:], self._points[start:])
        self._info[start : self.rows, 0] += first
        return self.rows == BLOCK_ROWS

    def take(self) -> Trajectories:
        """What has been filled in; the block is then empty."""
        info, descriptors, points = (part[: self.rows] for part in (self._info, self._descriptors, self._points))
        set_relative_time(info, self._n_frames)
        self._renew()
        return Trajectories(info, descriptors, points if self._record_points else None)


def make_tracker(
    width: int, height: int, options: TrackerOptions | None = None, motion_share: float = 1.0
) -> _core.Tracker:
    """Returns the core's tracker for frames of this size; `motion_share` of `min_motion` counts."""
    values = dataclasses.asdict(options or TrackerOptions())
    del values["record_points"]
    values["min_motion"] *= motion_share
    return _core.Tracker(width, height, **values)


def set_relative_time(info: np.ndarray, n_frames: int | None) -> None:
    """Fill column 9 of `info` (n, 10): where in the video of `n_frames` a trajectory's middle lies, 0 to 0.999.

    NaN where the number of frames is not known.
    """
    if n_frames:
        relative = (info[:, 0] - np.float32(columns.TRACK_LENGTH / 2)) / np.float32(n_frames)
        info[:, 9] = np.clip(relative, 0, np.float32(0.999))
    else:
        info[:, 9] = np.nan


def _grey(frame: np.ndarray, number: int) -> np.ndarray:
    """One frame as (H, W) uint8, contiguous."""
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
        raise ValueError(f"{size}: the tracker holds at most {MAX_PIXELS} in all")
    if frame.ndim == 3:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(frame)


def _number_of(frames: np.ndarray | Iterable[np.ndarray]) -> int | None:
    """How many frames there are, None where only their end will tell. Raises on what cannot be frames."""
    if isinstance(frames, str | bytes) or not isinstance(frames, Iterable):
        raise TypeError("frames must be an array or an iterable of arrays; idt_tools.read_video(path) reads a file")
    if isinstance(frames, np.ndarray) and frames.ndim not in (3, 4):
        raise ValueError(f"frames must have the shape (T, H, W) or (T, H, W, 3), not {frames.shape}")
    return len(frames) if isinstance(frames, Sized) else None


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
