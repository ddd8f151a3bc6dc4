"""`idt extract` of one and of many videos, and of runs that are stopped."""

import json
import resource
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from processes import default_signals
from written_videos import write_video

import idt_tools
from idt_tools import cli, columns, trajectory_files
from idt_tools.attributes import read_attributes
from idt_tools.whole_file import whole_file

pytestmark = pytest.mark.slow  # tracks videos

IDT = [sys.executable, "-m", "idt_tools.cli"]


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(path) as file:
        return file["info"][:], file["descriptors"][:]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def extract(*arguments: str | Path) -> int:
    return cli.main(["extract", *map(str, arguments)])


def test_extract_to_hdf5(video: Path, tmp_path: Path) -> None:
    output = tmp_path / "square.h5"
    assert extract(video, "-o", output) == 0
    expected = idt_tools.extract(idt_tools.read_video(video))
    assert len(expected) > 10
    with h5py.File(output) as file:
        assert np.array_equal(file["info"][:], expected.info)
        assert np.array_equal(file["descriptors"][:], expected.descriptors.astype(np.float16))
        assert tuple(read_attributes(file["info"])["columns"]) == columns.INFO
        assert tuple(read_attributes(file["descriptors"])["columns"]) == columns.DESCRIPTORS
        attributes = read_attributes(file)
        assert json.loads(attributes["options"])["sampling_step"] == 5
        assert (attributes["video"], attributes["n_frames"], attributes["width"]) == ("square.mp4", 24, 96)
    assert names(tmp_path) == ["square.h5"]


@pytest.mark.parametrize("format", [[], ["--format", "text"]])
def test_extract_to_text(video: Path, tmp_path: Path, format: list[str]) -> None:
    output = tmp_path / "square.txt"
    assert extract(video, "-o", output, *format) == 0
    expected = idt_tools.extract(idt_tools.read_video(video))
    rows = np.hstack([expected.info, expected.descriptors])
    lines = [f"{int(row[0])}\t" + "\t".join(f"{value:.6f}" for value in row[1:]) + "\n" for row in rows]
    assert output.read_text() == "".join(lines)
    assert names(tmp_path) == ["square.txt"]


def test_extract_many_blocks_and_wrong_header(shared: Path, tmp_path: Path) -> None:
    clip = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"  # claims 61 frames and holds 59
    assert extract(clip, "-o", tmp_path / "clip.h5") == 0
    expected = idt_tools.extract(idt_tools.read_video(clip))
    info, descriptors = read(tmp_path / "clip.h5")
    assert len(expected) > 2 * idt_tools.tracker.BLOCK_ROWS
    assert info.tobytes() == expected.info.tobytes()
    assert descriptors.tobytes() == expected.descriptors.astype(np.float16).tobytes()


@pytest.mark.parametrize("format", ["h5", "text"])
def test_write_rows_releases_blocks(tmp_path: Path, format: str) -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    def blocks() -> Iterator[idt_tools.Trajectories]:
        for number in range(6):
            info = np.full((100, 10), number, np.float32)
            alive.append(weakref.ref(info))
            yield idt_tools.Trajectories(info, np.zeros((100, 426), np.float32))
            del info
            assert sum(array() is not None for array in alive) <= 1  # the block that the writer still holds

    output = tmp_path / "out"
    if format == "h5":
        assert trajectory_files.write_hdf5_rows(output, blocks(), idt_tools.TrackerOptions()) == 600
        assert np.array_equal(read(output)[0][:, 0], np.repeat(np.arange(6), 100))
    else:
        assert trajectory_files.write_text_rows(output, blocks()) == 600
        assert len(output.read_text().splitlines()) == 600


@pytest.mark.parametrize(("format", "threads"), [("h5", 3), ("text", 3), ("h5", 8)])
def test_extract_threads_give_equal_bytes(videos: list[Path], tmp_path: Path, format: str, threads: int) -> None:
    in_threads, one_by_one = tmp_path / "in_threads", tmp_path / "one_by_one"
    assert extract(*videos, "-o", in_threads, "--threads", str(threads), "--format", format) == 0
    for video in videos:
        assert extract(video, "-o", f"{one_by_one}/", "--format", format) == 0
    ending = "txt" if format == "text" else "h5"
    assert names(in_threads) == names(one_by_one) == [f"square_{i}.{ending}" for i in range(5)]
    for name in names(in_threads):
        assert (in_threads / name).read_bytes() == (one_by_one / name).read_bytes()


