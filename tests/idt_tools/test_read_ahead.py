"""Reading the next items in a thread."""

import threading
from collections.abc import Iterator

import pytest

from idt_tools.read_ahead import read_ahead


def test_read_ahead_yields_the_items_in_order() -> None:
    assert list(read_ahead(range(100))) == list(range(100))
    assert list(read_ahead([])) == []


def test_read_ahead_computes_the_next_items_and_no_more() -> None:
    computed: list[int] = []
    two_more = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            computed.append(number)
            if number == 2:
                two_more.set()
            yield number

    ahead = read_ahead(items(), n_ahead=2)
    assert next(ahead) == 0
    assert two_more.wait(timeout=10)
    ahead.close()
    assert computed == [0, 1, 2]


def test_read_ahead_raises_an_error_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("of the items")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError, match="of the items"):
        next(ahead)


def test_read_ahead_ends_its_thread_if_it_is_closed() -> None:
    before = threading.active_count()
    ahead = read_ahead(iter(int, 1))
    assert next(ahead) == 0 and threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before
