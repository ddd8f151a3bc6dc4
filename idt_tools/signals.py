"""Ctrl-C and SIGTERM: both end a command in the same way, soon and with whole files."""

import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

_stopped = threading.Event()


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler, `kill` or `timeout` sends it."""


@contextmanager
def interruptible() -> Iterator[None]:
    """In the block SIGTERM raises Terminated in the main thread, and SIGINT KeyboardInterrupt.

    Either ends other threads that read a video at their next frame, so that nobody waits for them. A signal that the
    process was started to ignore (`nohup ... &` ignores SIGINT) stays ignored.
    """
    _stopped.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = handler
                signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: types.FrameType | None) -> None:
    _stopped.set()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def end_if_stopped() -> None:
    """Raises KeyboardInterrupt, in any thread, after a signal has ended the command."""
    if _stopped.is_set():
        raise KeyboardInterrupt


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """130 after Ctrl-C, 143 after SIGTERM: 128 and the signal's number, as shells count."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
