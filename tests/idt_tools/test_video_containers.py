"""Reading videos with dropped frames, rotation, cover pictures, odd names, false headers and system errors."""

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from video_files import read, write

import idt_tools
from idt_tools import ReadingFailed, VideoError

# Dropped frames: the time shows whether a video is complete


@pytest.mark.parametrize(
    ("name", "n_frames", "fps"),
    [
        ("vfr_called_truncated/drop25.mp4", 67, 67 / 2.94),
        ("vfr_called_truncated/drop25_copy.avi", 67, 67 / 2.95),
        ("avi_null_frames/nullframes.avi", 45, 25),
    ],
)
def test_probe_video_with_dropped_frames_is_exact(reported: Path, name: str, n_frames: int, fps: float) -> None:
    info = idt_tools.probe_video(reported / name)
    assert info.exact and info.n_frames == n_frames and info.fps == pytest.approx(fps)
    frames, status = read(reported / name)
    assert (len(frames), status) == (n_frames, "ok")


@pytest.mark.parametrize(
    ("name", "n_frames"),
    [
        ("vfr_called_truncated/drop25_ff.mkv", 67),
        ("vfr_called_truncated/drop25_mkvmerge.mkv", 67),
        ("stream_appears_late/reschange.ts", 45),
        ("suffixes_left_out/a/00001.MTS", 45),
    ],
)
def test_probe_video_without_frame_list_is_estimate(reported: Path, name: str, n_frames: int) -> None:
    info = idt_tools.probe_video(reported / name)
    assert not info.exact and n_frames <= info.n_frames < 1.5 * n_frames
    video = idt_tools.read_video(reported / name)
    assert sum(1 for _ in video) == n_frames == video.n_frames
    assert video.fps == pytest.approx(67 / 2.95 if n_frames == 67 else 25, rel=0.03)


def silence(t: int) -> av.AudioFrame:
    """Returns the sound of video frame t at 25 frames per second: 1280 samples at 32 kHz."""
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1280), np.int16), format="s16", layout="mono")
    frame.rate, frame.pts = 32000, 1280 * t
    return frame


@pytest.mark.parametrize("name", ["whole.mp4", "whole.mkv", "whole.avi"])
@pytest.mark.parametrize("with_sound", [False, True])
def test_read_video_cut_file_is_truncated(tmp_path: Path, name: str, with_sound: bool) -> None:
    whole = tmp_path / name
    with av.open(str(whole), "w", options={"movflags": "faststart"} if name.endswith("mp4") else {}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("mp2", rate=32000, layout="mono") if with_sound else None
        noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
        for t, picture in enumerate(noise):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if sound is not None:
                container.mux(sound.encode(silence(t)))
        container.mux(stream.encode())
    assert read(whole)[1] == "ok"
    cut = tmp_path / f"cut{whole.suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 10])
    frames, status = read(cut)
    assert status == "truncated" and 20 < len(frames) < 60


def test_read_video_with_longer_sound_is_not_truncated(tmp_path: Path) -> None:
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("mp2", rate=32000, layout="mono")
        for t in range(200):
            if t < 50:
                picture = np.full((48, 64, 3), t, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(sound.encode(silence(t)))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"DURATION", b"DURATIOX")
    )  # without the tags, the container's duration is the sound's
    frames, status = read(path)
    assert (len(frames), status) == (50, "ok")


# Contents of containers


def test_read_video_title_not_utf8(reported: Path) -> None:
    for path in (reported / "metadata_not_utf8").glob("*.avi"):
        frames, status = read(path)
        assert (len(frames), status, frames[0].shape) == (32, "ok", (96, 128, 3))


def test_read_video_skips_cover_picture(reported: Path) -> None:
    path = reported / "cover_art_first" / "cover_first2.mp4"
    assert idt_tools.probe_video(path) == idt_tools.VideoInfo(45, 25.0, 160, 120)
    frames, status = read(path)
    assert (len(frames), status, frames[0].shape) == (45, "ok", (120, 160, 3))


def test_probe_video_song_with_cover_has_no_video_stream(tmp_path: Path) -> None:
    cover = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    path = tmp_path / "song_cover.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        picture = container.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        for t in range(8):
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            heard.rate, heard.pts = 8000, 1024 * t
            container.mux(sound.encode(heard))
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        container.mux(packet)
        container.mux(sound.encode())
    with pytest.raises(VideoError) as raised:
        idt_tools.probe_video(path)
    assert raised.value.status == "no_video_stream"


def test_read_video_ends_at_late_stream(reported: Path) -> None:
    frames, status = read(reported / "stream_appears_late" / "reschange.ts")
    assert (len(frames), status, frames[0].shape) == (45, "ok", (120, 160, 3))


@pytest.mark.parametrize(
    "script", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n"]
)
def test_read_video_playlist_is_unreadable(tmp_path: Path, script: str) -> None:
    write(tmp_path / "neighbour.mp4")
    path = tmp_path / "script.mp4"
    path.write_text(script.format("neighbour.mp4"))
    with pytest.raises(VideoError) as raised:
        next(idt_tools.read_video(path))
    assert raised.value.status == "unreadable"


def test_read_video_name_like_url(reported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reported / "colon_in_relative_name")
    frames, status = read(Path("2026-01-01T12:30:00.mp4"))
    assert (len(frames), status) == (32, "ok")
    monkeypatch.chdir(tmp_path)
    for name in ("http:clip.mp4", "%03d.mp4", "a?b#c.mp4", "concat:x.mp4", os.fsdecode(b"caf\xe9.mp4")):
        write(tmp_path / "plain.mp4").rename(name)
        assert len(read(Path(name))[0]) == 20


