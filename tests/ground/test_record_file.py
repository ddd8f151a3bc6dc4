"""The record file loses no whole record and uses no torn or damaged one."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import fill_record_file, make_result

from workflow_scripts.ground.record_file import RecordFile, Result
from workflow_scripts.ground.stage import StageError


def _holds(store: RecordFile, number: int) -> bool:
    result = store.read(f"video{number}")
    return (
        store.has(f"video{number}", f"key{number}")
        and result is not None
        and result.attributes == {"n": number, "fps": 25.0}
        and np.array_equal(result.arrays["rows"], np.full((number, 3), number, np.float16))
        and result.arrays["none"].shape == (0, 2)
    )


def test_record_file_returns_appended_results(tmp_path: Path) -> None:
    fill_record_file(tmp_path / "s", range(4))
    with RecordFile(tmp_path / "s") as store:
        assert all(_holds(store, number) for number in range(4))
        assert store.read("another") is None and not store.has("video1", "another key")
        store.append("video1", "key1", Result("too_short", "15 frames"))
    with RecordFile(tmp_path / "s") as store:
        assert store.outcome("video1") == ("too_short", "15 frames")


@settings(max_examples=60)
@given(data=st.data())
def test_record_file_cut_anywhere_keeps_whole_records(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "s"
    ends = [0]
    for number in range(4):
        fill_record_file(path, [number])
        ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    path.write_bytes(path.read_bytes()[:cut])
    n_whole = sum(end <= cut for end in ends[1:])
    with RecordFile(path) as store:
        assert [store.has(f"video{number}", f"key{number}") for number in range(4)] == [n < n_whole for n in range(4)]
    fill_record_file(path, range(n_whole, 4))
    with RecordFile(path) as store:
        assert all(_holds(store, number) for number in range(4))


def test_record_file_refuses_a_second_process(tmp_path: Path) -> None:
    path = tmp_path / "s"
    fill_record_file(path, [0])
    module = "workflow_scripts.ground.record_file"
    script = f"import pathlib, {module} as module; module.RecordFile(pathlib.Path({str(path)!r}))"
    second = [sys.executable, "-c", script]
    with RecordFile(path) as store:
        done = subprocess.run(second, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"{path}: another process is writing it; wait until that process ends" in done.stderr
        store.append("video1", "key1", make_result(1))
    assert subprocess.run(second).returncode == 0
    with RecordFile(path) as store:
        assert _holds(store, 0) and _holds(store, 1)


def test_record_file_without_locks_detects_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with RecordFile(tmp_path / "s") as first, RecordFile(tmp_path / "s") as second:
        first.append("video0", "key0", make_result(0))
        first.append("video1", "key1", make_result(1))
        with pytest.raises(StageError, match="another process is writing it"):
            second.append("video2", "key2", make_result(2))
        first.append("video3", "key3", make_result(3))
    with RecordFile(tmp_path / "s") as store:
        assert _holds(store, 0) and _holds(store, 1) and _holds(store, 3)


def test_record_file_loses_only_a_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "s"
    fill_record_file(path, range(6))
    content = path.read_bytes()
    start = content.index(b"IDTR", 4)
    for place in range(start, content.index(b"IDTR", start + 4)):  # every byte of the second record
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with RecordFile(path) as store:
            whole = [n for n in range(6) if f"video{n}" in store._entries and _holds(store, n)]
            assert whole == [0, 2, 3, 4, 5], f"byte {place - start}"
