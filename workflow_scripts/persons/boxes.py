"""Boxes of people: how they overlap, cut to the frame, and carried from the frames looked at to those between.

A frame's boxes are rows x1, y1, x2, y2 (pixels), score.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

SAME_PERSON = 0.1  # least overlap, as IoU, of the boxes of one person in two frames looked at


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m): the intersection over union (IoU) of each of the boxes `a` (n, 4 or more columns) with each of `b`."""
    sides = np.minimum(a[:, None, 2:4], b[None, :, 2:4]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = np.prod(np.clip(sides, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) for boxes in (a, b))
    return common / (area_a[:, None] + area_b[None] - common)


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes (k, 5) cut to the frame, as float32, those without area dropped."""
    boxes = np.array(boxes, np.float32).reshape(-1, 5)
    boxes[:, :4] = np.clip(boxes[:, :4], 0, [width, height, width, height])
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def suppress_overlaps(boxes: np.ndarray, iou: float) -> np.ndarray:
    """Boxes (k, 5), best first, without those that overlap a better one by more than `iou` (non-maximum suppression).

    Ties are broken by position, so that the result does not depend on the order of the boxes given.
    """
    boxes = boxes[np.lexsort((boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -boxes[:, 4]))]
    kept = []
    while len(boxes):
        best, boxes = boxes[0], boxes[1:]
        kept.append(best)
        boxes = boxes[overlaps(best[None], boxes)[0] <= iou]
    return np.array(kept).reshape(-1, 5)


def carry_boxes(found: Mapping[int, np.ndarray]) -> np.ndarray:
    """The boxes of every frame of a video from those `found` in some, the first and the last frame among them.

    `found`: by frame number, (k, 5) with area, best first. Boxes of one person, which are those that overlap most
    (Hungarian matching on IoU), move evenly from one frame looked at to the next; others hold until half way.
    Returns (n, 6) float32: rows frame, x1, y1, x2, y2, score, sorted by frame, best first.
    """
    frames = dict(found)
    for start, end in pairwise(sorted(found)):
        before, after = found[start], found[end]
        iou = overlaps(before, after)
        i, j = linear_sum_assignment(iou, maximize=True)
        i, j = i[iou[i, j] >= SAME_PERSON], j[iou[i, j] >= SAME_PERSON]
        for number in range(start + 1, end):
            share = (number - start) / (end - start)
            moved = (1 - share) * before[i] + share * after[j]
            held = np.delete(before, i, axis=0) if share < 0.5 else np.delete(after, j, axis=0)
            boxes = np.concatenate([moved, held])
            frames[number] = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    rows = [np.insert(frames[number], 0, number, axis=1) for number in sorted(frames)]
    return np.concatenate([np.zeros((0, 6)), *rows]).astype(np.float32)