# Rotation


def test_read_video_stored_sideways_is_upright(reported: Path) -> None:
    folder = reported / "rotation_ignored"
    assert idt_tools.probe_video(folder / "rot90.mp4") == idt_tools.VideoInfo(45, 25.0, 160, 120)
    turned, _ = read(folder / "rot90.mp4")
    plain, _ = read(folder / "plain.mp4")
    stored, _ = read(folder / "rot_stored.mp4")
    assert len(turned) == len(plain) == 45
    errors = [np.abs(one.astype(int) - other).mean() for one, other in zip(turned, plain, strict=True)]
    assert max(errors) < 6  # compression causes up to 6; an upside-down frame has 60
    assert any((turned[0] == np.rot90(stored[0], k)).all() for k in (1, 3))
    capture = cv2.VideoCapture(str(folder / "rot90.mp4"))
    shown = capture.read()[1][:, :, ::-1]
    assert np.abs(shown.astype(int) - turned[0]).mean() < 2


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), lambda picture: picture),
        ((-1, 0, 0, -1), lambda picture: picture[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((1, 0, 0, -1), lambda picture: picture[::-1]),
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
        ((0, -1, 1, 0), lambda picture: np.rot90(picture, 1)),
        ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    ],
)
def test_read_video_applies_display_matrix(tmp_path: Path, matrix: tuple[int, ...], expected: object) -> None:
    path = write(tmp_path / "plain.mp4")
    plain, _ = read(path)
    data = bytearray(path.read_bytes())
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    place = data.index(identity, data.index(b"tkhd"))
    a, b, c, d = (65536 * value for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    turned, status = read(path)
    assert status == "ok" and len(turned) == len(plain)
    assert all((one == expected(other)).all() for one, other in zip(turned, plain, strict=True))  # type: ignore[operator]
    info = idt_tools.probe_video(path)
    assert (info.height, info.width) == turned[0].shape[:2]


# False headers and large frames


def test_probe_video_claim_limited_by_file_size(shared: Path, tmp_path: Path) -> None:
    path = shared / "videos" / "hostile" / "lying_header.avi"
    assert idt_tools.probe_video(path) == idt_tools.VideoInfo(25, 25.0, 160, 120)
    frames, status = read(path)
    assert (len(frames), status) == (25, "ok")
    cut = tmp_path / "cut.avi"  # without its index
    cut.write_bytes(path.read_bytes()[:60000])
    info = idt_tools.probe_video(cut)
    assert not info.exact and info.n_frames <= 60000 // 8


@pytest.mark.parametrize(("width", "height"), [(8256, 64), (64, 8256)])
def test_read_video_long_side_is_too_large(tmp_path: Path, width: int, height: int) -> None:
    path = write(tmp_path / "large.avi", 2, width, height, codec="mjpeg")
    for attempt in (lambda: next(idt_tools.read_video(path)), lambda: idt_tools.probe_video(path)):
        with pytest.raises(VideoError, match=f"{width}x{height} pixels; a side may have 8192") as raised:
            attempt()
        assert raised.value.status == "too_large"
    assert len(read(path, max_frame_side=8256)[0]) == 2
    assert read(write(tmp_path / "small.avi", 2), max_frame_side=63)[1] == "too_large"


def write_hidden_pictures(path: Path, picture: np.ndarray) -> Path:
    """Writes a video of three large pictures whose header claims 64 x 48 pixels."""
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for t in range(3):
            packet = av.Packet(jpeg)
            packet.stream, packet.pts, packet.dts = stream, t, t
            container.mux(packet)
    return path


def test_read_video_false_header_large_pictures(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    path = write_hidden_pictures(tmp_path / "hidden.avi", noise)
    assert read(path)[0][0].shape == noise.shape
    assert read(path, max_frame_side=1599) == ([], "too_large")
    assert read(path, max_frame_side=400) == ([], "too_large")  # the decoder refuses the picture


def test_read_video_false_header_bounds_memory(tmp_path: Path) -> None:
    path = write_hidden_pictures(tmp_path / "hidden.avi", np.zeros((20000, 20000, 3), np.uint8))
    program = (
        "import idt_tools, sys\n"
        "try: print(sum(1 for _ in idt_tools.read_video(sys.argv[1])))\n"
        "except idt_tools.VideoError as error: print(error.status)\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # kilobytes
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    status, kilobytes = done.stdout.split()
    assert status in ("unreadable", "too_large") and int(kilobytes) < 200_000


# Errors of the operating system


def test_read_video_system_error_raises_reading_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "far.avi", 60, 320, 240)
    read_file = os.read

    def fail(descriptor: int, size: int) -> bytes:
        if os.lseek(descriptor, 0, os.SEEK_CUR) > path.stat().st_size // 2:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read_file(descriptor, size)

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(ReadingFailed, match=r"far\.avi: Stale file handle"):
        list(idt_tools.read_video(path))
    monkeypatch.undo()
    assert read(path)[1] == "ok"


@pytest.mark.slow
def test_read_video_memory_does_not_grow(shared: Path) -> None:
    program = (
        "import idt_tools, sys\n"
        "for _ in idt_tools.read_video(sys.argv[1]): pass\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # kilobytes
    )
    path = shared / "videos" / "samples" / "vtest.avi"  # 795 frames of 1.3 MB
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000
