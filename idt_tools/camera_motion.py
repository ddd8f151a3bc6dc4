"""The camera's motion between two frames, as a homography (idt_spec 1, step 1).

The dense flow moves the corners of the previous frame, and the core finds the homography that fits most of them
(core/homography.cpp). The original tracker also matches SURF features. Matches of SURF or of other features did not
bring our homographies closer to the original's, so this module has none.
"""

from typing import Protocol

import numpy as np

from . import _core


class Tracker(Protocol):
    """The methods of the core's tracker that `camera_motion` calls between its `start` and its `compensate`."""

    def corners(self, mask: np.ndarray | None) -> np.ndarray:
        """Returns the corners (n, 2) of the previous frame where the mask is not 0."""

    def flow_at(self, points: np.ndarray) -> np.ndarray:
        """Returns the flow (n, 2) from the previous to the current frame at integer points (n, 2)."""


def camera_motion(tracker: Tracker, mask: np.ndarray | None = None) -> np.ndarray:
    """Returns the homography (3, 3) float64 from pixels of the previous frame to pixels of the started frame.

    `mask` is (height, width) uint8, 0 where the current frame shows people. The result is the identity if too few
    corners agree.
    """
    corners = tracker.corners(mask)
    return _core.fit_homography(corners, corners + tracker.flow_at(corners))
