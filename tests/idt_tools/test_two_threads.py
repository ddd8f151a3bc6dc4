"""The tracker with two threads for one video: the same rows and the same errors as with one."""

import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_textures import IDENTITIES, drift, square_before_a_moving_camera
from processes import default_signals

import idt_tools
from idt_tools.tracker import CountedFrames, make_tracker

pytestmark = pytest.mark.slow  # tracks videos


def assert_same_bytes(frames: list[np.ndarray], boxes: np.ndarray | None, homographies: np.ndarray | None) -> None:
    options = idt_tools.TrackerOptions(record_points=True, min_deviation=0.3, min_motion=0.1)
    one, two = (idt_tools.extract(frames, boxes, homographies, options, threads=n) for n in (1, 2))
    for name in ("info", "descriptors", "points", "homographies"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name


@settings(deadline=None, max_examples=15)
@given(
    st.integers(32, 120),
    st.integers(32, 120),
    st.integers(0, 40),
    st.sets(st.integers(1, 39), max_size=3),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_two_threads_give_equal_bytes(
    height: int, width: int, n_frames: int, gaps: set[int], estimated: bool, masked: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = rng.uniform(-3, 3, 2)
    frames = [np.roll(frame, seed % 7 * t, 1) for t, frame in enumerate(drift(40, dx, dy, height, width, seed))]
    frames = [frame.view(idt_tools.FrameAfterGap) if t in gaps else frame for t, frame in enumerate(frames)]
    boxes = np.array([[t, *rng.uniform(0, 60, 2), *rng.uniform(60, 120, 2), 1] for t in range(n_frames)]).reshape(-1, 6)
    still = None if estimated else IDENTITIES[:n_frames]
    assert_same_bytes(frames[:n_frames], boxes if masked else None, still)


@pytest.mark.parametrize("size", [(240, 320), (720, 1280)])
def test_two_threads_give_equal_bytes_of_a_real_clip(shared: Path, size: tuple[int, int]) -> None:
    frames = list(idt_tools.read_video(shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"))
    repeats = -(-size[0] // frames[0].shape[0]), -(-size[1] // frames[0].shape[1]), 1
    assert_same_bytes([np.tile(frame, repeats)[: size[0], : size[1]] for frame in frames[:20]], None, None)


def test_two_threads_raise_an_error_after_the_blocks_before_it() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from square_before_a_moving_camera(24)
        raise OSError("the disk is gone")

    before = threading.active_count()
    blocks = idt_tools.stream(broken(), homographies=IDENTITIES, n_frames=24, threads=2)
    n_rows = 0
    with pytest.raises(OSError, match="the disk is gone"):
        for block in blocks:
            n_rows += len(block)
    assert n_rows >= idt_tools.tracker.BLOCK_ROWS and threading.active_count() == before
    grey = drift(18, 2.0, 1.0)
    with pytest.raises(ValueError, match="frame 3 is 120x120, those before are 160x120"):
        idt_tools.extract([*grey[:3], grey[3, :, :120]], threads=2)
    for threads in (0, 3):
        with pytest.raises(ValueError, match=f"threads must be 1 or 2, not {threads}"):
            idt_tools.stream(grey, threads=threads)


def test_two_threads_read_one_frame_ahead_and_end_when_closed() -> None:
    frames = CountedFrames(drift(40, 2.0, 1.0, 180, 240))
    before = threading.active_count()
    blocks = idt_tools.stream(frames, homographies=IDENTITIES, threads=2)
    next(blocks)
    blocks.close()
    assert 16 <= frames.n_frames <= 17 and threading.active_count() == before
    blocks = idt_tools.stream(frames, homographies=IDENTITIES, threads=2)
    next(blocks)
    del blocks
    gc.collect()
    assert threading.active_count() == before


def test_core_keeps_two_frames_in_work_and_no_more() -> None:
    frames = drift(4, 2.0, 1.0)
    tracker = make_tracker(160, 120, threads=2)
    tracker.start(frames[0])
    for frame in frames[1:3]:
        tracker.start(frame)
        tracker.compensate(np.eye(3))
    with pytest.raises(RuntimeError, match="not been finished"):
        tracker.start(frames[3])
    tracker.finish()
    tracker.start(frames[3])
    tracker.finish()
    with pytest.raises(RuntimeError, match="no frame"):
        tracker.finish()
    with pytest.raises(ValueError, match="threads"):
        make_tracker(160, 120, threads=3)


def test_extract_command_stops_in_two_threads(shared: Path, tmp_path: Path) -> None:
    clip = shared / "videos" / "ucf101_subset" / "videos" / "Punch" / "v_Punch_g17_c02.avi"
    output = tmp_path / "out.h5"
    process = subprocess.Popen(
        [sys.executable, "-m", "idt_tools.cli", "extract", str(clip), "-o", str(output), "--threads", "2"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_signals,
    )
    while not any(tmp_path.glob(".*.tmp")):
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert errors.startswith("error: interrupted") and len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
