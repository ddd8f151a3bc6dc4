"""Ctrl-C and SIGTERM end a command soon and leave no partial file."""

import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

_stopped = threading.Event()


class Terminated(KeyboardInterrupt):
    """The command received SIGTERM, for example from a scheduler, `kill` or `timeout`."""


@contextmanager
def interruptible() -> Iterator[None]:
    """In the block, SIGTERM raises Terminated in the main thread, and SIGINT raises KeyboardInterrupt.

    Both signals also end the threads that read videos, at their next frame. A signal that the process ignored from its
    start stays ignored (`nohup ... &` ignores SIGINT).
    """
    _stopped.clear()
    default_handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                default_handlers[number] = handler
                signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in default_handlers.items():
            signal.signal(number, handler)


def _stop(number: int, frame: types.FrameType | None) -> None:
    _stopped.set()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def end_if_stopped() -> None:
    """Raises KeyboardInterrupt, in any thread, if a signal has ended the command."""
    if _stopped.is_set():
        raise KeyboardInterrupt


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """Returns 130 for Ctrl-C and 143 for SIGTERM: 128 plus the signal's number, as shells do."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
