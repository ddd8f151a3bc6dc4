"""Files that are whole or not there, whatever happens while they are written: a kill, a full disk, a second process."""

import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST_NAME = 255  # bytes of a file's name, on all usual file systems


class WholeFile(io.FileIO):
    """A file that keeps its first error for `raise_error` and then takes all writes as done.

    The HDF5 library cannot close a file that fails (a full disk), and crashes the process for it in the end.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest and not self.error:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def raise_error(self) -> None:
        if self.error:
            raise self.error


def hidden_beside(path: Path, ending: str) -> Path:
    """The path of the hidden file `.<name>.<ending>` beside `path`; a digest stands for a name that is too long."""
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.{ending}"
    return path.with_name(name)


@contextmanager
def whole_file(path: Path) -> Iterator[WholeFile]:
    """An empty file under a temporary name beside `path`, synced and renamed to it at the end of the block.

    Write into it, or by other means to its `name`; a block that takes long calls its `raise_error` now and then. The
    temporary name is fixed, so that what a kill leaves behind is overwritten by the next try; a lock on it keeps two
    processes from writing the same file. Raises OSError, whose `filename` is `path`, where it cannot be written.
    """
    temporary = hidden_beside(path, "tmp")
    with naming(path):
        file = WholeFile(temporary, "r+", opener=lambda name, flags: open_locked(Path(name)))
    with file:
        try:
            file.truncate(0)
            try:
                yield file
            finally:
                with naming(path):
                    file.raise_error()
            with naming(path):
                os.fsync(file.fileno())
                os.replace(temporary, path)
                _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _sync_folder(path: Path) -> None:
    """The new name itself must outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Makes every error of the system in the block say that `path` cannot be written, and why."""
    try:
        yield
    except OSError as error:
        reason = f"it cannot be written ({error.strerror or error})"
        raise OSError(error.errno, reason, os.fspath(path)) from error


def open_locked(path: Path) -> int:
    """A descriptor for reading and writing of the file at `path`, made where it is not there, that one process gets.

    The lock ends with the process or when the descriptor is closed. On a file system without locks there is none.
    Raises BlockingIOError where another process has it, OSError where the file cannot be opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass  # the process that had the lock has renamed the file meanwhile
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, "another process is writing it") from None
    except OSError:
        pass  # a file system without locks
