"""Finds the videos below a folder, and counts the files and links that it passes over."""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from idt_tools.tab_separated import escaped
from workflow_scripts.ground.stage import StageError

log = logging.getLogger(__name__)

# PyAV reads files of each suffix; a test reads one of each. A manifest may name files of other suffixes.
_SUFFIXES = (
    ".264 .265 .3g2 .3gp .apng .asf .avi .divx .dv .f4v .flv .gif .h264 .h265 .hevc .ivf .m1v .m2p .m2t .m2ts .m2v "
    ".m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .tod .ts .vob .webm "
    ".wmv .wtv .xvid .y4m"
)
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


@dataclass(frozen=True)
class Walk:
    """The files and links below a folder.

    Attributes:
        videos: Files with a suffix of videos, sorted by path.
        others: Number of the other files by suffix, in lower case; the suffix is "" for files without one.
        links: Links to folders that are read under another path.
    """

    videos: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    links: list[Path] = field(default_factory=list)


def video_files(root: Path) -> list[Path]:
    """Returns the videos below `root`, sorted by path. Raises StageError if a folder cannot be read."""
    return walk(root).videos


def walk(root: Path) -> Walk:
    """Lists the files below `root` and logs what it passes over. Ignores hidden files and hidden folders.

    Each folder is read once, even if several links lead to it: under its path without links if it has one, otherwise
    under the first path by name. Raises StageError if a folder cannot be read.
    """
    result = Walk()
    read: set[tuple[int, int]] = set()  # device and inode of the folders that were read
    links = [root]
    while links:
        links += _read_tree(links.pop(0), read, result)
    result.videos.sort()
    _log_passed_over(root, result)
    return result


def _read_tree(top: Path, read: set[tuple[int, int]], result: Walk) -> list[Path]:
    """Adds the files below `top` to `result`, and returns the links to folders, which it does not follow."""
    links = []
    if _identity(top) in read:
        result.links.append(top)
        return []
    for folder, folders, files in os.walk(top, onerror=_raise_folder_error):
        here = Path(folder)
        if _identity(here) in read:
            folders.clear()
            continue
        read.add(_identity(here))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "lost+found")
        links += [here / name for name in folders if (here / name).is_symlink()]
        for name in files:
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in VIDEO_SUFFIXES:
                result.videos.append(here / name)
            else:
                result.others[suffix] += 1
    return links


def counted_suffixes(others: Counter[str]) -> str:
    """Returns the numbers of files by suffix in words: the ten most frequent suffixes, then the sum of the others."""
    counts = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{number:,} {escaped(suffix) or 'without suffix'}" for suffix, number in counts[:10]]
    if rest := counts[10:]:
        parts.append(f"{sum(number for _, number in rest):,} of {len(rest):,} other suffixes")
    return ", ".join(parts)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        stat = folder.stat()
    except OSError as error:
        _raise_folder_error(error)
    return stat.st_dev, stat.st_ino


def _raise_folder_error(error: OSError) -> NoReturn:
    raise StageError(
        f"{escaped(str(error.filename))}: the folder cannot be read ({error.strerror}), so its videos would be "
        "missing; make it readable, then run the same command again"
    ) from error


def _log_passed_over(root: Path, result: Walk) -> None:
    if result.others:
        suffixes = counted_suffixes(result.others)
        log.info("%s: passed over for their suffix: %s; a manifest may name any file", escaped(str(root)), suffixes)
    for link in result.links:
        log.info("%s: link passed over: it leads to a folder that is read under another path", escaped(str(link)))
