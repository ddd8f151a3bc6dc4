"""How a reader of frames tells the tracker that some are missing."""

import numpy as np


class FrameAfterGap(np.ndarray):
    """A frame before which damaged ones were skipped, so that no trajectory runs across: `frame.view(FrameAfterGap)`."""
