"""Which frames of a damaged video are used, and where some are missing between them."""

from collections import deque
from statistics import median

from av.video.frame import VideoFrame

MAX_DELAY = 16
"""Frames that a decoder may hold back, in H.264 and HEVC."""


class Continuity:
    """Which frames are whole and follow each other, judged by the times at which they are shown.

    A decoder may drop frames around a damaged packet without a word. So from damage on, until a key frame that was sent
    after it, a frame that is shown late follows a gap, or every frame where the container gives no times in order.
    """

    def __init__(self) -> None:
        self.after_gap = False  # whether the frame that was accepted last follows a gap
        self.start = self.end = 0  # ticks: when the first frame is shown, and until when the last
        self._n_damaged = 0  # packets that cannot be decoded, and frames that are corrupt or out of order
        self._n_missing = 0  # frames that were not accepted, by the times of those that were
        self._n_whole = 0  # frames accepted since the last damage
        self._damaged = False
        self._ordered = True
        self._last: int | None = None  # ticks: when the frame accepted last is shown
        self._steps: deque[int] = deque([1], maxlen=99)  # ticks between frames, where nothing is damaged

    @property
    def n_skipped(self) -> int:
        return max(self._n_damaged, self._n_missing)

    def damage(self) -> None:
        """Note a packet that cannot be decoded, or a frame that was not accepted."""
        self._n_damaged += 1
        self._n_whole, self._damaged = 0, True

    def accepts(self, frame: VideoFrame) -> bool:
        """Whether a frame is whole and in its order."""
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
