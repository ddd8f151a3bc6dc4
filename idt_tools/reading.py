"""Errors of the operating system while a file is read. The file may be whole, and the next try may succeed.

This module needs only the standard library, so that every reader can import it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OF_THE_SYSTEM = frozenset(
    {
        *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN),
    }
)


class ReadingFailed(OSError):
    """The operating system could not read a file. The file itself may be whole.

    This is never recorded as the outcome of a video: a command continues with the other videos, and the next run tries
    again.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def raise_if_of_the_system(path: str | os.PathLike[str], error: Exception) -> None:
    """Raises ReadingFailed if `error` comes from the operating system, and returns if it comes from the file."""
    if isinstance(error, ReadingFailed):
        raise error
    if isinstance(error, MemoryError):
        raise ReadingFailed(path, os.strerror(errno.ENOMEM)) from error
    if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:
        reason = "there is no such file" if error.errno == errno.ENOENT else os.strerror(error.errno)
        raise ReadingFailed(path, reason) from error


def size_and_time(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Returns the bytes and the modification time (ns) of a file, which reveal a change. Raises ReadingFailed."""
    with system_errors(path):
        status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@contextmanager
def system_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns each error of the operating system in the block, which reads the file at `path`, into ReadingFailed."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise_if_of_the_system(path, error)
        raise
