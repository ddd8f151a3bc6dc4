"""The tracker on motion made in the test, whose displacements and rejections are known; and its bad arguments."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import idt_tools
from idt_tools import _core, columns
from idt_tools.tracker import STEADY_SHARE

IDENTITIES = np.tile(np.eye(3), (64, 1, 1))


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random pattern (height, width) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def drift(n_frames: int, dx: float, dy: float, height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """A texture that moves by (dx, dy) pixels a frame, (n_frames, height, width)."""
    wide = texture(2 * height, 2 * width, seed)
    frames = []
    for t in range(n_frames):
        shift = np.array([[1, 0, width / 2 - dx * t], [0, 1, height / 2 - dy * t]], np.float32)
        frames.append(cv2.warpAffine(wide, shift, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return np.stack(frames)


def square_before_a_moving_camera(n_frames: int = 24) -> np.ndarray:
    """Background moving by (1.5, 0.5) a frame, and in front of it a 60-pixel square moving by (-2, 0)."""
    frames = drift(n_frames, 1.5, 0.5, 180, 240)
    square = texture(60, 60, seed=1)
    for t, frame in enumerate(frames):
        frame[60:120, 130 - 2 * t : 190 - 2 * t] = square
    return frames


def test_the_camera_s_motion_is_told() -> None:
    frames = drift(8, 1.5, 0.5, 180, 240)
    found = idt_tools.extract(iter(frames)).homographies
    assert found is not None and found.shape == (8, 3, 3) and np.array_equal(found[0], np.eye(3))
    places = np.random.default_rng(0).random((50, 1, 2)) * [240, 180]
    for homography in found[1:]:
        assert np.abs(cv2.perspectiveTransform(places, homography) - places - [1.5, 0.5]).max() < 0.2
    given = np.concatenate([np.eye(3)[None], np.tile(np.diag([1.01, 1, 1]), (7, 1, 1))])
    assert np.array_equal(idt_tools.extract(frames, homographies=given).homographies, given)
    assert idt_tools.extract([]).homographies.shape == (0, 3, 3)
    assert all(block.homographies is None for block in idt_tools.stream(drift(20, 2, 0)))


@pytest.mark.parametrize(("dx", "dy"), [(2.0, 0.0), (0.0, -1.5), (1.25, 2.5)])
def test_a_drifting_texture_is_followed(dx: float, dy: float) -> None:
    options = idt_tools.TrackerOptions(record_points=True)
    found = idt_tools.extract(drift(20, dx, dy), homographies=IDENTITIES[:20], options=options)
    assert len(found) > 100
    assert found.points is not None
    fine = found.info[:, 6] < 1.5
    steps = np.diff(found.points[fine], axis=1)
    inner = (found.info[fine, 1] > 30) & (found.info[fine, 1] < 130) & (found.info[fine, 2] > 30)
    inner &= found.info[fine, 2] < 90
    assert np.median(np.abs(steps[inner] - [dx, dy])) < 0.05
    np.testing.assert_allclose(found.info[fine, 5][inner], 15 * np.hypot(dx, dy), rtol=0.06)
    # The trajectory's shape: equal displacements, normalised by their summed length.
    shape = found.descriptors[fine][inner][:, columns.TRAJECTORY].reshape(-1, 15, 2)
    np.testing.assert_allclose(shape.mean((0, 1)), np.array([dx, dy]) / np.hypot(dx, dy) / 15, atol=0.003)


def about_the_centre(n_frames: int, zoom: float, degrees: float, height: int = 180, width: int = 240) -> np.ndarray:
    """A texture that grows by the factor `zoom` and turns by `degrees` a frame around the image's centre."""
    wide = texture(2 * height, 2 * width)
    frames = []
    for t in range(n_frames):
        matrix = cv2.getRotationMatrix2D((width, height), -degrees * t, zoom**t)
        matrix[:, 2] -= width / 2, height / 2
        frames.append(cv2.warpAffine(wide, matrix, (width, height), flags=cv2.INTER_LINEAR))
    return np.stack(frames)


