"""Keys of the work on videos. If a key changes, the stage computes the video again (see `process_shard`)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from idt_tools.reading import ReadingFailed, system_errors


def file_stamp(path: Path | None) -> list[int]:
    """Returns size (bytes) and modification time (ns) of a file; an empty list if there is no file.

    Raises ReadingFailed if the system does not return them.
    """
    if path is None:
        return []
    with system_errors(path):
        try:
            stat = path.stat()
        except FileNotFoundError:
            return []
    return [stat.st_size, stat.st_mtime_ns]


def keys_by_video(names: Iterable[str], key: Callable[[str], str]) -> tuple[dict[str, str], dict[str, ReadingFailed]]:
    """Returns the keys of videos, and the errors of those videos whose key could not be made.

    Args:
        names: Ids of videos.
        key: Returns the key of a video; raises ReadingFailed if a file that it depends on cannot be read.
    """
    keys: dict[str, str] = {}
    unread: dict[str, ReadingFailed] = {}
    for name in names:
        try:
            keys[name] = key(name)
        except ReadingFailed as error:
            unread[name] = error
    return keys, unread


def attributes_of(row: dict[str, str]) -> dict[str, Any]:
    """Returns the values of a shard list's row that a video's key depends on: size and modification time."""
    return {"bytes": row["bytes"], "mtime_ns": row["mtime_ns"]}
