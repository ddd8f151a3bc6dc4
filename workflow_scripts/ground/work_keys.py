"""Keys of the work on videos: what tells that a stage has to compute a video again (see `process_shard`)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from idt_tools.reading import ReadingFailed, system_errors


def file_stamp(path: Path | None) -> list[int]:
    """What tells that a file has changed, as a part of a key: its size and time; nothing where there is none.

    Raises ReadingFailed where the system does not tell.
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
    """The key of each video's work, and in place of a key the error where the system could not read what makes it."""
    keys: dict[str, str] = {}
    unread: dict[str, ReadingFailed] = {}
    for name in names:
        try:
            keys[name] = key(name)
        except ReadingFailed as error:
            unread[name] = error
    return keys, unread


def attributes_of(row: dict[str, str]) -> dict[str, Any]:
    """The part of a shard list's row that a video's key depends on: its size and modification time."""
    return {"bytes": row["bytes"], "mtime_ns": row["mtime_ns"]}
