"""The videos of a shard: which are computed, stored and reported."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import fill_record_file, make_result

from workflow_scripts.ground.process_shard import UnreadVideos, process_shard
from workflow_scripts.ground.record_file import SYNC_SECONDS, RecordFile, Result
from workflow_scripts.ground.stage import StageError


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_process_shard_computes_a_record_with_a_flipped_bit_again(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("store") / "s"
    fill_record_file(path, range(3))
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    computed = []

    def compute(name: str) -> Result:
        computed.append(name)
        return make_result(int(name[-1]))

    keys = {f"video{number}": f"key{number}" for number in range(3)}
    results = dict(process_shard(path, keys, compute, stage="test"))
    assert len(computed) == 1
    assert all(np.array_equal(results[f"video{n}"].arrays["rows"], make_result(n).arrays["rows"]) for n in range(3))


def test_process_shard_computes_only_absent_and_changed_videos(tmp_path: Path) -> None:
    computed: list[str] = []
    lock = threading.Lock()

    def compute(name: str) -> Result:
        with lock:
            computed.append(name)
        return make_result(len(name))

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
            raise ZeroDivisionError("a bug of the stage")
        return make_result(1)

    keys = dict.fromkeys("abc", "1")
    with pytest.raises(ZeroDivisionError):
        list(process_shard(tmp_path / "s", keys, compute, stage="test"))
    with RecordFile(tmp_path / "s") as store:
        assert [store.has(name, "1") for name in "abc"] == [True, True, False]


def test_process_shard_stops_at_too_many_failures(tmp_path: Path) -> None:
    def compute(name: str) -> Result:
        return Result("truncated", "half of it") if name in "ab" else make_result(1)

    keys = dict.fromkeys("abcd", "1")
    assert len(list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.5))) == 4
    with pytest.raises(StageError, match=r"2 of 4 videos failed.*a, b"):
        list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.4))


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
    assert run("abc", "1") == 5  # less than half of it is unused
    assert run("ab", "1") == 2
    assert run("ab", "2") == 4
    assert run("ab", "3") == 2
    assert computed == ["a", "b"]
    assert run("ab", "3") == 2 and computed == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_process_shard_writes_records_at_once_and_syncs_them_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    counts: list[tuple[int, int]] = []  # records on the disk, syncs

    def compute(name: str) -> Result:
        if name == "z":
            time.sleep(1.5 * SYNC_SECONDS)  # a long video, during which the records of short ones are synced
            counts.append(((tmp_path / "s").read_bytes().count(b"IDTR"), len(synced)))
        return make_result(1)

    keys = dict.fromkeys([*(f"v{number:03d}" for number in range(200)), "z"], "1")
    list(process_shard(tmp_path / "s", keys, compute, stage="test"))
    assert counts[0][0] == 200 and 1 <= counts[0][1] <= 5
    assert len(synced) > counts[0][1]


def test_process_shard_without_memory_for_one_video_computes_the_others(tmp_path: Path) -> None:
    has_memory = False

    def compute(name: str) -> Result:
        if name == "b" and not has_memory:
            raise MemoryError
        return Result(attributes={"n": 1})

    def run() -> list[str]:
        return [name for name, _ in process_shard(tmp_path / "s", dict.fromkeys("abc", "1"), compute, stage="test")]

    with pytest.raises(UnreadVideos, match=r"1 of 3 videos .*b: Cannot allocate memory"):
        run()
    has_memory = True
    assert run() == ["a", "b", "c"]
