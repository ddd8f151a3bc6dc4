"""The per-video store loses nothing whole, trusts nothing torn or damaged, and computes nothing twice."""

import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.stage import StageError
from workflow_scripts.store import Result, Store, process_shard


def _result(number: int) -> Result:
    rows = np.full((number, 3), number, np.float16)
    return Result(arrays={"rows": rows, "none": np.zeros((0, 2))}, attributes={"n": number, "fps": 25.0})


def _fill(path: Path, numbers: Iterable[int]) -> None:
    with Store(path) as store:
        for number in numbers:
            store.append(f"video{number}", f"key{number}", _result(number))


def _holds(store: Store, number: int) -> bool:
    result = store.read(f"video{number}")
    return (
        store.has(f"video{number}", f"key{number}")
        and result is not None
        and result.attributes == {"n": number, "fps": 25.0}
        and np.array_equal(result.arrays["rows"], np.full((number, 3), number, np.float16))
        and result.arrays["none"].shape == (0, 2)
    )


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    _fill(tmp_path / "s", range(4))
    with Store(tmp_path / "s") as store:
        assert all(_holds(store, number) for number in range(4))
        assert store.read("another") is None and not store.has("video1", "another key")
        store.append("video1", "key1", Result("too_short", "15 frames"))
    with Store(tmp_path / "s") as store:
        assert store.outcome("video1") == ("too_short", "15 frames")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cut_anywhere_it_keeps_what_was_whole_and_goes_on(
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
    with Store(path) as store:
        assert [store.has(f"video{number}", f"key{number}") for number in range(4)] == [n < whole for n in range(4)]
    _fill(path, range(whole, 4))
    with Store(path) as store:
        assert all(_holds(store, number) for number in range(4))


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_taken_for_a_result(
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


def test_only_what_is_absent_or_changed_is_computed(tmp_path: Path) -> None:
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


def test_what_was_done_before_a_failure_is_kept(tmp_path: Path) -> None:
    def compute(name: str) -> Result:
        if name == "c":
            raise MemoryError("killed")
        return _result(1)

    keys = dict.fromkeys("abc", "1")
    with pytest.raises(MemoryError):
        list(process_shard(tmp_path / "s", keys, compute, stage="test"))
    with Store(tmp_path / "s") as store:
        assert [store.has(name, "1") for name in "abc"] == [True, True, False]


def test_too_many_failures_stop_the_run_with_their_names(tmp_path: Path) -> None:
    def compute(name: str) -> Result:
        return Result("truncated", "half of it") if name in "ab" else _result(1)

    keys = dict.fromkeys("abcd", "1")
    assert len(list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.5))) == 4
    with pytest.raises(StageError, match=r"2 of 4 videos failed.*a, b"):
        list(process_shard(tmp_path / "s", keys, compute, stage="test", max_failed_fraction=0.4))
