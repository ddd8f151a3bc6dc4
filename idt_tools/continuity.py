"""Finds the usable frames of a damaged video, and the gaps between them."""

from collections import deque
from statistics import median

from av.video.frame import VideoFrame

MAX_DELAY = 16
"""The most frames by which a decoder of H.264 or HEVC may delay its output."""


class Continuity:
    """Decides which frames are whole, and which of them follow a gap, by their presentation times.

    A decoder may silently drop frames around a damaged packet. So a frame follows a gap if its presentation time is
    late. This check ends at the first key frame after the damage. If the container's times are missing or out of
    order, every frame before that key frame follows a gap.
    """

    def __init__(self) -> None:
        self.after_gap = False  # whether the last accepted frame follows a gap
        self.start = self.end = 0  # ticks: start of the first frame, end of the last
        self._n_damaged = 0  # undecodable packets, and corrupt or misordered frames
        self._n_missing = 0  # missing frames, by the times of the accepted frames
        self._n_whole = 0  # accepted frames since the last damage
        self._damaged = False
        self._ordered = True
        self._last: int | None = None  # ticks: start of the last accepted frame
        self._steps: deque[int] = deque([1], maxlen=99)  # ticks between undamaged frames

    @property
    def n_skipped(self) -> int:
        """Number of frames that damage cost."""
        return max(self._n_damaged, self._n_missing)

    def damage(self) -> None:
        """Counts a packet that cannot be decoded, or a frame that was not accepted."""
        self._n_damaged += 1
        self._n_whole, self._damaged = 0, True

    def accepts(self, frame: VideoFrame) -> bool:
        """Returns whether a frame is whole and in order."""
        step = None if frame.pts is None or self._last is None else frame.pts - self._last
        timed = self._damaged and self._ordered
        if frame.is_corrupt or (timed and step is not None and step <= 0):
            return False
        self.after_gap = self._damaged
        if timed and step is not None:
            n_missing = max(0, round(step / median(self._steps)) - 1)
            self._n_missing += n_missing
            self.after_gap = n_missing > 0
        elif step is not None and step > 0:
            self._steps.append(step)
        elif step is not None:
            self._ordered = False
        if frame.pts is not None:
            self.start = frame.pts if self._last is None else self.start
            self.end = max(self.end, frame.pts + frame.duration)
            self._last = frame.pts
        self._n_whole += 1
        if frame.key_frame and self._n_whole > MAX_DELAY:
            self._damaged = False
        return True
