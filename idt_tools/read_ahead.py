"""Computes the next items of an iterator in a thread, while the current one is in use."""

import threading
from collections.abc import Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], n_ahead: int = 2) -> Generator[Item]:
    """Yields the items, of which a thread computes up to `n_ahead` before they are asked for.

    An error of `items` is raised after the items before it. If the returned iterator is closed, the thread ends after
    the item that it computes.
    """
    computed: SimpleQueue[tuple[Item] | BaseException | None] = SimpleQueue()  # None at the end
    slots = threading.Semaphore(n_ahead)
    closed = threading.Event()

    def compute() -> None:
        iterator = iter(items)
        try:
            while True:
                slots.acquire()
                if closed.is_set():
                    return
                computed.put((next(iterator),))
        except StopIteration:
            computed.put(None)
        except BaseException as error:
            computed.put(error)

    thread = threading.Thread(target=compute, name="read_ahead", daemon=True)
    thread.start()
    try:
        while (entry := computed.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            slots.release()
            yield entry[0]
            del entry  # the item, which may be large
    finally:
        closed.set()
        slots.release()
        thread.join()
