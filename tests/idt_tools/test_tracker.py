"""The tracker on videos whose motion is known."""

import os
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from moving_textures import IDENTITIES, about_the_centre, drift, level_stripes, square_before_a_moving_camera

import idt_tools
from idt_tools import _core, columns
from idt_tools.tracker import STEADY_SHARE, CountedFrames

pytestmark = pytest.mark.slow  # tracks videos


def test_extract_returns_homographies() -> None:
    frames = drift(8, 1.5, 0.5, 180, 240)
    estimated = idt_tools.extract(iter(frames)).homographies
    assert estimated is not None and estimated.shape == (8, 3, 3) and np.array_equal(estimated[0], np.eye(3))
    places = np.random.default_rng(0).random((50, 1, 2)) * [240, 180]
    for homography in estimated[1:]:
        assert np.abs(cv2.perspectiveTransform(places, homography) - places - [1.5, 0.5]).max() < 0.2
    matrices = np.concatenate([np.eye(3)[None], np.tile(np.diag([1.01, 1, 1]), (7, 1, 1))])
    assert np.array_equal(idt_tools.extract(frames, homographies=matrices).homographies, matrices)
    assert idt_tools.extract([]).homographies.shape == (0, 3, 3)
    assert all(block.homographies is None for block in idt_tools.stream(drift(20, 2, 0)))


@pytest.mark.parametrize(("dx", "dy"), [(2.0, 0.0), (0.0, -1.5), (1.25, 2.5)])
def test_extract_follows_drifting_texture(dx: float, dy: float) -> None:
    options = idt_tools.TrackerOptions(record_points=True)
    trajectories = idt_tools.extract(drift(20, dx, dy), homographies=IDENTITIES[:20], options=options)
    assert len(trajectories) > 100
    assert trajectories.points is not None
    fine = trajectories.info[:, 6] < 1.5
    steps = np.diff(trajectories.points[fine], axis=1)
    inner = (trajectories.info[fine, 1] > 30) & (trajectories.info[fine, 1] < 130) & (trajectories.info[fine, 2] > 30)
    inner &= trajectories.info[fine, 2] < 90
    assert np.median(np.abs(steps[inner] - [dx, dy])) < 0.05
    np.testing.assert_allclose(trajectories.info[fine, 5][inner], 15 * np.hypot(dx, dy), rtol=0.06)
    # The trajectory's shape: equal displacements divided by their total length.
    shape = trajectories.descriptors[fine][inner][:, columns.TRAJECTORY].reshape(-1, 15, 2)
    np.testing.assert_allclose(shape.mean((0, 1)), np.array([dx, dy]) / np.hypot(dx, dy) / 15, atol=0.003)


@pytest.mark.parametrize(("zoom", "degrees"), [(1.02, 0.0), (0.985, 0.0), (1.0, 1.5), (1.01, -1.0)])
def test_extract_zoom_and_rotation_of_camera(zoom: float, degrees: float) -> None:
    frames = about_the_centre(20, zoom, degrees)
    options = idt_tools.TrackerOptions(record_points=True)
    trajectories = idt_tools.extract(frames, homographies=IDENTITIES[:20], options=options)
    assert trajectories.points is not None
    inner = (np.abs(trajectories.points - [120, 90]) < [80, 60]).all((1, 2)) & (trajectories.info[:, 6] < 1.5)
    assert inner.sum() > 50
    before, after = trajectories.points[inner, :-1] - [120, 90], trajectories.points[inner, 1:] - [120, 90]
    angle = np.deg2rad(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.median(np.linalg.norm(after - before @ turn.T, axis=2)) < 0.1

    estimated = idt_tools.extract(frames).info
    is_inner = (np.abs(estimated[:, 1:3] - [120, 90]) < [90, 60]).all(1)
    assert is_inner.sum() < 0.02 * len(trajectories)


def test_info_matches_recorded_points() -> None:
    trajectories = idt_tools.extract(drift(30, 2.0, 1.0), options=idt_tools.TrackerOptions(record_points=True))
    assert trajectories.points is not None
    without_points = idt_tools.extract(drift(30, 2.0, 1.0))
    assert without_points.points is None
    info, points = trajectories.info.astype(float), trajectories.points.astype(float)
    np.testing.assert_allclose(info[:, 1:3], points.mean(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 3:5], points.std(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 5], np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1), atol=1e-3)
    np.testing.assert_allclose(info[:, 7], np.clip(info[:, 1] / 160, 0, 0.999), atol=1e-5)
    np.testing.assert_allclose(info[:, 9], np.clip((info[:, 0] - 7.5) / 30, 0, 0.999), atol=1e-5)


