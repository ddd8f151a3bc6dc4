"""Writes files that are either whole or absent after a kill, a full disk or a race with a second process."""

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
    """A file that stores its first error for `raise_error` and from then on ignores writes.

    The HDF5 library cannot close a file whose writes fail, for example on a full disk, and finally crashes the process.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        unwritten = memoryview(data).cast("B")
        size = len(unwritten)
        while unwritten and not self.error:
            try:
                unwritten = unwritten[super().write(unwritten) :]
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
        """Raises the first error, if there was one."""
        if self.error:
            raise self.error


def hidden_beside(path: Path, ending: str) -> Path:
    """Returns the path `.<name>.<ending>` beside `path`. A digest replaces a name that is too long."""
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.{ending}"
    return path.with_name(name)


@contextmanager
def whole_file(path: Path) -> Iterator[WholeFile]:
    """Opens an empty temporary file beside `path`; the end of the block syncs it and renames it to `path`.

    The block writes to the file or to its `name`; a long block calls `raise_error` repeatedly. The temporary name is
    fixed, so that the next try overwrites the remains of a killed one. A lock on it prevents two processes from writing
    the same file. Raises OSError, whose `filename` is `path`, if the file cannot be written.
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
    """Syncs a folder, so that the new name in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns each OSError of the block into one that says that `path` cannot be written, and why."""
    try:
        yield
    except OSError as error:
        reason = f"it cannot be written ({error.strerror or error})"
        raise OSError(error.errno, reason, os.fspath(path)) from error


def open_locked(path: Path) -> int:
    """Opens the file at `path` for reading and writing, creates it if needed, and locks it. Returns the descriptor.

    The lock ends when the descriptor is closed or the process ends. A file system without locks gives none. Raises
    BlockingIOError if another process has the lock, OSError if the file cannot be opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass  # the process with the lock has renamed the file
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
