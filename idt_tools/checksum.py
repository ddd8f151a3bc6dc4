"""Checksums of text files: `.NAME.crc32` beside `NAME` reveals flipped bits and manual edits.

Tables and JSON stay plain files that any program opens. The checksum file holds the CRC-32 of the new content and of
the content before it: if the process is killed between writing the two files, the old content still passes the check.
"""

import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path

from .whole_file import whole_file


class Changed(ValueError):
    """The content of a file is not what was written to it."""


def write_checksum(path: Path, content: bytes) -> None:
    """Writes the checksums of `content`, which the caller writes to `path` next, and of the present file.

    Raises OSError.
    """
    checksums = checksum_file(path)
    present = _checksum(path.read_bytes()) if path.exists() else ""
    is_whole = present and (not checksums.exists() or present in checksums.read_text("ascii", "replace").split())
    with whole_file(checksums) as file:
        file.write(f"{_checksum(content)}\n{present if is_whole else ''}\n".encode())


def read_verified(path: Path, made_with: Sequence[Path] = ()) -> bytes:
    """Returns the content of the file at `path`. A file without a checksum beside it is not checked.

    `made_with` names the files that must also be deleted before the file is made again. Raises Changed, with the
    commands to type, if the content is not what was written. Raises OSError.
    """
    content, checksums = path.read_bytes(), checksum_file(path)
    if checksums.exists() and _checksum(content) not in checksums.read_text("ascii", "replace").split():
        files = [path, *(file for file in made_with if file != path and file.exists())]
        raise Changed(
            f"{path} is damaged or was edited. To make it again, type `{_rm(*files)}` and run the same command again. "
            f"To keep your edit, type `{_rm(checksums)}`"
        )
    return content


def checksum_file(path: Path) -> Path:
    """Returns the path of the checksum file of the file at `path`."""
    return path.with_name(f".{path.name}.crc32")


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _rm(*paths: Path) -> str:
    return shlex.join(["rm", *map(str, paths)])