def test_descriptors_are_square_roots_of_histograms() -> None:
    trajectories = idt_tools.extract(drift(20, 2.0, 1.0), homographies=IDENTITIES[:20])
    for name, bins in (("hog", 32), ("hof", 36), ("mbhx", 32), ("mbhy", 32)):
        cells = trajectories.descriptors[:, columns.CHANNELS[name]].reshape(len(trajectories), 3, bins)
        assert (cells >= 0).all()
        # Each step's vector has unit length; the mean of 5 is at most as long, up to rounding to 16 bits.
        norms = np.linalg.norm(cells, axis=2)
        assert (norms <= 1 + 1e-4).all() and (norms > 0.8).all()


def test_hof_peaks_at_direction_of_motion() -> None:
    trajectories = idt_tools.extract(drift(20, 0.0, 2.0), homographies=IDENTITIES[:20])
    hof = trajectories.descriptors[:, columns.HOF].reshape(-1, 3, 4, 9).mean((0, 1, 2))
    assert hof.argmax() == 2  # bins are centred on 0, 45, 90 ... degrees, y pointing down


def test_rows_are_sorted_by_frame_and_scale() -> None:
    info = idt_tools.extract(drift(30, 2.0, 1.0)).info
    order = np.lexsort((info[:, 6], info[:, 0]))
    assert np.array_equal(order, np.arange(len(info)))


def test_extract_moving_camera_gives_no_trajectories() -> None:
    frames = drift(24, 2.0, 1.0, 180, 240)
    info = idt_tools.extract(frames).info
    margin = 20  # near the edge the warped frame is a copy, so that motion there remains
    is_inner = (info[:, 1] > margin) & (info[:, 1] < 240 - margin) & (info[:, 2] > margin) & (info[:, 2] < 180 - margin)
    n_all = len(idt_tools.extract(frames, homographies=IDENTITIES[:24]))
    assert is_inner.sum() < 0.02 * n_all


def test_extract_keeps_object_before_moving_camera() -> None:
    frames = square_before_a_moving_camera()
    options = idt_tools.TrackerOptions(record_points=True)
    boxes = np.array([[t, 128 - 2 * t, 58, 192 - 2 * t, 122, 1] for t in range(len(frames))], np.float32)
    trajectories = idt_tools.extract(frames, boxes=boxes, options=options)
    assert trajectories.points is not None
    start = trajectories.info[:, 0].astype(int)[:, None] - 15 + np.arange(16)
    on_square = (trajectories.points[:, :, 0] > 128 - 2 * start) & (trajectories.points[:, :, 0] < 192 - 2 * start)
    on_square &= (trajectories.points[:, :, 1] > 58) & (trajectories.points[:, :, 1] < 122)
    well_inside = (
        (np.abs(trajectories.info[:, 1] - 120) < 80) & (trajectories.info[:, 2] > 30) & (trajectories.info[:, 2] < 150)
    )
    assert on_square.all(1).sum() > 30
    assert (on_square.any(1) | ~well_inside).mean() > 0.8
    # Its motion without the camera's is (-2, 0) - (1.5, 0.5).
    fine = on_square.all(1) & (trajectories.info[:, 6] < 1.5)
    direction = trajectories.descriptors[fine][:, columns.TRAJECTORY].reshape(-1, 15, 2).sum(1)
    np.testing.assert_allclose(np.median(direction, axis=0), [-0.99, -0.14], atol=0.05)


