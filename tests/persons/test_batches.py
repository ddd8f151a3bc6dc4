"""Frames of several videos in one batch: answers reach who asked, kinds are kept apart, nobody runs ahead."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.persons.batches import Batches


@given(videos=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=6), batch=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_every_item_has_its_own_answer(videos: list[tuple[int, int]], batch: int) -> None:
    """Each video is a thread that hands in so many items of a kind."""
    seen: list[Sequence[tuple[int, int, int]]] = []

    def answer(items: Sequence[tuple[int, int, int]]) -> list[str]:
        seen.append(items)
        return [str(item) for item in items]

    batches = Batches(answer, batch)

    def look(video: int) -> list[str]:
        kind, n_items = videos[video]
        return [future.result(10) for future in [batches.hand_in((video, kind, n), kind) for n in range(n_items)]]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, range(len(videos))))
    assert found == [[str((video, kind, n)) for n in range(count)] for video, (kind, count) in enumerate(videos)]
    for items in seen:
        assert 1 <= len(items) <= batch
        assert len({kind for _, kind, _ in items}) == 1
    assert sum(map(len, seen)) == sum(count for _, count in videos)


def test_a_batch_gathers_while_another_is_answered_and_nobody_runs_ahead() -> None:
    started, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    def answer(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        started.set()
        assert go_on.wait(10)
        return items

    batches = Batches(answer, 3)
    handed_in = []

    def hand_in_many() -> None:
        for number in range(40):
            handed_in.append(batches.hand_in(number, "one size"))

    first = batches.hand_in(-1, "one size")
    assert started.wait(10)
    video = threading.Thread(target=hand_in_many)
    video.start()
    video.join(0.3)
    assert video.is_alive() and len(handed_in) == 3 * Batches.AHEAD
    go_on.set()
    video.join(10)
    assert first.result(10) == -1 and [future.result(10) for future in handed_in] == list(range(40))
    assert sizes[: Batches.AHEAD + 1] == [1] + [3] * Batches.AHEAD


def test_a_batch_that_fails_tells_those_who_were_in_it() -> None:
    def answer(items: Sequence[int]) -> Sequence[int]:
        if 7 in items:
            raise RuntimeError("the GPU is gone")
        return items

    batches = Batches(answer, 1)
    good, bad, also_good = (batches.hand_in(item, "one size") for item in (1, 7, 2))
    with pytest.raises(RuntimeError, match="the GPU is gone"):
        bad.result(10)
    assert good.result(10) == 1 and also_good.result(10) == 2
