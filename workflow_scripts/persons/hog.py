"""OpenCV's people detector (Dalal and Triggs 2005): works offline, finds whole upright people."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from workflow_scripts.persons.boxes import clip_boxes, suppress_overlaps
from workflow_scripts.persons.settings import PersonsSettings


class Hog:
    """OpenCV's histogram-of-gradients people detector on grey frames."""

    OVERLAP = 0.45  # of two boxes that are thought to show one person
    PYRAMID = 1.05  # ratio of one size searched for to the next; OpenCV's default
    PADDING = 16  # pixels around the frame in which a window may begin
    # A window shows a person with room around; these parts of it are cut off on each side.
    MARGIN_X, MARGIN_Y = 1 / 8, 1 / 16

    def __init__(self, settings: PersonsSettings) -> None:
        self.threshold = settings.hog_threshold
        self.height = settings.hog_height
        # OpenCV's threads add windows and scores to their lists in two steps, so that a score may come to stand beside
        # another's window. Cores share the videos.
        cv2.setNumThreads(1)
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    @property
    def parameters(self) -> dict[str, Any]:
        return {"detector": "hog", "threshold": self.threshold, "height": self.height}

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        # The window shows a person of about 100 rows: what is to be found at half the frame must have as many.
        scale = max(1.0, self.height / height)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if scale > 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        if grey.shape[0] + 2 * self.PADDING < 128 or grey.shape[1] + 2 * self.PADDING < 64:
            return np.zeros((0, 5), np.float32)  # no window fits in
        windows, scores = self._hog.detectMultiScale(
            grey,
            hitThreshold=self.threshold,
            winStride=(8, 8),
            padding=(self.PADDING, self.PADDING),
            scale=self.PYRAMID,
            groupThreshold=0,
        )
        x, y, w, h = np.asarray(windows, np.float64).reshape(-1, 4).T / scale
        x, y, w, h = (
            x + self.MARGIN_X * w,
            y + self.MARGIN_Y * h,
            (1 - 2 * self.MARGIN_X) * w,
            (1 - 2 * self.MARGIN_Y) * h,
        )
        boxes = np.column_stack([x, y, x + w, y + h, np.asarray(scores, np.float64).reshape(-1)])
        return clip_boxes(suppress_overlaps(boxes, self.OVERLAP), width, height)
