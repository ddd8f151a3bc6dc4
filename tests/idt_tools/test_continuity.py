"""Damaged videos: which frames are skipped, and where trajectories must end."""

from pathlib import Path

import numpy as np
import pytest
from video_files import read

import idt_tools
from idt_tools import FrameAfterGap, VideoError
from idt_tools.continuity import Continuity


def test_read_video_skips_damaged_packets_up_to_limit(reported: Path) -> None:
    path = reported / "one_bad_packet" / "corrupt_h264.mp4"
    video = idt_tools.read_video(path)
    frames = list(video)
    assert (len(frames), video.n_skipped) == (44, 1)
    assert [i for i, frame in enumerate(frames) if isinstance(frame, FrameAfterGap)] == [23]
    plain, _ = read(reported / "rotation_ignored" / "plain.mp4")
    whole = [*range(23), *range(24, 45)]
    other = [number for frame, number in zip(frames, whole, strict=True) if (frame != plain[number]).any()]
    assert other == [22]  # predicted from the damaged picture 23, but not flagged by the decoder
    assert read(path, max_corrupt_fraction=0.02)[1] == "corrupted"


def test_read_video_hole_exceeds_limit(reported: Path) -> None:
    path = reported / "one_bad_packet" / "hole_h264.mp4"
    with pytest.raises(
        VideoError, match=r"11 of 45 frames are damaged, more than max_corrupt_fraction = 0.05"
    ) as raised:
        list(idt_tools.read_video(path))
    assert raised.value.status == "corrupted"
    frames, status = read(path, max_corrupt_fraction=0.3)
    assert (len(frames), status) == (34, "ok")
    assert [i for i, frame in enumerate(frames) if isinstance(frame, FrameAfterGap)] == [19]
    plain, _ = read(reported / "rotation_ignored" / "plain.mp4")
    shown = [int(np.argmin([np.abs(frame.astype(int) - other).mean() for other in plain])) for frame in frames]
    assert shown == sorted(shown)  # in order


def test_extract_no_trajectory_crosses_gap(reported: Path) -> None:
    frames = list(idt_tools.read_video(reported / "one_bad_packet" / "corrupt_h264.mp4"))
    tracked = idt_tools.extract(frames, options=idt_tools.TrackerOptions(record_points=True))
    before, after = idt_tools.extract(frames[:23]), idt_tools.extract([np.asarray(f).copy() for f in frames[23:]])
    assert len(before) and len(after) and len(tracked) == len(before) + len(after)
    ends = tracked.info[:, 0]
    assert not ((ends >= 23) & (ends < 23 + 15)).any() and ends.max() < 44
    assert (tracked.descriptors == np.concatenate([before.descriptors, after.descriptors])).all()
    assert (ends == np.concatenate([before.info[:, 0], after.info[:, 0] + 23])).all()
    assert tracked.homographies is not None and (tracked.homographies[23] == np.eye(3)).all()
    assert len(tracked.homographies) == 44


class FakeFrame:
    """The attributes of a frame that `Continuity` reads."""

    def __init__(self, pts: int | None, is_corrupt: bool = False, key_frame: bool = False) -> None:
        self.pts, self.is_corrupt, self.key_frame, self.duration = pts, is_corrupt, key_frame, 2


def test_continuity_irregular_times_without_damage() -> None:
    continuity = Continuity()
    for pts in (0, 2, 9, 11, 10, 40):
        assert continuity.accepts(FakeFrame(pts))  # type: ignore[arg-type]
        assert not continuity.after_gap
    assert continuity.n_skipped == 0 and (continuity.start, continuity.end) == (0, 42)


def test_continuity_counts_missing_frames_by_time() -> None:
    continuity = Continuity()
    for pts in (0, 2, 4):
        assert continuity.accepts(FakeFrame(pts))  # type: ignore[arg-type]
    continuity.damage()
    assert continuity.accepts(FakeFrame(6)) and not continuity.after_gap  # type: ignore[arg-type]
    assert continuity.accepts(FakeFrame(14)) and continuity.after_gap  # type: ignore[arg-type]
    assert continuity.n_skipped == 3
    assert not continuity.accepts(FakeFrame(8))  # type: ignore[arg-type]


def test_continuity_without_times_gap_until_key_frame() -> None:
    continuity = Continuity()
    assert continuity.accepts(FakeFrame(None))  # type: ignore[arg-type]
    continuity.damage()
    gaps = []
    for number in range(40):
        assert continuity.accepts(FakeFrame(None, key_frame=number in (5, 20)))  # type: ignore[arg-type]
        gaps.append(continuity.after_gap)
    assert gaps == [True] * 21 + [False] * 19 and continuity.n_skipped == 1
