"""Batches of frames of several videos, so that a GPU processes full batches even if the videos are short."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")


class Batches(Generic[Item, Output]):
    """Collects the items that threads submit, and processes them in one thread, in batches of one kind.

    A batch holds at most `batch_size` items and does not wait to be full: items gather while the batch before is
    processed. The kinds take turns. To bound the memory, `submit` blocks while `AHEAD` full batches wait.
    """

    AHEAD = 4

    def __init__(self, process: Callable[[Sequence[Item]], Sequence[Output]], batch_size: int) -> None:
        self.batch_size = batch_size
        self.busy = 0.0  # seconds spent in `process`
        self._process = process
        self._waiting: dict[Hashable, list[tuple[Item, Future[Output]]]] = {}  # by kind, the next kind first
        self._lock = threading.Lock()
        self._free_slots = threading.Semaphore(self.AHEAD * batch_size)
        self._thread = ThreadPoolExecutor(1)

    def submit(self, item: Item, kind: Hashable) -> Future[Output]:
        """Returns the future output of an item. If `process` raises, the futures of the whole batch raise the same."""
        future: Future[Output] = Future()
        self._free_slots.acquire()
        with self._lock:
            self._waiting.setdefault(kind, []).append((item, future))
        self._thread.submit(self._process_next)
        return future

    def _process_next(self) -> None:
        """Processes the next batch. It runs once per item, so earlier calls may have left nothing to do."""
        with self._lock:
            if not self._waiting:
                return
            kind = next(iter(self._waiting))
            submitted = self._waiting.pop(kind)
            batch, rest = submitted[: self.batch_size], submitted[self.batch_size :]
            if rest:
                self._waiting[kind] = rest
        self._free_slots.release(len(batch))
        start = time.perf_counter()
        try:
            outputs = self._process([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), output in zip(batch, outputs, strict=True):
                future.set_result(output)
        finally:
            self.busy += time.perf_counter() - start
