"""Boxes of persons: their overlaps, clipping, non-maximum suppression, and interpolation between frames.

The boxes of a frame are rows of x1, y1, x2, y2 (pixels), score.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

SAME_PERSON = 0.1  # the least IoU of the boxes of one person in two successive frames of the detector


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the intersection over union (IoU), (n, m), of boxes `a` (n, 4 or more) and `b` (m, 4 or more)."""
    sides = np.minimum(a[:, None, 2:4], b[None, :, 2:4]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = np.prod(np.clip(sides, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) for boxes in (a, b))
    return common / (area_a[:, None] + area_b[None] - common)


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns boxes (k, 5), clipped to the frame, as float32. Drops boxes without area."""
    boxes = np.array(boxes, np.float32).reshape(-1, 5)
    boxes[:, :4] = np.clip(boxes[:, :4], 0, [width, height, width, height])
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def suppress_overlaps(boxes: np.ndarray, iou: float) -> np.ndarray:
    """Returns the boxes (k, 5), best first, without those whose IoU with a better one is over `iou`.

    Ties are broken by position, so that the result does not depend on the order of the boxes.
    """
    boxes = boxes[np.lexsort((boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -boxes[:, 4]))]
    selected = []
    while len(boxes):
        best, boxes = boxes[0], boxes[1:]
        selected.append(best)
        boxes = boxes[overlaps(best[None], boxes)[0] <= iou]
    return np.array(selected).reshape(-1, 5)


def boxes_between(before: np.ndarray, after: np.ndarray, weights: Iterable[float]) -> list[np.ndarray]:
    """Returns the boxes (k, 5) of frames between two frames with the boxes `before` and `after`, best first.

    Hungarian matching on the IoU finds the boxes of one person in the two frames. These boxes move from the first to
    the second by the frame's weight, 0..1. An unmatched box stays in place for the weights on its side of 0.5.
    """
    iou = overlaps(before, after)
    i, j = linear_sum_assignment(iou, maximize=True)
    i, j = i[iou[i, j] >= SAME_PERSON], j[iou[i, j] >= SAME_PERSON]
    boxes_of_frames = []
    for weight in weights:
        matched = (1 - weight) * before[i] + weight * after[j]
        unmatched = np.delete(before, i, axis=0) if weight < 0.5 else np.delete(after, j, axis=0)
        boxes = np.concatenate([matched, unmatched])
        boxes_of_frames.append(boxes[np.argsort(-boxes[:, 4], kind="stable")])
    return boxes_of_frames


def carry_boxes(detections: Mapping[int, np.ndarray]) -> np.ndarray:
    """Returns the boxes of all frames of a video, which move evenly between the frames that have detections.

    `detections` holds boxes (k, 5) with area, best first, by frame number; the first and last frame are among them.
    The result is (n, 6) float32: rows of frame, x1, y1, x2, y2, score, sorted by frame, best first.
    """
    frames = dict(detections)
    for start, end in pairwise(sorted(detections)):
        between = range(start + 1, end)
        weights = ((number - start) / (end - start) for number in between)
        frames.update(zip(between, boxes_between(detections[start], detections[end], weights), strict=True))
    rows = [np.insert(frames[number], 0, number, axis=1) for number in sorted(frames)]
    return np.concatenate([np.zeros((0, 6)), *rows]).astype(np.float32)