@pytest.mark.parametrize(("zoom", "degrees"), [(1.02, 0.0), (0.985, 0.0), (1.0, 1.5), (1.01, -1.0)])
def test_a_zoom_and_a_rotation_are_followed_and_known_for_the_cameras(zoom: float, degrees: float) -> None:
    frames = about_the_centre(20, zoom, degrees)
    options = idt_tools.TrackerOptions(record_points=True)
    found = idt_tools.extract(frames, homographies=IDENTITIES[:20], options=options)
    assert found.points is not None
    inner = (np.abs(found.points - [120, 90]) < [80, 60]).all((1, 2)) & (found.info[:, 6] < 1.5)
    assert inner.sum() > 50
    before, after = found.points[inner, :-1] - [120, 90], found.points[inner, 1:] - [120, 90]
    angle = np.deg2rad(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.median(np.linalg.norm(after - before @ turn.T, axis=2)) < 0.1

    estimated = idt_tools.extract(frames).info
    kept = (np.abs(estimated[:, 1:3] - [120, 90]) < [90, 60]).all(1)
    assert kept.sum() < 0.02 * len(found)


def test_info_describes_the_recorded_points() -> None:
    found = idt_tools.extract(drift(30, 2.0, 1.0), options=idt_tools.TrackerOptions(record_points=True))
    assert found.points is not None
    found_none = idt_tools.extract(drift(30, 2.0, 1.0))
    assert found_none.points is None
    info, points = found.info.astype(float), found.points.astype(float)
    np.testing.assert_allclose(info[:, 1:3], points.mean(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 3:5], points.std(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 5], np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 7], np.clip(info[:, 1] / 160, 0, 0.999), atol=1e-5)
    np.testing.assert_allclose(info[:, 9], np.clip((info[:, 0] - 7.5) / 30, 0, 0.999), atol=1e-5)


def test_descriptors_are_square_roots_of_histograms() -> None:
    found = idt_tools.extract(drift(20, 2.0, 1.0), homographies=IDENTITIES[:20])
    for name, bins in (("hog", 32), ("hof", 36), ("mbhx", 32), ("mbhy", 32)):
        cells = found.descriptors[:, columns.CHANNELS[name]].reshape(len(found), 3, bins)
        assert (cells >= 0).all()
        # Each step's vector has unit length; the mean of 5 has at most that, but for the 16 bits of the sums.
        norms = np.linalg.norm(cells, axis=2)
        assert (norms <= 1 + 1e-4).all() and (norms > 0.8).all()


def test_hof_points_where_the_texture_goes() -> None:
    found = idt_tools.extract(drift(20, 0.0, 2.0), homographies=IDENTITIES[:20])
    hof = found.descriptors[:, columns.HOF].reshape(-1, 3, 4, 9).mean((0, 1, 2))
    assert hof.argmax() == 2  # bins are centred on 0, 45, 90 ... degrees, y pointing down


def test_rows_are_ordered_by_frame_then_scale() -> None:
    info = idt_tools.extract(drift(30, 2.0, 1.0)).info
    order = np.lexsort((info[:, 6], info[:, 0]))
    assert np.array_equal(order, np.arange(len(info)))


def test_a_static_scene_has_no_trajectories() -> None:
    assert len(idt_tools.extract(np.repeat(texture(120, 160)[None], 20, axis=0))) == 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_video_has_no_trajectories(level: int) -> None:
    assert len(idt_tools.extract(np.full((20, 64, 64), level, np.uint8))) == 0


def test_a_moving_camera_alone_has_no_trajectories() -> None:
    frames = drift(24, 2.0, 1.0, 180, 240)
    inner = idt_tools.extract(frames).info
    margin = 20  # near the edge the warped frame is a copy, and what moves there stays
    kept = (inner[:, 1] > margin) & (inner[:, 1] < 240 - margin) & (inner[:, 2] > margin) & (inner[:, 2] < 180 - margin)
    everything = len(idt_tools.extract(frames, homographies=IDENTITIES[:24]))
    assert kept.sum() < 0.02 * everything


