"""Reading videos, and the errors for unreadable ones."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from written_videos import write_video

import idt_tools
from idt_tools import ReadingFailed, VideoError


def write_rising(path: Path, n_frames: int, width: int = 64, height: int = 48) -> Path:
    """A small MPEG-4 video whose brightness rises with time, by 4 grey levels per frame up to 50 frames."""
    greys = (40 + 4 * (t % 50) for t in range(n_frames))
    return write_video(path, (np.full((height, width, 3), grey, np.uint8) for grey in greys), bit_rate=2_000_000)


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate, frame.time_base, frame.pts = 8000, Fraction(1, 8000), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_read_video_frames_are_rgb_in_order(tmp_path: Path) -> None:
    frames = list(idt_tools.read_video(write_rising(tmp_path / "rising.mp4", 20)))
    assert len(frames) == 20
    assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert np.abs(np.array([frame.mean() for frame in frames]) - (40 + 4 * np.arange(20))).max() < 4


def test_probe_video(tmp_path: Path) -> None:
    assert idt_tools.probe_video(write_rising(tmp_path / "rising.mp4", 20)) == idt_tools.VideoInfo(20, 25.0, 64, 48)


def test_probe_video_matroska_by_duration(tmp_path: Path) -> None:
    assert abs(idt_tools.probe_video(write_rising(tmp_path / "rising.mkv", 50)).n_frames - 50) <= 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.avi", b"", "the file is empty"),
        ("text.avi", b"not a video at all\n" * 40, "cannot be opened as a video"),
        ("header.avi", b"RIFF\x00\x00\x00\x00AVI LIST", "cannot be opened as a video"),
    ],
)
def test_read_video_unreadable_file(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (lambda: next(idt_tools.read_video(path)), lambda: idt_tools.probe_video(path)):
        with pytest.raises(VideoError) as raised:
            read()
        assert raised.value.status == "unreadable"
        assert reason in raised.value.reason
        assert str(raised.value) == f"{path}: {raised.value.reason}"


def test_probe_video_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadingFailed, match="there is no such file") as raised:
        idt_tools.probe_video(tmp_path / "nothing.avi")
    assert (raised.value.path, raised.value.reason) == (tmp_path / "nothing.avi", "there is no such file")
    with pytest.raises(VideoError, match="it is a folder"):
        idt_tools.probe_video(tmp_path)


def test_read_video_sound_only(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as raised:
        next(idt_tools.read_video(write_sound(tmp_path / "sound.mp4")))
    assert raised.value.status == "no_video_stream"


def test_read_video_truncated_after_its_frames(tmp_path: Path) -> None:
    whole = write_rising(tmp_path / "whole.avi", 60, 320, 240)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 10])
    frames = []
    with pytest.raises(VideoError) as raised:
        for frame in idt_tools.read_video(cut):
            frames.append(frame)
    assert 0 < len(frames) < 50
    assert raised.value.status == "truncated"
    assert raised.value.reason == f"it ends after {len(frames) / 25:.2f} of 2.40 seconds, {len(frames)} frames"


def test_video_error_can_be_pickled(tmp_path: Path) -> None:
    import pickle

    error = pickle.loads(pickle.dumps(VideoError(tmp_path / "a.avi", "truncated", "3 of 9 frames could be decoded")))
    assert (error.status, error.reason, error.path) == (
        "truncated",
        "3 of 9 frames could be decoded",
        tmp_path / "a.avi",
    )


EXPECTED = {
    "audio_only.mp4": ("no_video_stream", 0),
    "corrupted.mp4": (None, 48),
    "frames_01.mp4": (None, 1),
    "frames_15.mp4": (None, 15),
    "frames_16.mp4": (None, 16),
    "grayscale.mp4": (None, 120),
    "header_only.avi": ("unreadable", 0),
    "odd_size_161x121.mp4": (None, 40),
    "static_gray.mp4": (None, 50),
    "text_as_video.avi": ("unreadable", 0),
    "tiny_24x18.avi": (None, 40),
    "truncated_40pct.avi": ("truncated", 75),
    "vfr.mp4": (None, 98),
    "zero_length.avi": ("unreadable", 0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_read_video_broken_and_odd_videos(shared: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    status, n_frames = EXPECTED[name]
    frames, error_status = 0, None
    try:
        for _ in idt_tools.read_video(shared / "videos" / "bad" / name):
            frames += 1
    except VideoError as error:
        error_status = error.status
        assert "\n" not in str(error) and name in str(error)
    assert (error_status, frames) == (status, n_frames)
    assert capfd.readouterr() == ("", "")  # libav is quiet


@pytest.mark.slow
def test_extract_odd_videos(shared: Path) -> None:
    bad = shared / "videos" / "bad"
    assert len(idt_tools.extract(idt_tools.read_video(bad / "grayscale.mp4"))) > 0
    idt_tools.extract(idt_tools.read_video(bad / "odd_size_161x121.mp4"))  # it shows hardly any motion
    assert len(idt_tools.extract(idt_tools.read_video(bad / "static_gray.mp4"))) == 0
    assert len(idt_tools.extract(idt_tools.read_video(bad / "frames_15.mp4"))) == 0
    with pytest.raises(ValueError, match="24x18 pixels: the tracker needs at least 32 on each side"):
        idt_tools.extract(idt_tools.read_video(bad / "tiny_24x18.avi"))
