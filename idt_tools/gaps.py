"""How a reader of frames tells the tracker that some are missing."""

import numpy as np


class FrameAfterGap(np.ndarray):
    """A frame, `frame.view(FrameAfterGap)`, before which damaged ones were skipped: no trajectory runs across."""
