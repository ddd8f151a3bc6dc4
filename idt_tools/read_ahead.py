"""Computes the next items of an iterator in a thread, while the current one is in use."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], n_ahead: int = 2) -> Generator[Item]:
    """Yields the items. A thread computes up to `n_ahead` items before they are requested.

    An error of `items` is raised after the items before it. If the returned iterator is closed, the thread ends after
    the item that it computes.
    """
    iterator, end = iter(items), object()
    thread = ThreadPoolExecutor(1, "read_ahead")
    try:
        computed: deque[Any] = deque(thread.submit(next, iterator, end) for _ in range(n_ahead))
        while (item := computed.popleft().result()) is not end:
            computed.append(thread.submit(next, iterator, end))
            yield item
            del item  # it may be large
    finally:
        thread.shutdown(cancel_futures=True)