def test_extract_broken_video_does_not_stop_others(
    videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, missing, output = tmp_path / "broken.avi", tmp_path / "missing.avi", tmp_path / "out"
    broken.write_bytes(b"not a video at all\n" * 40)
    assert extract(videos[0], broken, missing, videos[1], "-o", output) == 1
    shown = capsys.readouterr()
    assert sorted(shown.err.splitlines()) == [
        f"error: {broken}: it cannot be opened as a video (Invalid data found when processing input)",
        f"error: {missing}: there is no such file",
    ]
    assert shown.out.splitlines()[-1] == "2 of 4 videos written"
    assert names(output) == ["square_0.h5", "square_1.h5"]


def test_extract_refused_videos_leave_no_threads(tmp_path: Path) -> None:
    pictures = [np.full((16, 16, 3), 7 * number, np.uint8) for number in range(12)]
    too_small = [write_video(tmp_path / f"{number}.mp4", pictures) for number in range(3)]
    before = threading.active_count()
    assert extract(*too_small, "-o", tmp_path / "out") == 1
    assert threading.active_count() == before


def test_extract_existing_files_stay_without_force(
    videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "square_1.h5").write_bytes(b"of an earlier run")
    assert extract(*videos[:3], "-o", tmp_path) == 0
    summary = "2 of 3 videos written, 1 existed (--force overwrites them)"
    assert capsys.readouterr().out.splitlines()[-1] == summary
    assert (tmp_path / "square_1.h5").read_bytes() == b"of an earlier run"
    assert extract(videos[1], "-o", tmp_path / "square_1.h5") == 0
    assert (tmp_path / "square_1.h5").read_bytes() == b"of an earlier run"
    assert extract(*videos[:3], "-o", tmp_path, "--force") == 0
    assert len(read(tmp_path / "square_1.h5")[0]) > 10


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_extract_stopped_run_continues(videos: list[Path], tmp_path: Path, ending: int) -> None:
    copies = [tmp_path / f"copy_{i}.mp4" for i in range(15)]
    for copy in copies:
        copy.symlink_to(videos[0])
    output = tmp_path / "out"
    process = subprocess.Popen(
        [*IDT, "extract", *map(str, copies), "-o", str(output), "--threads", "2"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_signals,
    )
    while not (any(output.glob("*.h5")) and any(output.glob(".*.tmp"))):  # one is written, and another is in work
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.002)
    process.send_signal(ending)
    _, errors = process.communicate(timeout=20)
    if ending != signal.SIGKILL:
        assert process.returncode == 128 + ending
        assert errors.startswith("error: interrupted") and len(errors.splitlines()) == 1
        assert not any(output.glob(".*"))
    written = {path: path.stat().st_mtime_ns for path in output.glob("*.h5")}
    assert 0 < len(written) < len(copies)
    assert all(len(read(path)[0]) > 10 for path in written)

    assert extract(*copies, "-o", output) == 0
    assert names(output) == sorted(f"{copy.stem}.h5" for copy in copies)
    assert all(path.stat().st_mtime_ns == time_then for path, time_then in written.items())
    assert len({read(output / name)[1].tobytes() for name in names(output)}) == 1


@pytest.mark.parametrize("name", ["o.h5", "o.txt"])
def test_extract_full_disk(video: Path, tmp_path: Path, name: str) -> None:
    # A limit on the size of files makes a write fail like a full disk, with another reason.
    limit = 10_000
    done = subprocess.run(
        [*IDT, "extract", str(video), "-o", str(tmp_path / name)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path / name}: it cannot be written (File too large)\n")
    assert names(tmp_path) == []


def test_extract_file_locked_by_other_process(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "o.txt"
    with whole_file(output) as file:
        file.write(b"of the first")
        assert extract(video, "-o", output) == 1
    assert "it cannot be written (another process is writing it)" in capsys.readouterr().err
    assert output.read_text() == "of the first"


def write_bb(path: Path, boxes: np.ndarray) -> Path:
    path.write_text("".join(" ".join(f"{value:g}" for value in row) + "\n" for row in boxes))
    return path


def test_extract_boxes_of_several_videos(
    videos: list[Path], square_boxes: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    write_bb(folder / "square_0.bb", square_boxes)
    with h5py.File(folder / "square_1.h5", "w") as file:
        file["boxes"] = square_boxes
    with h5py.File(tmp_path / "people.h5", "w") as file:
        for i in (0, 1):
            file[f"square_{i}/boxes"] = square_boxes
    for boxes, reason in (
        (folder, f"{folder}: it holds no square_2.bb, .h5 or .json"),
        (tmp_path / "people.h5", f"{tmp_path}/people.h5: it holds no boxes of 'square_2'"),
    ):
        output = tmp_path / f"of_{boxes.stem}_{boxes.suffix[1:]}"
        assert extract(*videos[:3], "-o", output, "--boxes", boxes) == 1
        assert capsys.readouterr().err == f"error: {videos[2]}: {reason}\n"
        assert names(output) == ["square_0.h5", "square_1.h5"]
        for i in (0, 1):
            expected = idt_tools.extract(idt_tools.read_video(videos[i]), boxes=square_boxes)
            assert np.array_equal(read(output / f"square_{i}.h5")[0], expected.info)
