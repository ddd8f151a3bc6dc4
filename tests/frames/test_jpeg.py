"""The decoded squares of a clip's JPEG frames have the pixels of the whole frames."""

from collections.abc import Sequence

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


def by_opencv(rgb: np.ndarray, quality: int, *options: int) -> np.ndarray:
    """Returns a JPEG file that OpenCV writes with some of its `options`."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality, *options])[1].ravel()


def decoded(files: Sequence[np.ndarray], top: int, left: int, side: int, order: Sequence[int] = ()) -> np.ndarray:
    """Returns a square of the frames `order` of some files, which lie one after the other."""
    ends = np.cumsum([len(file) for file in files])
    starts, order = ends - [len(file) for file in files], list(order) or list(range(len(files)))
    return jpeg.decode_clip(np.concatenate(files), starts[order], ends[order], lambda height, width: (top, left, side))


def whole(file: np.ndarray) -> np.ndarray:
    return cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)


@given(
    height=st.integers(8, 150),
    width=st.integers(8, 250),
    scale=st.floats(0.01, 1),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    quality=st.sampled_from([1, 30, 90, 100]),
    interval=st.integers(0, 12),
    order=st.lists(st.integers(0, 2), min_size=1, max_size=5),
)
def test_squares_of_a_clip_equal_those_of_the_whole_frames(height, width, scale, place, quality, interval, order):
    """With our files, and with those of any interval of markers (0: without markers)."""
    frames = [picture(height, width, height + width + n) for n in range(3)]
    side = max(1, int(scale * min(height, width)))
    top, left = int(place[0] * (height - side)), int(place[1] * (width - side))
    for files in (
        [jpeg.encode(frame, quality) for frame in frames],
        [by_opencv(frame, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, interval) for frame in frames],
    ):
        expected = [whole(files[frame])[top : top + side, left : left + side] for frame in order]
        np.testing.assert_array_equal(decoded(files, top, left, side, order), expected)


def test_square_is_asked_for_with_the_size_of_the_frames():
    sizes = []
    content = jpeg.encode(picture(48, 80, 0), 90)
    bounds = np.array([0]), np.array([len(content)])
    jpeg.decode_clip(content, *bounds, lambda height, width: sizes.append((height, width)) or (0, 0, 9))
    assert sizes == [(48, 80)]
    assert jpeg.decode_clip(content, *bounds).shape == (1, 48, 80, 3)


@pytest.mark.parametrize("sampling", ["411", "422", "440", "444"])
def test_squares_of_files_with_other_blocks(sampling):
    options = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}"), cv2.IMWRITE_JPEG_RST_INTERVAL, 1
    files = [by_opencv(picture(90, 120, n), 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, *options) for n in range(2)]
    expected = [whole(file)[10:60, 20:70] for file in files]
    np.testing.assert_array_equal(decoded(files, 10, 20, 50), expected)


def test_squares_of_files_with_different_headers():
    frames = [picture(90, 120, n) for n in range(2)]
    files = [jpeg.encode(frame, quality) for frame, quality in zip(frames, (50, 90), strict=True)]
    expected = [whole(file)[10:60, 20:70] for file in files]
    np.testing.assert_array_equal(decoded(files, 10, 20, 50), expected)


def test_encode_writes_files_that_opencv_decodes():
    frame = picture(240, 320, 0)
    content = jpeg.encode(frame, 95)
    np.testing.assert_array_equal(jpeg.decode(content), whole(content))
    assert np.abs(whole(content).astype(int) - frame).mean() < 12  # colours at half resolution lose their noise
    assert len(content) < 1.04 * len(by_opencv(frame, 95))


def test_a_square_of_a_clip_is_decoded_at_once_from_its_blocks(monkeypatch):
    """A square with a quarter of each side takes about a tenth of the files."""
    files, sizes, decode = [jpeg.encode(picture(240, 320, n), 90) for n in range(4)], [], jpeg.decode
    monkeypatch.setattr(jpeg, "decode", lambda file: sizes.append(len(file)) or decode(file))
    decoded(files, 100, 130, 60)
    assert len(sizes) == 1 and sizes[0] < 0.15 * sum(map(len, files))


@pytest.mark.parametrize("damage", ["empty", "header", "cut", "marker", "segment", "text"])
@pytest.mark.parametrize("damaged", [0, 2])
def test_a_damaged_frame_is_named(damage, damaged):
    files = [jpeg.encode(picture(120, 160, n), 90) for n in range(4)]
    content = files[damaged]
    marks = np.flatnonzero((content[:-1] == 0xFF) & (content[1:] >= 0xD0) & (content[1:] <= 0xD7))
    if damage == "empty":
        content = content[:0]
    elif damage == "header":
        content = content[:100]
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "marker":
        content[marks[3]] = 0
    elif damage == "segment":
        content[marks[3] + 2 : marks[3] + 4] = 0xFF, 0xC4  # a marker below those of restarts, where the decoder stops
    else:
        content = np.frombuffer(b"no picture" * 100, np.uint8)
    files[damaged] = content
    with pytest.raises(jpeg.DamagedFrameError, match=f"frame {damaged}"):
        decoded(files, 10, 20, 50)