def test_a_moving_object_stays_when_the_camera_moves() -> None:
    frames = square_before_a_moving_camera()
    options = idt_tools.TrackerOptions(record_points=True)
    boxes = np.array([[t, 128 - 2 * t, 58, 192 - 2 * t, 122, 1] for t in range(len(frames))], np.float32)
    found = idt_tools.extract(frames, boxes=boxes, options=options)
    assert found.points is not None
    start = found.info[:, 0].astype(int)[:, None] - 15 + np.arange(16)
    on_square = (found.points[:, :, 0] > 128 - 2 * start) & (found.points[:, :, 0] < 192 - 2 * start)
    on_square &= (found.points[:, :, 1] > 58) & (found.points[:, :, 1] < 122)
    well_inside = (np.abs(found.info[:, 1] - 120) < 80) & (found.info[:, 2] > 30) & (found.info[:, 2] < 150)
    assert on_square.all(1).sum() > 30
    assert (on_square.any(1) | ~well_inside).mean() > 0.8
    # Its motion without the camera's is (-2, 0) - (1.5, 0.5).
    fine = on_square.all(1) & (found.info[:, 6] < 1.5)
    direction = found.descriptors[fine][:, columns.TRAJECTORY].reshape(-1, 15, 2).sum(1)
    np.testing.assert_allclose(np.median(direction, axis=0), [-0.99, -0.14], atol=0.05)


def test_person_boxes_change_the_estimate_alone() -> None:
    frames = square_before_a_moving_camera()
    odd = np.array(
        [[0, -50, -50, 20, 20, 1], [3, 200, 150, 900, 900, 1], [5, 90, 90, 10, 10, 1], [999, 0, 0, 9, 9, 1]], np.float32
    )
    assert len(idt_tools.extract(frames, boxes=odd)) > 0
    everywhere = np.array([[t, 0, 0, 999, 999, 1] for t in range(24)], np.float32)
    masked = idt_tools.extract(frames, boxes=everywhere)
    threshold = idt_tools.TrackerOptions(min_motion=STEADY_SHARE)
    uncompensated = idt_tools.extract(frames, homographies=IDENTITIES[:24], options=threshold)
    assert masked.descriptors.tobytes() == uncompensated.descriptors.tobytes()
    with_boxes = idt_tools.extract(frames, boxes=everywhere, homographies=IDENTITIES[:24], options=threshold)
    assert with_boxes.descriptors.tobytes() == uncompensated.descriptors.tobytes()


def test_boxes_are_cut_at_the_edges_and_ignored_where_there_is_nothing_to_mask() -> None:
    frames = square_before_a_moving_camera(18)
    height, width = frames.shape[1:]

    def found(*boxes: list[float]) -> bytes:
        rows = np.array(boxes, np.float64).reshape(-1, 6)
        return idt_tools.extract(frames, boxes=rows).descriptors.tobytes()

    outside = [[3, -90, -90, -1, -1, 1], [4, width, 0, 2 * width, 50, 1], [5, 0, 1e30, 9, 2e30, 1]]
    inverted = [[6, 90, 20, 10, 80, 1], [7, 10, 80, 90, 20, 1]]
    absent = [[-1, 0, 0, 99, 99, 1], [18, 0, 0, 99, 99, 1], [2**24, 0, 0, 99, 99, 1]]
    assert found(*outside, *inverted, *absent) == found() == idt_tools.extract(frames).descriptors.tobytes()
    assert found([8, -1e30, 50, 1e30, 1e30, 1]) == found([8, 0, 50, width - 1, height - 1, 1]) != found()


def test_colour_frames_are_turned_grey_as_opencv_does() -> None:
    colour = np.stack([drift(18, 2, 1, seed=s) for s in range(3)], axis=-1)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in colour])
    assert idt_tools.extract(colour).descriptors.tobytes() == idt_tools.extract(grey).descriptors.tobytes()


