"""Boxes of persons: overlaps, suppression, clipping, and interpolation between frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.persons.boxes import carry_boxes, clip_boxes, overlaps, suppress_overlaps

person_boxes = st.lists(
    st.tuples(*[st.floats(-20, 120)] * 2, *[st.floats(1, 60)] * 2, st.floats(0, 3)), max_size=12
).map(lambda rows: np.array([[x, y, x + w, y + h, s] for x, y, w, h, s in rows], float).reshape(-1, 5))


@given(boxes=person_boxes, order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_suppress_overlaps_keeps_the_best(boxes: np.ndarray, order) -> None:  # type: ignore[no-untyped-def]
    selected = suppress_overlaps(boxes, 0.45)
    for i, box in enumerate(selected):
        assert (overlaps(box[None], selected[:i]) <= 0.45 + 1e-9).all()
    for box in boxes:  # a dropped box overlaps a box with at least its score
        better = (overlaps(box[None], selected)[0] > 0.45) & (selected[:, 4] >= box[4])
        assert (better | (selected == box).all(axis=1)).any()
    shuffled = list(range(len(boxes)))
    order.shuffle(shuffled)
    np.testing.assert_array_equal(suppress_overlaps(boxes[shuffled], 0.45), selected)


@given(boxes=person_boxes)
@settings(max_examples=40, deadline=None)
def test_clip_boxes_are_in_the_frame_and_have_area(boxes: np.ndarray) -> None:
    clipped = clip_boxes(boxes, 100, 80)
    assert (clipped[:, :2] >= 0).all() and (clipped[:, 2:4] <= (100, 80)).all()
    assert (clipped[:, 2:4] > clipped[:, :2]).all()


corners = st.lists(st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 20)] * 2), min_size=1, max_size=4).map(
    lambda rows: np.array([[x, y, x + w, y + h] for x, y, w, h in rows])
)


@given(a=corners, b=corners)
@settings(max_examples=40, deadline=None)
def test_overlaps_equal_counted_pixels(a: np.ndarray, b: np.ndarray) -> None:
    def mask(box: np.ndarray) -> np.ndarray:
        pixels = np.zeros((50, 50), bool)
        pixels[box[1] : box[3], box[0] : box[2]] = True
        return pixels

    counted = [[(mask(one) & mask(other)).sum() / (mask(one) | mask(other)).sum() for other in b] for one in a]
    np.testing.assert_allclose(overlaps(a, b), counted)


moving_persons = st.lists(
    st.tuples(*[st.floats(0, 200)] * 2, *[st.floats(-1, 1)] * 2, *[st.floats(0, 0.5)] * 2), max_size=4
)


@given(persons=moving_persons, stride=st.integers(1, 12), n_frames=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_carry_boxes_of_even_motion_is_exact(persons: list[tuple[float, ...]], stride: int, n_frames: int) -> None:
    def boxes(t: int) -> np.ndarray:
        rows = [np.zeros((0, 5))]
        for n, (x, y, dx, dy, wide, tall) in enumerate(persons):
            left, top = 400 * n + x + dx * t, y + dy * t  # the persons do not meet
            rows.append(np.array([[left, top, left + 60 + wide * t, top + 90 + tall * t, 0.9 - n / 10 + 1e-3 * t]]))
        return np.concatenate(rows)

    detections = {t: boxes(t) for t in range(n_frames) if t % stride == 0 or t == n_frames - 1}
    carried = carry_boxes(detections)
    expected = np.concatenate([np.insert(boxes(t), 0, t, axis=1) for t in range(n_frames)])
    assert carried.dtype == np.float32
    np.testing.assert_allclose(carried, expected, atol=1e-3)


def test_carry_boxes_keeps_the_detections() -> None:
    detections = {
        0: np.array([[0, 0, 10, 20, 0.9]]),
        1: np.array([[5, 5, 15, 25, 0.8], [50, 50, 60, 70, 0.7]]),
        2: np.zeros((0, 5)),
    }
    expected = np.array([[0, 0, 0, 10, 20, 0.9], [1, 5, 5, 15, 25, 0.8], [1, 50, 50, 60, 70, 0.7]])
    np.testing.assert_array_equal(carry_boxes(detections), expected.astype(np.float32))
    assert carry_boxes({}).shape == (0, 6)


def test_carry_boxes_matches_by_position_not_by_score() -> None:
    left, right = [0, 0, 20, 40], [100, 0, 120, 40]
    carried = carry_boxes({0: np.array([[*left, 0.9], [*right, 0.5]]), 4: np.array([[*right, 0.8], [*left, 0.7]])})
    assert carried[carried[:, 0] == 1, 1].tolist() == [0, 100]
    np.testing.assert_allclose(carried[carried[:, 0] == 1, 5], [0.85, 0.575])
    assert carried[carried[:, 0] == 3, 1].tolist() == [0, 100]  # best first
    np.testing.assert_allclose(carried[carried[:, 0] == 3, 5], [0.75, 0.725])


@pytest.mark.parametrize(("gap", "leaves", "comes"), [(4, [0, 1], [2, 3, 4]), (5, [0, 1, 2], [3, 4, 5])])
def test_carry_boxes_unmatched_stay_until_half_way(gap: int, leaves: list[int], comes: list[int]) -> None:
    carried = carry_boxes({0: np.array([[0, 0, 10, 20, 0.9]]), gap: np.array([[100, 0, 110, 20, 0.9]])})
    assert carried[carried[:, 1] == 0, 0].tolist() == leaves
    assert carried[carried[:, 1] == 100, 0].tolist() == comes
