"""Steps of the tracker in every build of this processor, compared with OpenCV and numpy at odd sizes and borders."""

from typing import Any

import cv2
import numpy as np
import pytest
import reference_kernels as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from idt_tools import _core
from idt_tools.tracker import TrackerOptions, make_tracker

SIZES = [(240, 320), (121, 161), (33, 47), (32, 32)]


@pytest.fixture(scope="module", params=_core.INSTRUCTION_SETS)
def kernels(request: pytest.FixtureRequest) -> Any:
    return _core.build(request.param).kernels


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resize_grey_equals_opencv(kernels: Any, height: int, width: int) -> None:
    grey = image(height, width)
    size = (round(width / 2**0.5), round(height / 2**0.5))
    assert np.array_equal(kernels.resize_grey(grey, *size), cv2.resize(grey, size))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resize_is_close_to_opencv(kernels: Any, height: int, width: int) -> None:
    values = image(height, width).astype(np.float32)
    for size in ((round(width / 2**0.5), round(height / 2**0.5)), (2 * width - 1, 2 * height + 1)):
        np.testing.assert_allclose(kernels.resize(values, *size), cv2.resize(values, size), atol=0.005)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_median_equals_opencv(kernels: Any, height: int, width: int, seed: int, ties: bool) -> None:
    values = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    if ties:
        values = np.round(values)
    assert np.array_equal(kernels.median(values), cv2.medianBlur(values, 5))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_corner_measure_equals_opencv(kernels: Any, height: int, width: int) -> None:
    grey = image(height, width)
    expected = cv2.cornerMinEigenVal(grey, 3, 3)
    np.testing.assert_allclose(kernels.corner_measure(grey), expected, atol=1e-6 * expected.max())


SCALES = [(1.0, 3), (1.41421354, 3), (1.99999988, 3), (2.82842684, 5), (3.99999952, 7), (5.65685368, 13)]


@pytest.mark.parametrize(("factor", "size"), SCALES)
def test_reduce_blurs_as_opencv(kernels: Any, factor: float, size: int) -> None:
    grey = image(45, 61)
    sigma = (factor - 1) / 2
    taps = np.array([0.25, 0.5, 0.25]) if sigma == 0 else cv2.getGaussianKernel(size, sigma)
    expected = cv2.sepFilter2D(grey.astype(np.float64), cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(kernels.reduce(grey, factor, 61, 45), expected, atol=2e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(16, 70), st.integers(16, 70), st.sampled_from(SCALES[1:]), st.integers(0, 2**32 - 1))
def test_reduce_follows_specification(
    kernels: Any, height: int, width: int, scale: tuple[float, int], seed: int
) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    size = max(1, round(width / scale[0])), max(1, round(height / scale[0]))
    expected = reference.reduce(grey, scale[0], *size)
    np.testing.assert_allclose(kernels.reduce(grey, scale[0], *size), expected, atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 50), st.integers(2, 50), st.integers(0, 2**32 - 1))
