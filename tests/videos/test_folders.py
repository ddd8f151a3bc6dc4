"""The videos of a folder: suffixes, links, and what is passed over."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dataset_files import index_rows, touch
from written_videos import write_video

import idt_tools
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.folders import VIDEO_SUFFIXES, video_files, walk
from workflow_scripts.videos.settings import DatasetSettings

# Container format and codec of the test video of each suffix.
FORMATS = {
    ".264": ("h264", "libx264"),
    ".265": ("hevc", "libx265"),
    ".3g2": ("3g2", "h263"),
    ".3gp": ("3gp", "h263"),
    ".apng": ("apng", "apng"),
    ".asf": ("asf", "msmpeg4v3"),
    ".avi": ("avi", "mpeg4"),
    ".divx": ("avi", "mpeg4"),
    ".dv": ("dv", "dvvideo"),
    ".f4v": ("f4v", "libx264"),
    ".flv": ("flv", "flv"),
    ".gif": ("gif", "gif"),
    ".h264": ("h264", "libx264"),
    ".h265": ("hevc", "libx265"),
    ".hevc": ("hevc", "libx265"),
    ".ivf": ("ivf", "libvpx"),
    ".m1v": ("mpeg1video", "mpeg1video"),
    ".m2p": ("mpeg", "mpeg2video"),
    ".m2t": ("mpegts", "mpeg2video"),
    ".m2ts": ("mpegts", "libx264"),
    ".m2v": ("mpeg2video", "mpeg2video"),
    ".m4v": ("mp4", "mpeg4"),
    ".mjpeg": ("mjpeg", "mjpeg"),
    ".mjpg": ("mjpeg", "mjpeg"),
    ".mkv": ("matroska", "libx264"),
    ".mod": ("vob", "mpeg2video"),
    ".mov": ("mov", "libx264"),
    ".mp4": ("mp4", "libx264"),
    ".mpe": ("mpeg", "mpeg1video"),
    ".mpeg": ("mpeg", "mpeg1video"),
    ".mpg": ("mpeg", "mpeg1video"),
    ".mts": ("mpegts", "libx264"),
    ".mxf": ("mxf", "mpeg2video"),
    ".nut": ("nut", "mpeg4"),
    ".ogm": ("ogg", "libvpx"),
    ".ogv": ("ogg", "libvpx"),
    ".qt": ("mov", "mjpeg"),
    ".rm": ("rm", "rv20"),
    ".rmvb": ("rm", "rv20"),
    ".tod": ("mpegts", "mpeg2video"),
    ".ts": ("mpegts", "mpeg2video"),
    ".vob": ("vob", "mpeg2video"),
    ".webm": ("webm", "libvpx"),
    ".wmv": ("asf", "wmv2"),
    ".wtv": ("wtv", "mpeg2video"),
    ".xvid": ("avi", "mpeg4"),
    ".y4m": ("yuv4mpegpipe", "wrapped_avframe"),
}
PIXELS = {"apng": "rgb24", "gif": "rgb8", "mjpeg": "yuvj420p"}
N_FRAMES = 30


def moving_square(width: int, height: int) -> np.ndarray:
    """Frames (30, height, width, 3) of a bright square that moves over a ramp."""
    pictures = np.broadcast_to(np.arange(width, dtype=np.uint8)[:, None], (N_FRAMES, height, width, 3)).copy()
    for t, picture in enumerate(pictures):
        picture[20:60, 20 + 2 * t : 60 + 2 * t] = 255
    return pictures


def test_video_suffixes_all_have_a_test_video() -> None:
    assert FORMATS.keys() == VIDEO_SUFFIXES


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_video_files_of_each_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"VIDEO{suffix.upper()}"
    container_format, codec = FORMATS[suffix]
    width, height = (720, 576) if codec == "dvvideo" else (176, 144)
    pixels = PIXELS.get(codec, "yuv420p")
    write_video(path, moving_square(width, height), codec, pixels=pixels, container_format=container_format)
    assert video_files(tmp_path) == [path]
    info = idt_tools.probe_video(path)
    assert (info.width, info.height) == (width, height)
    if suffix == ".dv":  # its header gives a clock rate instead of the frame rate
        assert (info.n_frames, info.fps) == (N_FRAMES, 25)
    assert len(list(idt_tools.read_video(path))) == N_FRAMES


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in video_files(root)]


def test_walk_counts_other_suffixes_but_no_hidden_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a/x.mp4", "a/y.MKV", "a/notes.txt", "b/more.TXT", "README", ".hidden.mp4", ".git/z.mp4", "._x.mp4")
    caplog.set_level("INFO")
    walked = walk(tmp_path)
    assert [path.name for path in walked.videos] == ["x.mp4", "y.MKV"]
    assert walked.others == {".txt": 2, "": 1} and not walked.links
    assert "passed over for their suffix: 2 .txt, 1 without suffix" in caplog.text


def test_walk_logs_the_most_frequent_suffixes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, *(f"frame.{number:03d}" for number in range(100)), *(f"{number}.jpg" for number in range(3)))
    caplog.set_level("INFO")
    assert len(walk(tmp_path).others) == 101
    assert "suffix: 3 .jpg, 1 .000, 1 .001" in caplog.text and "1 .008, 91 of 91 other suffixes" in caplog.text


def test_walk_reads_linked_folders_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root, "walk/1.mp4", "walk/deep/2.mp4", "run/3.mp4")
    touch(outside, "4.mp4", "in/5.mp4")
    (root / "again").symlink_to(root)
    (root / "walk" / "deep" / "up").symlink_to("../..")
    (root / "a_link_before_run").symlink_to("run")
    (root / "elsewhere").symlink_to(outside)
    (root / "twice").symlink_to(outside)
    (outside / "back").symlink_to(root)
    (root / "broken").symlink_to("nowhere")
    caplog.set_level("INFO")
    assert names(root) == ["elsewhere/4.mp4", "elsewhere/in/5.mp4", "run/3.mp4", "walk/1.mp4", "walk/deep/2.mp4"]
    passed_over = {"again", "up", "a_link_before_run", "twice", "back"}
    assert {path.name for path in walk(root).links} == passed_over
    assert all(
        f"{name}: link passed over: it leads to a folder that is read under another path" in caplog.text
        for name in passed_over
    )


def test_walk_of_a_root_that_is_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "real", "a/x.mp4")
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["a/x.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_walk_raises_for_an_unreadable_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.mp4", "b/y.mp4")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(StageError, match=r"/b: the folder cannot be read \(Permission denied\)"):
            walk(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)


def test_walk_raises_for_a_folder_that_disappears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/x.mp4", "c/y.mp4")
    scandir = os.scandir

    def stale(path: str) -> object:
        if os.fspath(path).endswith("/c"):
            raise OSError(116, "Stale file handle", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", stale)
    with pytest.raises(StageError, match=r"/c: the folder cannot be read \(Stale file handle\), .* run the same"):
        walk(tmp_path)


@pytest.fixture
def reported_folder(shared: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The folder that the make.sh of a reported input creates."""
    script = shared / "videos" / "reported" / request.param / "make.sh"
    subprocess.run(["sh", script, tmp_path / "made"], check=True)
    return tmp_path / "made"


