"""Processes that tests send signals to, and limits of this process."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def default_signals() -> None:
    """For `preexec_fn`: the process reacts to SIGINT and SIGTERM, even if the tests ignore them.

    `nohup make test &` ignores SIGINT, and its child processes inherit that.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def free_files(number: int) -> Iterator[None]:
    """Lets this process open only so many more files at a time, inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    filled = [os.open(os.devnull, os.O_RDONLY)]
    while filled[-1] < highest:
        filled.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest, filled[-1]) + 1 + number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in filled:
            os.close(descriptor)
