"""The frames, boxes, homographies and options that the tracker accepts, and the errors for all others."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_textures import IDENTITIES, drift, square_before_a_moving_camera, texture

import idt_tools
from idt_tools import columns


def test_extract_static_scene_gives_no_trajectories() -> None:
    assert len(idt_tools.extract(np.repeat(texture(120, 160)[None], 20, axis=0))) == 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_extract_blank_video_gives_no_trajectories(level: int) -> None:
    assert len(idt_tools.extract(np.full((20, 64, 64), level, np.uint8))) == 0


def test_boxes_outside_image_are_cut_or_ignored() -> None:
    frames = square_before_a_moving_camera(18)
    height, width = frames.shape[1:]

    def descriptors_with(*boxes: list[float]) -> bytes:
        rows = np.array(boxes, np.float64).reshape(-1, 6)
        return idt_tools.extract(frames, boxes=rows).descriptors.tobytes()

    outside = [[3, -90, -90, -1, -1, 1], [4, width, 0, 2 * width, 50, 1], [5, 0, 1e30, 9, 2e30, 1]]
    inverted = [[6, 90, 20, 10, 80, 1], [7, 10, 80, 90, 20, 1]]
    absent = [[-1, 0, 0, 99, 99, 1], [18, 0, 0, 99, 99, 1], [2**24, 0, 0, 99, 99, 1]]
    assert (
        descriptors_with(*outside, *inverted, *absent)
        == descriptors_with()
        == idt_tools.extract(frames).descriptors.tobytes()
    )
    assert (
        descriptors_with([8, -1e30, 50, 1e30, 1e30, 1])
        == descriptors_with([8, 0, 50, width - 1, height - 1, 1])
        != descriptors_with()
    )


def test_extract_converts_colour_as_opencv() -> None:
    colour = np.stack([drift(18, 2, 1, seed=s) for s in range(3)], axis=-1)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in colour])
    assert idt_tools.extract(colour).descriptors.tobytes() == idt_tools.extract(grey).descriptors.tobytes()


def in_one_buffer(frames: np.ndarray) -> Iterator[np.ndarray]:
    """Yields each frame in the same memory, as some readers do."""
    buffer = np.empty_like(frames[0])
    for frame in frames:
        buffer[:] = frame
        yield buffer


def test_extract_accepts_any_memory_layout(tmp_path: Path) -> None:
    frames = drift(17, 2.0, 1.0, 50, 60)
    expected = idt_tools.extract(frames, homographies=IDENTITIES[:17])
    assert len(expected) > 0
    on_disk = np.memmap(tmp_path / "frames", np.uint8, "w+", shape=frames.shape)
    on_disk[:] = frames
    read_only = frames.copy()
    read_only.flags.writeable = False
    wide = np.repeat(frames, 2, axis=2)
    layouts = {
        "Fortran order": np.asfortranarray(frames),
        "negative strides": frames[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        "every second column": wide[:, :, ::2],
        "a file": on_disk,
        "read only": read_only,
        "masked": np.ma.masked_greater(frames, 100),
        "a list": list(frames),
        "a buffer used again": in_one_buffer(frames),
    }
    for kind, array in layouts.items():
        trajectories = idt_tools.extract(array, homographies=IDENTITIES[:17])
        assert trajectories.info.tobytes() == expected.info.tobytes(), kind
        assert trajectories.descriptors.tobytes() == expected.descriptors.tobytes(), kind


def test_extract_frames_in_reused_buffer() -> None:
    frames = drift(17, 2.0, 1.0)
    assert idt_tools.extract(in_one_buffer(frames)).info.tobytes() == idt_tools.extract(frames).info.tobytes()


def test_extract_passes_on_error_of_reader() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from drift(20, 2.0, 1.0)[:17]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        idt_tools.extract(broken())
    blocks = idt_tools.stream(broken(), homographies=IDENTITIES)
    with pytest.raises(OSError, match="the disk is gone"):
        list(blocks)
    assert list(blocks) == []


@pytest.mark.parametrize("n_frames", [0, *range(1, 16)])
def test_extract_short_video_gives_no_trajectories(n_frames: int) -> None:
    trajectories = idt_tools.extract(drift(16, 2.0, 1.0, 40, 50)[:n_frames])
    assert trajectories.info.shape == (0, 10) and trajectories.info.dtype == np.float32
    assert trajectories.descriptors.shape == (0, 426) and trajectories.descriptors.dtype == np.float32


def test_extract_sixteen_frames_gives_trajectories() -> None:
    trajectories = idt_tools.extract(drift(16, 2.0, 1.0), homographies=IDENTITIES[:16])
    assert len(trajectories) > 0 and (trajectories.info[:, 0] == 15).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 201), (33, 32), (121, 161), (45, 64)])
def test_extract_odd_and_smallest_sizes(height: int, width: int) -> None:
    trajectories = idt_tools.extract(drift(18, 2.0, 1.0, height, width), homographies=IDENTITIES[:18])
    assert np.isfinite(trajectories.descriptors).all() and np.isfinite(trajectories.info).all()


@pytest.mark.parametrize(
    "homography",
    [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1e300, 1e300, 1]), np.diag([1.0, 1.0, 0.0]), -np.eye(3)],
)
def test_extract_singular_homographies_gives_finite_rows(homography: np.ndarray) -> None:
    matrices = np.tile(homography, (18, 1, 1))
    trajectories = idt_tools.extract(drift(18, 2.0, 1.0), homographies=matrices)
    assert np.isfinite(trajectories.descriptors).all()


def test_extract_noise_gives_finite_rows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 80), dtype=np.uint8)
    trajectories = idt_tools.extract((noise > 127).astype(np.uint8) * 255)
    assert np.isfinite(trajectories.descriptors).all()


def test_extract_wrong_frames_raises() -> None:
    grey = drift(18, 2.0, 1.0)
    with pytest.raises(TypeError, match="read_video"):
        idt_tools.extract("video.avi")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="iterable"):
        idt_tools.extract(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="frame 0 must hold uint8, not float32"):
        idt_tools.extract(grey.astype(np.float32))
    with pytest.raises(TypeError, match="frame 0 must hold uint8, not bool"):
        idt_tools.extract(grey > 127)
    with pytest.raises(TypeError, match="frame 0 must hold uint8, not object"):
        idt_tools.extract(grey.astype(object))
    with pytest.raises(TypeError, match="frame 2 must hold uint8, not int8"):
        idt_tools.extract([*grey[:2], grey[2].astype(np.int8)])
    with pytest.raises(TypeError, match="numpy array, not list"):
        idt_tools.extract([[1, 2]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"\(T, H, W\)"):
        idt_tools.extract(grey[0])
    with pytest.raises(ValueError, match=r"frame 0 must have the shape"):
        idt_tools.extract(np.zeros((18, 64, 64, 4), np.uint8))
    with pytest.raises(ValueError, match="frame 3 is 120x120, those before are 160x120"):
        idt_tools.extract([*grey[:3], grey[3, :, :120]])
    with pytest.raises(ValueError, match="24x18 pixels: the tracker needs at least 32 on each side"):
        idt_tools.extract(np.zeros((18, 18, 24), np.uint8))
    with pytest.raises(ValueError, match="at least 32"):
        idt_tools.extract(np.zeros((18, 100, 1), np.uint8))
    with pytest.raises(ValueError):
        idt_tools.extract(np.zeros((18, 0, 0, 3), np.uint8))
    with pytest.raises(ValueError, match="frame 0 has 100000x100000 pixels: the tracker takes at most"):
        idt_tools.extract(np.broadcast_to(np.uint8(0), (18, 100_000, 100_000)))


def test_extract_wrong_boxes_homographies_options_raises() -> None:
    grey = drift(18, 2.0, 1.0)
    with pytest.raises(ValueError, match="boxes must have the shape"):
        idt_tools.extract(grey, boxes=np.zeros((3, 4)))
    with pytest.raises(ValueError, match="finite"):
        idt_tools.extract(grey, boxes=np.full((1, 6), np.nan))
    with pytest.raises(ValueError, match=r"shape \(T, 3, 3\)"):
        idt_tools.extract(grey, homographies=np.eye(3))
    with pytest.raises(ValueError, match="17 homographies for 18 frames"):
        idt_tools.extract(grey, homographies=IDENTITIES[:17])
    with pytest.raises(ValueError, match="17 homographies, but more frames"):
        idt_tools.extract(iter(grey), homographies=IDENTITIES[:17])
    bad = IDENTITIES[:18].copy()
    bad[4, 1, 1] = np.inf
    with pytest.raises(ValueError, match="homography 4 "):
        idt_tools.extract(grey, homographies=bad)
    with pytest.raises(ValueError, match="sampling_step"):
        idt_tools.TrackerOptions(sampling_step=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30])
def test_extract_extreme_options_gives_finite_rows(value: float) -> None:
    frames = drift(17, 2.0, 1.0, 64, 80)
    for name in ("quality", "min_deviation", "max_deviation", "max_jump", "max_jump_share", "min_motion"):
        options = idt_tools.TrackerOptions(**{name: value})
        trajectories = idt_tools.extract(frames, homographies=IDENTITIES[:17], options=options)
        assert np.isfinite(trajectories.descriptors).all() and np.isfinite(trajectories.info).all()


def test_extract_still_tracks_gives_finite_rows() -> None:
    options = idt_tools.TrackerOptions(min_deviation=-1.0, min_motion=-1.0)
    still = np.repeat(texture(64, 64)[None], 17, axis=0)
    shape = idt_tools.extract(still, homographies=IDENTITIES[:17], options=options).descriptors[:, columns.TRAJECTORY]
    assert np.isfinite(shape).all() and (shape == 0).all(axis=1).any()


def test_extract_ignores_first_homography() -> None:
    matrices = IDENTITIES[:18].copy()
    matrices[0] = np.nan
    assert len(idt_tools.extract(drift(18, 2.0, 1.0), homographies=matrices)) > 0
