"""The videos in a folder and the folders below it, and what is passed over there."""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from idt_tools.tab_separated import escaped
from workflow_scripts.ground.stage import StageError

log = logging.getLogger(__name__)

# Suffixes of cameras, editors and datasets that PyAV reads, each tried by a test. A manifest may name any file.
_SUFFIXES = (
    ".264 .265 .3g2 .3gp .apng .asf .avi .divx .dv .f4v .flv .gif .h264 .h265 .hevc .ivf .m1v .m2p .m2t .m2ts .m2v "
    ".m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .tod .ts .vob .webm "
    ".wmv .wtv .xvid .y4m"
)
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


@dataclass(frozen=True)
class Walk:
    """The videos below a folder, ordered by path; and how many other files there are by suffix; and links that repeat.

    `others` maps a suffix in lower case ("" for none) to a number of files. `links` lead to folders that are read under
    another path.
    """

    videos: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    links: list[Path] = field(default_factory=list)


def video_files(root: Path) -> list[Path]:
    """The videos of `walk`, whose log says what it passed over."""
    return walk(root).videos


def walk(root: Path) -> Walk:
    """Reads `root` and the folders below it, each once, whatever links lead to it; hidden ones are passed over.

    A folder has the path without links where it has one, or else the first by name. Logs what is passed over.
    Raises StageError where a folder cannot be read.
    """
    result = Walk()
    read: set[tuple[int, int]] = set()  # device and inode of the folders that were read
    links = [root]
    while links:
        links += _read_tree(links.pop(0), read, result)
    result.videos.sort()
    _log(root, result)
    return result


def _read_tree(top: Path, read: set[tuple[int, int]], result: Walk) -> list[Path]:
    """Adds what is below `top` to `result`, and gives the links to folders that it meets, which it does not follow."""
    links = []
    if _identity(top) in read:
        result.links.append(top)
        return []
    for folder, folders, files in os.walk(top, onerror=_stop):
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


def counted_suffixes(others: Counter[str], most: int = 10) -> str:
    """The numbers of files by suffix in words, the `most` frequent ones first and the rest together."""
    counts = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{number:,} {escaped(suffix) or 'without suffix'}" for suffix, number in counts[:most]]
    if rest := counts[most:]:
        parts.append(f"{sum(number for _, number in rest):,} of {len(rest):,} other suffixes")
    return ", ".join(parts)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        stat = folder.stat()
    except OSError as error:
        raise _unread(error) from error
    return stat.st_dev, stat.st_ino


def _stop(error: OSError) -> None:
    raise _unread(error) from error


def _unread(error: OSError) -> StageError:
    return StageError(
        f"{escaped(str(error.filename))}: the folder cannot be read ({error.strerror}), and its videos would be lost; "
        "make it readable, then run the same command again"
    )


def _log(root: Path, result: Walk) -> None:
    if result.others:
        suffixes = counted_suffixes(result.others)
        log.info("%s: passed over by their suffix: %s; a manifest may name any file", escaped(str(root)), suffixes)
    for link in result.links:
        log.info("%s: passed over: the link leads to a folder that is read already", escaped(str(link)))
