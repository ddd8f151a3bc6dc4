"""Errors of the system while a file is read: they become ReadingFailed, not a result of the video."""

import errno
import os
import pickle
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from processes import free_files
from written_videos import write_video

import idt_tools
from idt_tools import ReadingFailed
from idt_tools.reading import OF_THE_SYSTEM, system_errors
from idt_tools.trajectory_files import find_boxes, find_rows, read_boxes, read_rows


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv", ".ts"])
def test_read_video_raises_reading_failed_if_the_file_server_fails(ending: str, tmp_path: Path) -> None:
    """An EIO of the system is not the end of the file and not damage."""
    path, n_frames = tmp_path / f"v{ending}", 30
    noise = np.random.default_rng(0).integers(0, 256, (n_frames, 240, 320, 3), np.uint8)
    write_video(path, noise, bit_rate=8_000_000)
    n_failed = 0
    for n_read_before in range(1, n_frames):
        frames = idt_tools.read_video(path)
        n_read = sum(1 for _ in islice(frames, n_read_before))
        _make_reads_fail(path)
        try:
            n_read += sum(1 for _ in frames)
            assert n_read == n_frames  # the other frames were in memory
        except ReadingFailed as error:
            assert (error.path, error.reason) == (path, os.strerror(errno.EIO))
            n_failed += 1
    assert n_failed >= n_frames / 2


def _make_reads_fail(path: Path) -> None:
    """Replaces the open file at `path` by one whose reads fail with EIO."""
    failing = os.open("/proc/self/mem", os.O_RDONLY)  # no process has memory at the first addresses
    for descriptor in os.listdir("/proc/self/fd"):
        if descriptor != str(failing) and os.path.realpath(f"/proc/self/fd/{descriptor}") == str(path):
            os.dup2(failing, int(descriptor))
    os.close(failing)


@pytest.mark.parametrize("number", sorted(OF_THE_SYSTEM))
def test_system_errors_become_reading_failed(number: int) -> None:
    with pytest.raises(ReadingFailed, match=r"^a\.mp4: \S") as raised, system_errors("a.mp4"):
        raise OSError(number, os.strerror(number), "a.mp4")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.path, again.reason) == (Path("a.mp4"), raised.value.reason)


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL])
def test_system_errors_passes_on_errors_of_the_file(number: int) -> None:
    with pytest.raises(OSError, match=r"a\.mp4") as raised, system_errors("a.mp4"):
        raise OSError(number, os.strerror(number), "a.mp4")
    assert not isinstance(raised.value, ReadingFailed)


@pytest.mark.parametrize("files", [("boxes", "a.bb"), ("boxes", "a.h5"), ("rows", "a.txt"), ("rows", "a.h5")])
def test_find_and_read_boxes_and_rows_raise_reading_failed(files: tuple[str, str], tmp_path: Path) -> None:
    find: Callable[..., Path | None]
    kind, name = files
    folder = tmp_path / "server"
    folder.mkdir()
    path = folder / name
    if kind == "boxes":
        read, find = (lambda: read_boxes(path)), lambda: find_boxes(folder, Path("v/a.mp4"), several=True)
    else:
        read, find = (lambda: list(read_rows(path))), lambda: find_rows(folder, Path("v/a.mp4"))
    with pytest.raises(ReadingFailed, match="there is no such file"):
        read()
    path.write_text("")
    with free_files(0), pytest.raises(ReadingFailed, match="Too many open files"):
        read()
    assert find() == path
    folder.rename(tmp_path / "away")
    with pytest.raises(ReadingFailed, match="there is no such file"):
        find()
