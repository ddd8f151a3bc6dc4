"""The camera's motion: corners compared with OpenCV's, and homographies compared with known ones."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idt_tools import _core
from idt_tools.camera_motion import camera_motion
from idt_tools.tracker import make_tracker

WIDTH, HEIGHT = 320, 240
EDGES = np.array([[[0, 0]], [[WIDTH, 0]], [[0, HEIGHT]], [[WIDTH, HEIGHT]]], np.float64)


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """A random pattern (height, width) uint8 with coarse and fine parts."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    pattern = np.sum([deviation * cv2.GaussianBlur(noise, (0, 0), deviation) for deviation in (1.5, 4, 12)], axis=0)
    return cv2.normalize(pattern, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def motion(rng: np.random.Generator, pan: float) -> np.ndarray:
    """A homography (3, 3): `pan` pixels in any direction, up to 2 degrees, 5 % of zoom and a little perspective."""
    angle, zoom, heading = np.deg2rad(rng.uniform(-2, 2)), rng.uniform(0.95, 1.05), rng.uniform(0, 2 * np.pi)
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    about_centre = np.array([[cosine, -sine, 0], [sine, cosine, 0], [*rng.uniform(-1e-4, 1e-4, 2), 1]])
    centre, shift = np.eye(3), np.eye(3)
    centre[:2, 2] = WIDTH / 2, HEIGHT / 2
    shift[:2, 2] = pan * np.cos(heading), pan * np.sin(heading)
    return shift @ centre @ about_centre @ np.linalg.inv(centre)


def move(points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points[:, None].astype(np.float64), homography)[:, 0]


def corner_error(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Returns the largest distance in pixels between the images of a frame's corner under the two homographies."""
    return float(np.abs(cv2.perspectiveTransform(EDGES, estimate) - cv2.perspectiveTransform(EDGES, truth)).max())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("height", "width", "seed"), [(240, 320, 0), (240, 320, 1), (47, 61, 2), (33, 32, 3)])
def test_corners_equal_opencv(height: int, width: int, seed: int, masked: bool) -> None:
    image = texture(height, width, seed)
    mask = None
    if masked:
        mask = np.full((height, width), 255, np.uint8)
        mask[height // 4 : height // 2, : width // 2] = 0
    corners = _core.kernels.corners(_core.kernels.corner_measure(image), mask)
    expected = cv2.goodFeaturesToTrack(image, 1000, 0.001, 3, mask=mask, blockSize=3).reshape(-1, 2)
    # The last bit of a strength may swap two corners.
    assert sorted(corners.tolist()) == sorted(expected.astype(int).tolist())
    assert mask is None or (mask[corners[:, 1], corners[:, 0]] > 0).all()


def test_corners_of_blank_image() -> None:
    assert _core.kernels.corners(np.zeros((40, 40), np.float32)).shape == (0, 2)
    assert len(_core.kernels.corners(np.ones((40, 40), np.float32), np.zeros((40, 40), np.uint8))) == 0
    with pytest.raises(ValueError, match="mask"):
        _core.kernels.corners(np.ones((40, 40), np.float32), np.zeros((40, 41), np.uint8))


def test_tracker_corners_of_previous_frame() -> None:
    frames = [texture(120, 160, seed) for seed in range(3)]
    tracker = make_tracker(160, 120)
    tracker.start(frames[0])
    for previous, frame in itertools.pairwise(frames):
        tracker.start(frame)
        expected = _core.kernels.corners(_core.kernels.corner_measure(previous))
        assert np.array_equal(tracker.corners(), expected)
        tracker.compensate(np.eye(3))
        tracker.finish()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.4), st.booleans())