def test_a_stream_gives_the_rows_of_extract() -> None:
    frames = drift(40, 2.0, 1.0, 180, 240)
    still = IDENTITIES[:40]
    whole = idt_tools.extract(frames, homographies=still)
    blocks = list(idt_tools.stream(iter(frames), homographies=still, n_frames=40))
    assert len(blocks) > 1
    assert np.concatenate([block.info for block in blocks]).tobytes() == whole.info.tobytes()
    assert np.concatenate([block.descriptors for block in blocks]).tobytes() == whole.descriptors.tobytes()
    unknown = np.concatenate([block.info for block in idt_tools.stream(iter(frames), homographies=still)])
    assert np.isnan(unknown[:, 9]).all()
    assert unknown[:, :9].tobytes() == whole.info[:, :9].tobytes()


def test_a_stream_takes_frames_as_they_come() -> None:
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in drift(40, 2.0, 1.0, 180, 240):
            taken += 1
            yield frame

    next(idt_tools.stream(frames(), homographies=IDENTITIES))
    assert taken < 40


def test_equal_input_gives_equal_bytes_in_threads_too() -> None:
    frames = square_before_a_moving_camera()
    first = idt_tools.extract(frames)
    found: list[idt_tools.Trajectories] = []
    threads = [threading.Thread(target=lambda: found.append(idt_tools.extract(frames))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    for other in found:
        assert other.info.tobytes() == first.info.tobytes()
        assert other.descriptors.tobytes() == first.descriptors.tobytes()


def test_every_build_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte where the instruction sets multiply and add in one step; the baseline rounds once more."""
    frames = square_before_a_moving_camera()
    found = {}
    for name in _core.INSTRUCTION_SETS:
        build = _core.build(name)
        monkeypatch.setattr(_core, "Tracker", build.Tracker)
        monkeypatch.setattr(_core, "fit_homography", build.fit_homography)
        found[name] = idt_tools.extract(frames)
    exact = found["baseline"]
    for name, other in found.items():
        assert abs(len(other) - len(exact)) <= 0.005 * len(exact)
        if name != "baseline":
            assert other.descriptors.tobytes() == found["avx2"].descriptors.tobytes()
            assert other.info.tobytes() == found["avx2"].info.tobytes()
    if len(found) > 1:
        theirs, ours = (set(map(tuple, np.round(part.info[:, :3]).tolist())) for part in (exact, found["avx2"]))
        assert len(theirs & ours) > 0.98 * len(theirs)


def test_the_environment_chooses_the_build() -> None:
    def run(name: str) -> subprocess.CompletedProcess[str]:
        script = "from idt_tools import _core; print(_core.Tracker.__module__)"
        environment = {**os.environ, "IDT_INSTRUCTION_SET": name}
        return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)

    for name in _core.INSTRUCTION_SETS:
        assert run(name).stdout.strip() == f"idt_tools._core_{name}"
    assert run("").stdout.strip() == f"idt_tools._core_{_core.INSTRUCTION_SETS[0]}"
    assert "no build for 'mmx' here; choose one of" in run("mmx").stderr


def test_any_array_of_bytes_is_read_alike(tmp_path: Path) -> None:
    frames = drift(17, 2.0, 1.0, 50, 60)
    expected = idt_tools.extract(frames, homographies=IDENTITIES[:17])
    assert len(expected) > 0
    on_disk = np.memmap(tmp_path / "frames", np.uint8, "w+", shape=frames.shape)
    on_disk[:] = frames
    read_only = frames.copy()
    read_only.flags.writeable = False
    wide = np.repeat(frames, 2, axis=2)
    buffer = np.empty_like(frames[0])

    def in_one_buffer() -> Iterator[np.ndarray]:
        for frame in frames:
            buffer[:] = frame
            yield buffer

    alike = {
        "Fortran order": np.asfortranarray(frames),
        "negative strides": frames[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        "every second column": wide[:, :, ::2],
        "a file": on_disk,
        "read only": read_only,
        "masked": np.ma.masked_greater(frames, 100),
        "a list": list(frames),
        "a buffer used again": in_one_buffer(),
    }
    for kind, array in alike.items():
        found = idt_tools.extract(array, homographies=IDENTITIES[:17])
        assert found.info.tobytes() == expected.info.tobytes(), kind
        assert found.descriptors.tobytes() == expected.descriptors.tobytes(), kind


def test_a_reader_may_use_its_buffer_again_while_the_camera_is_estimated() -> None:
    frames = drift(17, 2.0, 1.0)
    buffer = np.empty_like(frames[0])

    def in_one_buffer() -> Iterator[np.ndarray]:
        for frame in frames:
            buffer[:] = frame
            yield buffer

    assert idt_tools.extract(in_one_buffer()).info.tobytes() == idt_tools.extract(frames).info.tobytes()


def test_an_error_of_the_reader_passes_through() -> None:
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
def test_short_videos_have_no_trajectories(n_frames: int) -> None:
    found = idt_tools.extract(drift(16, 2.0, 1.0, 40, 50)[:n_frames])
    assert found.info.shape == (0, 10) and found.info.dtype == np.float32
    assert found.descriptors.shape == (0, 426) and found.descriptors.dtype == np.float32


def test_sixteen_frames_are_enough() -> None:
    found = idt_tools.extract(drift(16, 2.0, 1.0), homographies=IDENTITIES[:16])
    assert len(found) > 0 and (found.info[:, 0] == 15).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 201), (33, 32), (121, 161), (45, 64)])
def test_odd_and_smallest_sizes(height: int, width: int) -> None:
    found = idt_tools.extract(drift(18, 2.0, 1.0, height, width), homographies=IDENTITIES[:18])
    assert np.isfinite(found.descriptors).all() and np.isfinite(found.info).all()


@pytest.mark.parametrize(
    "homography",
    [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1e300, 1e300, 1]), np.diag([1.0, 1.0, 0.0]), -np.eye(3)],
)
def test_singular_and_absurd_homographies_give_finite_rows(homography: np.ndarray) -> None:
    matrices = np.tile(homography, (18, 1, 1))
    found = idt_tools.extract(drift(18, 2.0, 1.0), homographies=matrices)
    assert np.isfinite(found.descriptors).all()


def test_wild_frames_give_finite_rows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 80), dtype=np.uint8)
    found = idt_tools.extract((noise > 127).astype(np.uint8) * 255)
    assert np.isfinite(found.descriptors).all()


def test_wrong_frames_are_named() -> None:
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
    with pytest.raises(ValueError, match="frame 0 has 100000x100000 pixels: the tracker holds at most"):
        idt_tools.extract(np.broadcast_to(np.uint8(0), (18, 100_000, 100_000)))


def test_wrong_boxes_homographies_and_options_are_named() -> None:
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


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30])
def test_any_number_as_a_threshold_gives_finite_rows(wild: float) -> None:
    frames = drift(17, 2.0, 1.0, 64, 80)
    for name in ("quality", "min_deviation", "max_deviation", "max_jump", "max_jump_share", "min_motion"):
        options = idt_tools.TrackerOptions(**{name: wild})
        found = idt_tools.extract(frames, homographies=IDENTITIES[:17], options=options)
        assert np.isfinite(found.descriptors).all() and np.isfinite(found.info).all()


def test_rows_of_tracks_without_any_motion_are_finite() -> None:
    options = idt_tools.TrackerOptions(min_deviation=-1.0, min_motion=-1.0)
    still = np.repeat(texture(64, 64)[None], 17, axis=0)
    shape = idt_tools.extract(still, homographies=IDENTITIES[:17], options=options).descriptors[:, columns.TRAJECTORY]
    assert np.isfinite(shape).all() and (shape == 0).all(axis=1).any()


def test_the_first_homography_is_ignored() -> None:
    matrices = IDENTITIES[:18].copy()
    matrices[0] = np.nan
    assert len(idt_tools.extract(drift(18, 2.0, 1.0), homographies=matrices)) > 0


def test_columns_cover_the_rows() -> None:
    assert len(columns.INFO) == 10 and len(columns.DESCRIPTORS) == 426
    covered = np.concatenate([np.arange(426)[part] for part in columns.CHANNELS.values()])
    assert np.array_equal(covered, np.arange(426))
