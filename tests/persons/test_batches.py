"""Batches of items from several threads: order, kinds, limits and errors."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.persons.batches import Batches


@given(videos=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=6), batch_size=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_submit_returns_the_output_of_the_item(videos: list[tuple[int, int]], batch_size: int) -> None:
    """Each video is a thread that submits a number of items of one kind."""
    processed: list[Sequence[tuple[int, int, int]]] = []

    def process(items: Sequence[tuple[int, int, int]]) -> list[str]:
        processed.append(items)
        return [str(item) for item in items]

    batches = Batches(process, batch_size)

    def submit_all(video: int) -> list[str]:
        kind, n_items = videos[video]
        return [future.result(10) for future in [batches.submit((video, kind, n), kind) for n in range(n_items)]]

    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(submit_all, range(len(videos))))
    assert outputs == [[str((video, kind, n)) for n in range(count)] for video, (kind, count) in enumerate(videos)]
    for items in processed:
        assert 1 <= len(items) <= batch_size
        assert len({kind for _, kind, _ in items}) == 1
    assert sum(map(len, processed)) == sum(count for _, count in videos)


def test_submit_gathers_a_batch_and_blocks_when_too_many_wait() -> None:
    started, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    def process(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        started.set()
        assert go_on.wait(10)
        return items

    batches = Batches(process, 3)
    futures = []

    def submit_many() -> None:
        for number in range(40):
            futures.append(batches.submit(number, "one size"))

    first = batches.submit(-1, "one size")
    assert started.wait(10)
    video = threading.Thread(target=submit_many)
    video.start()
    video.join(0.3)
    assert video.is_alive() and len(futures) == 3 * Batches.AHEAD
    go_on.set()
    video.join(10)
    assert first.result(10) == -1 and [future.result(10) for future in futures] == list(range(40))
    assert sizes[: Batches.AHEAD + 1] == [1] + [3] * Batches.AHEAD


def test_submit_raises_the_error_of_its_batch_only() -> None:
    def process(items: Sequence[int]) -> Sequence[int]:
        if 7 in items:
            raise RuntimeError("the GPU is gone")
        return items

    batches = Batches(process, 1)
    good, bad, also_good = (batches.submit(item, "one size") for item in (1, 7, 2))
    with pytest.raises(RuntimeError, match="the GPU is gone"):
        bad.result(10)
    assert good.result(10) == 1 and also_good.result(10) == 2
