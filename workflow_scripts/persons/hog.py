"""OpenCV's detector of whole upright persons (Dalal and Triggs 2005), which needs no download."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from workflow_scripts.persons.boxes import clip_boxes, suppress_overlaps
from workflow_scripts.persons.settings import PersonsSettings


class Hog:
    """OpenCV's detector of persons by histograms of oriented gradients (HOG), on grey frames."""

    OVERLAP = 0.45  # two boxes with a greater IoU count as one person
    PYRAMID = 1.05  # ratio of successive scales; OpenCV's default
    PADDING = 16  # pixels around the frame in which a window may begin
    # A window is larger than its person; this share of its width or height is cut off on each side.
    MARGIN_X, MARGIN_Y = 1 / 8, 1 / 16

    def __init__(self, settings: PersonsSettings) -> None:
        self.threshold = settings.hog_threshold
        self.height = settings.hog_height
        # OpenCV's threads append windows and scores in two steps, so a score may be paired with another window. The
        # stage runs a thread per video instead.
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
        # The window fits persons of about 100 rows. Enlarging the frame makes persons of half its height as tall.
        scale = max(1.0, self.height / height)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if scale > 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        if grey.shape[0] + 2 * self.PADDING < 128 or grey.shape[1] + 2 * self.PADDING < 64:
            return np.zeros((0, 5), np.float32)  # smaller than a window
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
