"""Frames of several videos in one batch, so that a GPU works on full ones however short the videos are."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batches(Generic[Item, Answer]):
    """Items that threads hand in, answered by one thread, as many of a kind at once as are there, at most `batch`.

    A batch never waits to be filled: while one is answered, the next gathers. Whoever hands in more than `AHEAD`
    batches waits, which bounds the memory. Kinds take turns.
    """

    AHEAD = 4

    def __init__(self, answer: Callable[[Sequence[Item]], Sequence[Answer]], batch: int) -> None:
        self.batch = batch
        self.busy = 0.0  # seconds spent on answers
        self._answer = answer
        self._waiting: dict[Hashable, list[tuple[Item, Future[Answer]]]] = {}  # by kind, the next in turn first
        self._lock = threading.Lock()
        self._room = threading.Semaphore(self.AHEAD * batch)
        self._one_at_a_time = ThreadPoolExecutor(1)

    def hand_in(self, item: Item, kind: Hashable) -> Future[Answer]:
        """Its answer, to come. What `answer` raises is raised by the results of all that were in the batch."""
        future: Future[Answer] = Future()
        self._room.acquire()
        with self._lock:
            self._waiting.setdefault(kind, []).append((item, future))
        self._one_at_a_time.submit(self._answer_some)
        return future

    def _answer_some(self) -> None:
        """The batch that is next in turn; called once for each item, it finds nothing where others took that along."""
        with self._lock:
            if not self._waiting:
                return
            kind = next(iter(self._waiting))
            handed_in = self._waiting.pop(kind)
            taken, rest = handed_in[: self.batch], handed_in[self.batch :]
            if rest:
                self._waiting[kind] = rest
        self._room.release(len(taken))
        start = time.perf_counter()
        try:
            answers = self._answer([item for item, _ in taken])
        except Exception as error:
            for _, future in taken:
                future.set_exception(error)
        else:
            for (_, future), answer in zip(taken, answers, strict=True):
                future.set_result(answer)
        finally:
            self.busy += time.perf_counter() - start