def test_displacements_stay_within_the_frame() -> None:
    """Along straight stripes the flow without the camera's motion exceeds the frame, which has 320 x 240 pixels."""
    options = idt_tools.TrackerOptions(record_points=True)
    tracked = idt_tools.extract(level_stripes(20), homographies=IDENTITIES[:20], options=options)
    assert len(tracked) > 1000 and tracked.points is not None
    # The columns are displacements divided by their total length. Most equal the steps of the points, where the camera
    # does not move; that gives the total length.
    shares = tracked.descriptors[:, columns.TRAJECTORY].reshape(-1, 15, 2)
    steps = np.linalg.norm(np.diff(tracked.points, axis=1), axis=2)
    lengths = np.median(steps / np.maximum(np.linalg.norm(shares, axis=2), 1e-9), axis=1)
    assert ((lengths[:, None, None] * np.abs(shares)).max((0, 1)) < [320, 240]).all()


def test_boxes_change_only_the_camera_motion() -> None:
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


def test_stream_gives_rows_of_extract() -> None:
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


def test_stream_reads_frames_lazily() -> None:
    frames = CountedFrames(drift(40, 2.0, 1.0, 180, 240))
    next(idt_tools.stream(frames, homographies=IDENTITIES))
    assert frames.n_frames < 40


def test_extract_in_threads_gives_equal_bytes() -> None:
    frames = square_before_a_moving_camera()
    first = idt_tools.extract(frames)
    results: list[idt_tools.Trajectories] = []
    threads = [threading.Thread(target=lambda: results.append(idt_tools.extract(frames))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    for other in results:
        assert other.info.tobytes() == first.info.tobytes()
        assert other.descriptors.tobytes() == first.descriptors.tobytes()


def test_builds_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds with fused multiply-add agree to the byte. The baseline rounds once more."""
    frames = square_before_a_moving_camera()
    by_build = {}
    for name in _core.INSTRUCTION_SETS:
        build = _core.build(name)
        monkeypatch.setattr(_core, "Tracker", build.Tracker)
        monkeypatch.setattr(_core, "fit_homography", build.fit_homography)
        by_build[name] = idt_tools.extract(frames)
    exact = by_build["baseline"]
    for name, other in by_build.items():
        assert abs(len(other) - len(exact)) <= 0.005 * len(exact)
        if name != "baseline":
            assert other.descriptors.tobytes() == by_build["avx2"].descriptors.tobytes()
            assert other.info.tobytes() == by_build["avx2"].info.tobytes()
    if len(by_build) > 1:
        baseline_places, avx2_places = (
            set(map(tuple, np.round(part.info[:, :3]).tolist())) for part in (exact, by_build["avx2"])
        )
        assert len(baseline_places & avx2_places) > 0.98 * len(baseline_places)


def test_core_build_from_environment() -> None:
    def run(name: str) -> subprocess.CompletedProcess[str]:
        script = "from idt_tools import _core; print(_core.Tracker.__module__)"
        environment = {**os.environ, "IDT_INSTRUCTION_SET": name}
        return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)

    for name in _core.INSTRUCTION_SETS:
        assert run(name).stdout.strip() == f"idt_tools._core_{name}"
    assert run("").stdout.strip() == f"idt_tools._core_{_core.INSTRUCTION_SETS[0]}"
    assert "no build for 'mmx' here; choose one of" in run("mmx").stderr


def test_columns_cover_rows() -> None:
    assert len(columns.INFO) == 10 and len(columns.DESCRIPTORS) == 426
    covered = np.concatenate([np.arange(426)[part] for part in columns.CHANNELS.values()])
    assert np.array_equal(covered, np.arange(426))
