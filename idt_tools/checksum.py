"""A checksum beside a text file, by which a flipped bit or an edit by hand is noticed: `.NAME.crc32` beside `NAME`.

Tables and JSON stay plain files that anything opens. The checksum file holds the CRC-32 of what is written and of
what was there before, so that a kill between the two files leaves none that looks damaged.
"""

import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path

from .whole_file import whole_file


class Changed(ValueError):
    """A file is not what was written to it."""


def write_checksum(path: Path, content: bytes) -> None:
    """Keeps the checksum of `content`, which is about to become the file at `path`, beside that of the file as it is.

    Raises OSError.
    """
    place = checksum_file(path)
    now = _checksum(path.read_bytes()) if path.exists() else ""
    is_whole = now and (not place.exists() or now in place.read_text("ascii", "replace").split())
    with whole_file(place) as file:
        file.write(f"{_checksum(content)}\n{now if is_whole else ''}\n".encode())


def read_verified(path: Path, made_with: Sequence[Path] = ()) -> bytes:
    """Returns the content of the file at `path`. A file without a checksum beside it is not checked.

    `made_with`: files that must be deleted too before the file is made again. Raises Changed, with the commands to
    type, if the content is not what was written; OSError.
    """
    content, place = path.read_bytes(), checksum_file(path)
    if place.exists() and _checksum(content) not in place.read_text("ascii", "replace").split():
        files = [path, *(file for file in made_with if file != path and file.exists())]
        raise Changed(
            f"{path} is damaged or was edited. To make it anew, type `{_rm(*files)}` and run the same command again. "
            f"To keep your edit, type `{_rm(place)}`"
        )
    return content


def checksum_file(path: Path) -> Path:
    """Where the checksum of the file at `path` lies."""
    return path.with_name(f".{path.name}.crc32")


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _rm(*paths: Path) -> str:
    return shlex.join(["rm", *map(str, paths)])
