"""A decoded part of a JPEG frame has the pixels of the whole frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.frames import jpeg


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Returns smooth colours with noise: (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.uniform(0, 255, (4, 4, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)


@given(
    height=st.integers(8, 150),
    width=st.integers(8, 250),
    scale=st.floats(0.05, 1),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    quality=st.sampled_from([30, 90, 100]),
)
def test_decode_of_a_square_equals_that_part_of_the_frame(height, width, scale, place, quality):
    content = jpeg.encode(picture(height, width, height + width), quality)
    side = max(1, int(scale * min(height, width)))
    top, left = int(place[0] * (height - side)), int(place[1] * (width - side))

    def square(frame_height: int, frame_width: int) -> tuple[int, int, int]:
        assert (frame_height, frame_width) == (height, width)
        return top, left, side

    whole, part = jpeg.decode(content), jpeg.decode(content, square)
    assert whole is not None and whole.shape == (height, width, 3)
    np.testing.assert_array_equal(part, whole[top : top + side, left : left + side])


def test_encode_writes_files_that_opencv_decodes():
    frame = picture(240, 320, 0)
    content = jpeg.encode(frame, 95)
    by_opencv = cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(jpeg.decode(content), by_opencv)
    assert np.abs(by_opencv.astype(int) - frame).mean() < 12  # colours at half resolution lose their noise
    plain = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    assert len(content) < 1.02 * len(plain)


def test_decode_of_a_square_decodes_only_its_segments(monkeypatch):
    """A crop with a quarter of each side takes about a tenth of the file."""
    content, decoded = jpeg.encode(picture(240, 320, 0), 90), []
    monkeypatch.setattr(jpeg.cv2, "imdecode", lambda data, flag: decoded.append(len(data)))
    jpeg.decode(content, lambda height, width: (100, 130, 60))
    assert decoded[0] < 0.2 * len(content)


def test_decode_of_a_square_in_a_file_without_segments():
    frame = picture(90, 120, 1)
    plain = cv2.imencode(".jpg", frame)[1]
    whole = cv2.imdecode(plain, cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(jpeg.decode(plain, lambda height, width: (10, 20, 50)), whole[10:60, 20:70])


def test_decode_of_a_large_square_decodes_the_whole_frame(monkeypatch):
    content = jpeg.encode(picture(240, 320, 0), 90)
    monkeypatch.setattr(jpeg, "_part", None)
    decoded = jpeg.decode(content, lambda height, width: (0, 40, 240))
    np.testing.assert_array_equal(decoded, jpeg.decode(content)[:, 40:280])


@pytest.mark.parametrize("damage", ["empty", "header", "cut", "marker", "text"])
def test_decode_of_a_damaged_file_is_none(damage):
    content = jpeg.encode(picture(120, 160, 2), 90)
    marks = np.flatnonzero((content[:-1] == 0xFF) & (content[1:] >= 0xD0) & (content[1:] <= 0xD7))
    if damage == "empty":
        content = content[:0]
    elif damage == "header":
        content = content[:100]
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "marker":
        content[marks[3]] = 0
    else:
        content = np.frombuffer(b"no picture" * 100, np.uint8)
    assert jpeg.decode(content, lambda height, width: (10, 20, 50)) is None
