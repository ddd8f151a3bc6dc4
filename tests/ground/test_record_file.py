"""The per-video store loses nothing whole, trusts nothing torn or damaged, and computes nothing twice."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import SYNC_SECONDS, RecordFile, Result
from workflow_scripts.ground.stage import StageError


def _result(number: int) -> Result:
    rows = np.full((number, 3), number, np.float16)
    return Result(arrays={"rows": rows, "none": np.zeros((0, 2))}, attributes={"n": number, "fps": 25.0})


def _fill(path: Path, numbers: Iterable[int]) -> None:
    with RecordFile(path) as store:
        for number in numbers:
            store.append(f"video{number}", f"key{number}", _result(number))


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
    _fill(tmp_path / "s", range(4))
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
        _fill(path, [number])
        ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    path.write_bytes(path.read_bytes()[:cut])
    whole = sum(end <= cut for end in ends[1:])
    with RecordFile(path) as store:
        assert [store.has(f"video{number}", f"key{number}") for number in range(4)] == [n < whole for n in range(4)]
    _fill(path, range(whole, 4))
    with RecordFile(path) as store:
        assert all(_holds(store, number) for number in range(4))


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_process_shard_computes_a_record_with_a_flipped_bit_again(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("store") / "s"
    _fill(path, range(3))
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    computed = []

    def compute(name: str) -> Result:
        computed.append(name)
        return _result(int(name[-1]))

    keys = {f"video{number}": f"key{number}" for number in range(3)}
    results = dict(process_shard(path, keys, compute, stage="test"))
    assert len(computed) == 1
    assert all(np.array_equal(results[f"video{n}"].arrays["rows"], _result(n).arrays["rows"]) for n in range(3))


def test_process_shard_computes_absent_and_changed_videos_alone(tmp_path: Path) -> None:
    computed: list[str] = []
    lock = threading.Lock()

    def compute(name: str) -> Result:
        with lock:
            computed.append(name)
        return _result(len(name))

    def run(keys: dict[str, str]) -> list[str]:
        computed.clear()
        names = [name for name, _ in process_shard(tmp_path / "s", keys, compute, stage="test", threads=3)]
        assert names == sorted(keys)
        return sorted(computed)

    assert run({"b": "1", "a": "1"}) == ["a", "b"]
    assert run({"b": "1", "a": "1"}) == []
    assert run({"b": "1", "a": "1", "c": "1"}) == ["c"]
    assert run({"b": "2", "c": "1"}) == ["b"]


def test_process_shard_keeps_results_before_an_exception(tmp_path: Path) -> None:
    def compute(name: str) -> Result:
        if name == "c":
            raise ZeroDivisionError("a mistake of the stage")
        return _result(1)

    keys = dict.fromkeys("abc", "1")
    with pytest.raises(ZeroDivisionError):
        list(process_shard(tmp_path / "s", keys, compute, stage="test"))
    with RecordFile(tmp_path / "s") as store:
        assert [store.has(name, "1") for name in "abc"] == [True, True, False]


def test_process_shard_stops_at_too_many_failures(tmp_path: Path) -> None:
    def compute(name: str) -> Result:
        return Result("truncated", "half of it") if name in "ab" else _result(1)

    keys = dict.fromkeys("abcd", "1")
    assert len(list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.5))) == 4
    with pytest.raises(StageError, match=r"2 of 4 videos failed.*a, b"):
        list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.4))


def test_record_file_refuses_a_second_process(tmp_path: Path) -> None:
    path = tmp_path / "s"
    _fill(path, [0])
    module = "workflow_scripts.ground.record_file"
    script = f"import pathlib, {module} as module; module.RecordFile(pathlib.Path({str(path)!r}))"
    second = [sys.executable, "-c", script]
    with RecordFile(path) as store:
        done = subprocess.run(second, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"{path}: another process is writing it; wait until that process ends" in done.stderr
        store.append("video1", "key1", _result(1))
    assert subprocess.run(second).returncode == 0
    with RecordFile(path) as store:
        assert _holds(store, 0) and _holds(store, 1)


def test_record_file_without_locks_detects_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with RecordFile(tmp_path / "s") as first, RecordFile(tmp_path / "s") as second:
        first.append("video0", "key0", _result(0))
        first.append("video1", "key1", _result(1))
        with pytest.raises(StageError, match="another process is writing it"):
            second.append("video2", "key2", _result(2))
        first.append("video3", "key3", _result(3))
    with RecordFile(tmp_path / "s") as store:
        assert _holds(store, 0) and _holds(store, 1) and _holds(store, 3)


def test_process_shard_compacts_the_record_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    computed: list[str] = []

    def compute(name: str) -> Result:
        computed.append(name)
        return Result(arrays={"rows": np.zeros(10_000, np.uint8)})

    def run(names: str, key: str) -> int:
        computed.clear()
        assert "".join(name for name, _ in process_shard(path, dict.fromkeys(names, key), compute, stage="t")) == names
        return path.stat().st_size // 10_000

    assert run("abcd", "1") == 4
    assert run("abcde", "1") == 5
    assert run("abc", "1") == 5  # two fifths of it are no reason yet
    assert run("ab", "1") == 2
    assert run("ab", "2") == 4
    assert run("ab", "3") == 2
    assert computed == ["a", "b"]
    assert run("ab", "3") == 2 and computed == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_record_file_loses_only_a_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "s"
    _fill(path, range(6))
    content = path.read_bytes()
    start = content.index(b"IDTR", 4)
    for place in range(start, content.index(b"IDTR", start + 4)):  # every byte of the second record
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with RecordFile(path) as store:
            whole = [n for n in range(6) if f"video{n}" in store._entries and _holds(store, n)]
            assert whole == [0, 2, 3, 4, 5], f"byte {place - start}"


def test_process_shard_writes_records_at_once_and_syncs_them_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    seen: list[tuple[int, int]] = []  # records on the disk, syncs

    def compute(name: str) -> Result:
        if name == "z":
            time.sleep(1.5 * SYNC_SECONDS)  # a long video after short ones: they are synced while it is computed
            seen.append(((tmp_path / "s").read_bytes().count(b"IDTR"), len(synced)))
        return _result(1)

    keys = dict.fromkeys([*(f"v{number:03d}" for number in range(200)), "z"], "1")
    list(process_shard(tmp_path / "s", keys, compute, stage="test"))
    assert seen[0][0] == 200 and 1 <= seen[0][1] <= 5
    assert len(synced) > seen[0][1]
