"""The camera's motion between two frames, as a homography (idt_spec 1, step 1).

Corners moved by the dense flow vote for it, and the core looks for the homography that most of them agree with
(core/homography.cpp). The original adds SURF matches, of which ours, with or without another kind of feature in SURF's
place, comes no closer to the original's homographies; so there are none here.
"""

from typing import Protocol

import numpy as np

from . import _core


class Tracker(Protocol):
    """What is asked of the tracker between its `start` and its `finish`."""

    def corners(self, mask: np.ndarray | None) -> np.ndarray:
        """The previous frame's corners (n, 2) outside the mask's zeros."""

    def flow_at(self, points: np.ndarray) -> np.ndarray:
        """Flow (n, 2) from the previous to the current frame at integer points (n, 2)."""


def camera_motion(tracker: Tracker, mask: np.ndarray | None = None) -> np.ndarray:
    """Homography (3, 3) float64 from pixels of the previous to pixels of the frame that `tracker` has started.

    mask: (height, width) uint8, 0 where the current frame shows people. The identity where too few corners agree.
    """
    start = tracker.corners(mask)
    return _core.fit_homography(start, start + tracker.flow_at(start))