def test_expand_follows_specification(kernels: Any, height: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    np.testing.assert_allclose(kernels.expand(values), reference.expand(values), atol=1e-3)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_flow_follows_specification(kernels: Any, seed: int, from_coarser: bool) -> None:
    """Rounding decides where the equations are nearly singular: up to 9 % of one image, less than 1 % of 20."""
    rng = np.random.default_rng(seed)
    near = []
    for height, width in rng.integers(12, 51, (20, 2)):
        first, second = (
            cv2.GaussianBlur(rng.uniform(0, 255, (height, width)).astype(np.float32), (0, 0), 2) for _ in "ab"
        )
        coarser = None
        if from_coarser:  # flow across every border
            size = (2, round(height / 2**0.5), round(width / 2**0.5))
            coarser = rng.normal(0, rng.choice([0.5, 5, 50]), size).astype(np.float32)
        expected = reference.flow(first, second, coarser)
        error = np.abs(np.stack(kernels.flow(first, second, coarser)) - expected).max(0)
        near.append((error < 1e-3 * np.maximum(1, np.abs(expected).max(0))).ravel())
    assert np.concatenate(near).mean() > 0.99


@settings(deadline=None, max_examples=30)
@given(st.integers(32, 70), st.integers(32, 70), st.integers(0, 2**32 - 1), st.data())
def test_patch_follows_specification(kernels: Any, height: int, width: int, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (height, width), dtype=np.uint8)
    motion = rng.normal(0, rng.choice([0, 0.4, 3]), (2, height, width)).astype(np.float32)
    left, top = data.draw(st.integers(0, width - 32)), data.draw(st.integers(0, height - 32))
    bins, still = kernels.patch(grey, motion, left, top)
    expected, expected_still = reference.patch(grey, motion, left, top)
    np.testing.assert_allclose(bins, expected, atol=1e-3)
    np.testing.assert_allclose(still, expected_still, atol=1e-3)


def test_expand_finds_coefficients_of_polynomial(kernels: Any) -> None:
    y, x = np.mgrid[0:40, 0:50].astype(np.float64)
    bx, by, axx, ayy, axy = 0.7, -0.4, 0.03, -0.02, 0.05
    values = 5 + bx * x + by * y + axx * x**2 + ayy * y**2 + axy * x * y
    coefficients = kernels.expand(values.astype(np.float32))
    inner = (slice(8, -8), slice(8, -8))
    expected = [by + 2 * ayy * y + axy * x, bx + 2 * axx * x + axy * y, ayy + 0 * x, axx + 0 * x, axy + 0 * x]
    for plane, truth in zip(coefficients, expected, strict=True):
        np.testing.assert_allclose(plane[inner], truth[inner], atol=2e-4)


def specified_warp(previous: np.ndarray, current: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Returns the warped frame, computed pixel by pixel as idt_spec 5.0 says."""
    height, width = current.shape
    warped = previous.copy()
    for y in range(height):
        for x in range(width):
            w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
            sx = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w if w else 0.0
            sy = (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w if w else 0.0
            if 5 < sx < width - 6 and 5 < sy < height - 6:
                xi, yi = int(np.rint(sx * 32)), int(np.rint(sy * 32))
                a, b = xi & 31, yi & 31
                p = current[yi // 32 : yi // 32 + 2, xi // 32 : xi // 32 + 2].astype(int)
                upper, lower = (32 - a) * p[0, 0] + a * p[0, 1], (32 - a) * p[1, 0] + a * p[1, 1]
                warped[y, x] = ((32 - b) * upper + b * lower + 512) >> 10
    return warped


@settings(deadline=None, max_examples=15)
@given(st.integers(32, 50), st.integers(32, 50), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-4, 1e-2]))
def test_warp_follows_specification(kernels: Any, height: int, width: int, seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    h = np.eye(3) + rng.normal(size=(3, 3)) * strength * np.array([[1, 1, 100], [1, 1, 100], [0.01, 0.01, 1]])
    previous, current = image(height, width, 1), image(height, width, 2)
    assert np.array_equal(kernels.warp(previous, current, h), specified_warp(previous, current, h))


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (320, 240, [(320, 240), (226, 170), (160, 120), (113, 85), (80, 60), (57, 42)]),
        (176, 144, [(176, 144), (124, 102), (88, 72), (62, 51), (44, 36)]),
        (32, 400, [(32, 400)]),
    ],
)
def test_make_tracker_scales(width: int, height: int, sizes: list[tuple[int, int]]) -> None:
    assert [(w, h) for _, w, h in make_tracker(width, height).scales] == sizes


def test_tracker_wrong_calls_raise() -> None:
    tracker = make_tracker(64, 48)
    with pytest.raises(ValueError, match="size"):
        tracker.start(np.zeros((64, 48), np.uint8))
    for call in (tracker.finish, tracker.corners, lambda: tracker.compensate(np.eye(3))):
        with pytest.raises(RuntimeError, match="frame"):
            call()
    with pytest.raises(ValueError, match="32 x 32"):
        make_tracker(16, 64)
    assert not tracker.start(np.zeros((48, 64), np.uint8))
    assert tracker.start(np.zeros((48, 64), np.uint8))
    with pytest.raises(RuntimeError, match="not been compensated"):
        tracker.start(np.zeros((48, 64), np.uint8))
    with pytest.raises(ValueError, match="3 x 3"):
        tracker.compensate(np.eye(2))
    assert tracker.flow_at(np.array([[-5, 900]])).tolist() == [[0.0, 0.0]]


def test_take_wrong_arrays_raises() -> None:
    tracker = make_tracker(64, 48)
    info, descriptors, points = (np.empty(shape, np.float32) for shape in ((4, 10), (4, 426), (4, 16, 2)))
    assert tracker.take(info, descriptors, points) == tracker.take(info, descriptors, points[:0]) == 0
    read_only = info.copy()
    read_only.flags.writeable = False
    for wrong in (info[:3], info.ravel(), np.array(0, np.float32), np.empty((4, 11), np.float32), read_only):
        with pytest.raises(ValueError):
            tracker.take(wrong, descriptors, points)
    for wrong in (np.empty((8, 10), np.float32)[::2], np.asfortranarray(info), info.astype(np.float64), None):
        with pytest.raises(TypeError):
            tracker.take(wrong, descriptors, points)
    with pytest.raises(ValueError):
        tracker.take(info, descriptors, points[:2])


def test_make_tracker_huge_sizes_raises(kernels: Any) -> None:
    with pytest.raises(ValueError, match=r"at most 2\^28 pixels"):
        make_tracker(100_000, 100_000)
    with pytest.raises(TypeError):
        make_tracker(2**40, 64)
    with pytest.raises(ValueError, match="1 x 1"):
        kernels.resize(np.zeros((4, 4), np.float32), 0, -5)


def test_make_tracker_more_than_eight_scales(kernels: Any) -> None:
    tracker = make_tracker(640, 513, TrackerOptions(max_scales=20))
    assert len(tracker.scales) == 9
    assert not tracker.start(image(513, 640))
    flat = np.full((520, 530), 100, np.uint8)
    np.testing.assert_allclose(kernels.reduce(flat, 16.0, 33, 32), 100, atol=1e-3)


def test_fit_homography_ignores_nan_matches() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, (200, 2))
    end = start + np.array([3, -2])
    end[::9] = np.nan
    end[1::9] = np.inf
    homography = _core.fit_homography(start, end)
    assert np.isfinite(homography).all()
    with pytest.raises(ValueError, match="two arrays"):
        _core.fit_homography(start, end[:5])