def test_fit_homography_among_wrong_matches(seed: int, wrong: float, is_object: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = motion(rng, rng.uniform(0, 20))
    start = rng.random((600, 2)) * [WIDTH, HEIGHT]
    n_wrong = int(wrong * len(start))
    if is_object:  # an object that moves by itself
        start[:n_wrong] = rng.random((n_wrong, 2)) * [200, 150] + rng.random(2) * [120, 90]
    end = move(start, truth) + rng.normal(0, 0.15, start.shape)
    heading = rng.uniform(0, 2 * np.pi)
    if is_object:
        end[:n_wrong] += rng.uniform(4, 15) * np.array([np.cos(heading), np.sin(heading)])
    else:
        end[:n_wrong] += rng.normal(0, 12, (n_wrong, 2))
    assert corner_error(_core.fit_homography(start, end), truth) < 0.3


def test_fit_homography_is_smooth_in_matches() -> None:
    rng = np.random.default_rng(0)
    start = rng.random((600, 2)) * [WIDTH, HEIGHT]
    end = move(start, motion(rng, 5)) + rng.normal(0, 0.3, start.shape)
    end[:200] += rng.normal(0, 5, (200, 2))
    homography = _core.fit_homography(start, end)
    order = rng.permutation(len(start))
    nudged = end + rng.normal(0, 1e-3, end.shape)
    assert corner_error(_core.fit_homography(start[order], end[order]), homography) < 1e-3
    assert corner_error(_core.fit_homography(start, nudged), homography) < 2e-3
    assert _core.fit_homography(start, end).tobytes() == homography.tobytes()


@pytest.mark.parametrize("n", [0, 1, 4, 50])
def test_fit_homography_few_matches_gives_identity(n: int) -> None:
    start = np.random.default_rng(n).random((n, 2)) * 100
    assert np.array_equal(_core.fit_homography(start, start + 3), np.eye(3))


def test_fit_homography_few_inliers_gives_identity() -> None:
    rng = np.random.default_rng(0)
    start = rng.random((200, 2)) * [WIDTH, HEIGHT]
    assert np.array_equal(_core.fit_homography(start, rng.random((200, 2)) * [WIDTH, HEIGHT]), np.eye(3))
    end = start + rng.normal(0, 40, start.shape)
    end[:51] = start[:51] + 3
    assert corner_error(_core.fit_homography(start, end), np.array([[1, 0, 3], [0, 1, 3], [0, 0, 1]])) < 0.01


@pytest.mark.parametrize(
    "start",
    [
        np.ones((80, 2)),
        np.stack([np.arange(80.0), 2 * np.arange(80.0)], axis=1),
        np.full((80, 2), np.nan),
        np.full((80, 2), np.inf),
        np.repeat([[0.0, 0], [0, 9], [9, 0]], 30, axis=0),
    ],
    ids=["one point", "a line", "nan", "infinite", "three points"],
)
def test_fit_homography_degenerate_matches_gives_identity(start: np.ndarray) -> None:
    assert np.array_equal(_core.fit_homography(start, start + 1), np.eye(3))


def test_fit_homography_wrong_shapes_raises() -> None:
    for start, end in (((60, 3), (60, 3)), ((60, 2), (61, 2)), ((120,), (120,))):
        with pytest.raises(ValueError, match="points"):
            _core.fit_homography(np.zeros(start), np.zeros(end))


def pan_before_an_object(seed: int, pan: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[slice, slice]]:
    """Returns two frames of a moving camera, the motion between them, and the 90-pixel object that it follows."""
    rng = np.random.default_rng(seed)
    truth = motion(rng, pan)
    scene = texture(700, 700, seed)
    view = np.array([[1, 0, -190], [0, 1, -230], [0, 0, 1]], np.float64)
    first, second = (cv2.warpPerspective(scene, m, (WIDTH, HEIGHT)) for m in (view, truth @ view))
    x, y = rng.integers(30, 190), rng.integers(20, 120)
    place = slice(y, y + 90), slice(x, x + 90)
    first[place] = second[place] = texture(90, 90, seed + 50)
    return first, second, truth, place


@pytest.mark.parametrize("pan", [0, 5, 10, 15, 20])
@pytest.mark.parametrize("seed", range(3))
def test_camera_motion_panning_camera(pan: float, seed: int) -> None:
    first, second, truth, _ = pan_before_an_object(seed, pan)
    tracker = make_tracker(WIDTH, HEIGHT)
    tracker.start(first)
    tracker.start(second)
    assert corner_error(camera_motion(tracker), truth) < 0.5


def test_camera_motion_leaves_people_out() -> None:
    first, second, truth, place = pan_before_an_object(0, 5)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[place] = 255  # all but the object
    tracker = make_tracker(WIDTH, HEIGHT)
    tracker.start(first)
    tracker.start(second)
    middle = np.array([[place[1].start + 45, place[0].start + 45]])
    assert np.abs(move(middle, camera_motion(tracker, mask)) - middle).max() < 0.5
    assert corner_error(camera_motion(tracker, 255 - mask), truth) < 0.5
    assert np.array_equal(camera_motion(tracker, np.zeros_like(mask)), np.eye(3))
