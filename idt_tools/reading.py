"""Errors of the system while a file is read: they say nothing about the file, and the next try may succeed.

This module needs the standard library alone, so that every reader can import it.
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
    """The system could not read a file just now; the file itself may be whole. Made of errno, reason and path.

    It is never a result of a video: whoever reads many goes on with the others, and the next run reads this one.
    """

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.filename)

    @property
    def reason(self) -> str:
        """What the system says, without the file's name."""
        return str(self.strerror)


def raise_if_of_the_system(path: str | os.PathLike[str], error: Exception) -> None:
    """Raises ReadingFailed where `error` is the system's; returns where it is the file's."""
    if isinstance(error, ReadingFailed):
        raise error
    number = error.errno if isinstance(error, OSError) else errno.ENOMEM if isinstance(error, MemoryError) else None
    if number in OF_THE_SYSTEM:
        reason = f"it could not be read just now ({os.strerror(number)})"
        raise ReadingFailed(
            number, "there is no such file" if number == errno.ENOENT else reason, os.fspath(path)
        ) from error


def size_and_time(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Bytes and modification time (ns) of a file, by which a change is noticed. Raises ReadingFailed."""
    with system_errors(path):
        status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@contextmanager
def system_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes a ReadingFailed of every error of the system in the block, which reads the file at `path`."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise_if_of_the_system(path, error)
        raise
