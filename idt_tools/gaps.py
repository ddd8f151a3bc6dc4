"""The type of a frame before which frames are missing."""

import numpy as np


class FrameAfterGap(np.ndarray):
    """A frame, `frame.view(FrameAfterGap)`, before which damaged frames were skipped. No trajectory crosses the gap."""