def index_folder(root: Path, folder: Path) -> list[dict[str, str]]:
    return index_rows(folder, DatasetSettings("folder", str(root)))


@pytest.mark.parametrize("reported_folder", ["symlink_loop"], indirect=True)
def test_index_videos_of_a_folder_with_a_link_to_itself(reported_folder: Path, tmp_path: Path) -> None:
    rows = index_folder(reported_folder, tmp_path / "results")
    assert [(row["label"], row["status"]) for row in rows] == [("run", "ok")] * 3 + [("walk", "ok")] * 3
    (line,) = read_columns(tmp_path / "results" / "passed_over.tsv")
    assert line == {"kind": "link", "name": str(reported_folder / "again"), "files": ""}


@pytest.mark.parametrize("reported_folder", ["name_with_newline_or_tab"], indirect=True)
def test_index_videos_with_control_characters_in_names(reported_folder: Path, tmp_path: Path) -> None:
    rows = index_folder(reported_folder, tmp_path / "results")
    stems = {"new\nline", "tab\there", "cr\rret", "nel\x85x", "ls\u2028x"}
    assert {Path(row["path"]).stem for row in rows} == stems and {row["status"] for row in rows} == {"ok"}
    shards = [row for path in (tmp_path / "results" / "shards").glob("*.tsv") for row in read_columns(path)]
    assert {Path(row["path"]).stem for row in shards} == stems and all(Path(row["path"]).is_file() for row in shards)


@pytest.mark.parametrize("reported_folder", ["braces_in_folder"], indirect=True)
def test_index_videos_with_braces_in_a_label(reported_folder: Path, tmp_path: Path) -> None:
    assert {row["label"] for row in index_folder(reported_folder, tmp_path / "results")} == {"b", "brace{x}"}


def test_index_videos_of_camera_and_web_formats(shared: Path, tmp_path: Path) -> None:
    rows = index_folder(shared / "videos" / "reported" / "suffixes_left_out", tmp_path / "results")
    assert sorted(Path(row["path"]).name for row in rows) == ["00001.MTS", "anim.gif", "div.divx", "s1.mp4"]
    assert {row["status"] for row in rows} == {"ok"}
    assert read_columns(tmp_path / "results" / "passed_over.tsv") == [{"kind": "suffix", "name": "", "files": "1"}]
