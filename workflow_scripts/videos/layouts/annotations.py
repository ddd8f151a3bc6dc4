"""Functions for the readers of official datasets: they read lists of annotations and find the files of the videos."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.folders import walk
from workflow_scripts.videos.layouts.layout import Annotated, Listed, Listing
from workflow_scripts.videos.text_tables import read_lines

log = logging.getLogger(__name__)


def read_annotated(reader: Callable[[Path], list[Annotated]], root: Path, annotations: str) -> Listing:
    """Returns the videos of an official dataset.

    Args:
        reader: Returns the videos that the annotations at a path name.
        root: The folder of the videos.
        annotations: The file or folder of the annotations.

    Raises:
        StageError: The annotations cannot be read. The error names the file and the line.
    """
    walked = walk(root)
    files = [path.relative_to(root) for path in walked.videos]
    videos, missing = find_files(annotated_videos(Path(annotations), reader), files)
    return Listing(videos, missing, walked)


def annotated_videos(annotations: Path, reader: Callable[[Path], list[Annotated]]) -> list[Annotated]:
    """Returns the videos that the annotations name, sorted by name. Raises StageError if they cannot be read."""
    try:
        annotated = reader(annotations)
    except OSError as error:
        raise StageError(f"{annotations}: the annotations cannot be read: {error}") from error
    return sorted(annotated, key=lambda video: (video.names, video.label))


def find_files(annotated: Sequence[Annotated], files: Sequence[Path]) -> tuple[list[Listed], list[Annotated]]:
    """Returns the annotated videos with the paths of their files, and the annotated videos without a file.

    A file belongs to a video if it has one of the video's names. If several files do, for example copies in other
    formats, the first one in a folder of the label is used, otherwise the first one. Capitals are ignored if no file
    has the exact name (UCF101's HandStandPushups).
    """
    by_name: dict[str, list[str]] = {}
    paths = sorted(path.as_posix() for path in files)
    for path in paths:
        stem = Path(path).stem
        for name in {stem, stem.casefold()}:
            by_name.setdefault(name, []).append(path)
    used: set[str] = set()
    listed, missing = [], []
    for video in annotated:
        names = [*video.names, *(name.casefold() for name in video.names)]
        candidates = [path for name in names for path in by_name.get(name, []) if path not in used]
        if not candidates:
            missing.append(video)
            continue
        path = next((path for path in candidates if video.label in Path(path).parts), candidates[0])
        used.add(path)
        listed.append(Listed(path, video.label, video.group, splits=video.splits))
    log.info("videos: the annotations name %d videos; %d of them have no file", len(annotated), len(missing))
    if others := len(paths) - len(listed):
        log.info("videos: %d files are ignored: no annotation names them, or they are second copies", others)
    return listed, missing


def set_part(parts: dict[int, str], split: int, part: str, place: str) -> None:
    """Sets a video's part of a split in `parts`. Raises StageError if another line gave it another part."""
    if parts.setdefault(split, part) != part:
        raise StageError(
            f"{place}: this line puts the video into {part or 'no part'}, another line into "
            f"{parts[split] or 'no part'}; correct one of the lines"
        )


def split_lists(folder: Path, name: re.Pattern[str], example: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yields the split files of a folder, sorted, with the matches of their names. Raises StageError if none exist."""
    lists = [
        (path, match)
        for path in sorted(folder.iterdir())
        if (match := name.fullmatch(path.name)) and not path.name.startswith(".")
    ]
    if not lists:
        raise StageError(f"{folder}: it holds no split files ({example}, ...); give their folder as `annotations`")
    yield from lists


def matched_lines(path: Path, pattern: re.Pattern[str], example: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yields the place and the match of each line of a list. Raises StageError if a line does not match `pattern`."""
    for number, line in read_lines(path):
        match = pattern.fullmatch(line)
        if match is None:
            raise StageError(f"{path}, line {number}: {line!r} is not like {example!r}; correct or remove the line")
        yield f"{path}, line {number}", match
