"""Which files a dataset consists of: a folder a class, a CSV, videos made here, or one of the official datasets.

Every layout becomes a list of `Listed` videos with paths relative to the root; whether a file is there and can be
read is for the index to find out. Of the official datasets, whose videos nobody has all, the annotated videos without
a file are listed apart.
"""

import dataclasses
import fnmatch
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from idt_tools.tab_separated import escaped
from workflow_scripts.ground.stage import StageError
from workflow_scripts.synthetic.generate import GeneratedSettings, generate_videos
from workflow_scripts.videos.folders import Walk, walk
from workflow_scripts.videos.official import Annotated, read_annotations
from workflow_scripts.videos.settings import OFFICIAL, DatasetSettings
from workflow_scripts.videos.text_tables import holds_bytes, not_utf8, read_table

log = logging.getLogger(__name__)

_SPLIT = re.compile(r"split[ _-]?(\d{0,9})")  # the columns of a manifest that tell train and test apart
_PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
# What people call the column `label`, and what holds labels by its name.
_LIKE_LABEL = re.compile(r".*(label|lable).*|y|targets?|class(es|name|_name)?|categor(y|ies)|actions?|activit(y|ies)")


@dataclass(frozen=True)
class Listed:
    """A video as its dataset names it: `path` relative to the root, and what is said of it (may be empty)."""

    path: str
    label: str = ""
    group: str = ""
    scene: str = ""
    splits: tuple[tuple[str, str], ...] = ()  # (column, train | test)


class Listing(NamedTuple):
    """The videos of a dataset below `root`, by path, and what is passed over.

    `missing` are the videos that its annotations name and nobody has; `walked` is what was met below the root, where
    the dataset is found by looking there.
    """

    root: Path
    videos: list[Listed]
    missing: list[Annotated]
    walked: Walk


def list_videos(dataset: str, settings: DatasetSettings, generated_root: Path) -> Listing:
    """Lists a dataset; generated videos are made if they are not there.

    Raises StageError where the root, the manifest or the annotations are missing or unreadable, or nothing is included.
    """
    missing: list[Annotated] = []
    walked = Walk()
    if settings.layout == "generated":
        root = generated_root
        rows = generate_videos(root, GeneratedSettings(**(settings.generated or {})))
        # The first take of each motion in each scene is the test part of `splits: column`: in places never trained on.
        part = {True: "test", False: "train"}
        listed = [
            Listed(row["path"], row["label"], row["group"], row["scene"], (("split", part[row["group"] == "take00"]),))
            for row in rows
        ]
    else:
        root = Path(settings.root)
        if not root.is_dir():
            raise StageError(f"datasets.{dataset}.root: the folder {root} is not there; make it or name another")
        if settings.layout == "manifest":
            listed = _read_manifest(dataset, settings.manifest, root)
        else:
            walked = walk(root)
            there = [path.relative_to(root) for path in walked.videos]
            if settings.layout == "folder":  # labelled by the first folder of the path
                listed = [Listed(path.as_posix(), path.parts[0] if len(path.parts) > 1 else "") for path in there]
            else:
                listed, missing = _match(read_annotations(settings.layout, Path(settings.annotations)), there)
    if not listed:
        whose = "that the annotations name " if settings.layout in OFFICIAL else ""
        raise StageError(f"datasets.{dataset}: no video {whose}is in {settings.manifest or root}; give another root")
    included = [video for video in listed if fnmatch.fnmatchcase(video.path, settings.include)]
    if not included:
        raise StageError(f"datasets.{dataset}: no video in {root} matches include: {settings.include!r}")
    return Listing(root, sorted(included, key=lambda video: video.path), missing, walked)


def _match(annotated: Sequence[Annotated], files: Sequence[Path]) -> tuple[list[Listed], list[Annotated]]:
    """The annotated videos with the paths of their `files` below the root, found by name, and those without one.

    Where several files have a name, as copies in another format, the first by path in a folder of the label is taken,
    or else the first. A name that no file has as it is written may differ in capitals (UCF101's HandStandPushups).
    """
    paths: dict[str, list[str]] = {}
    there = sorted(path.as_posix() for path in files)
    for path in there:
        stem = Path(path).stem
        for name in {stem, stem.casefold()}:
            paths.setdefault(name, []).append(path)
    taken: set[str] = set()
    listed, missing = [], []
    for video in annotated:
        names = [*video.names, *(name.casefold() for name in video.names)]
        found = [path for name in names for path in paths.get(name, []) if path not in taken]
        if not found:
            missing.append(video)
            continue
        path = next((path for path in found if video.label in Path(path).parts), found[0])
        taken.add(path)
        listed.append(Listed(path, video.label, video.group, splits=video.splits))
    log.info("videos: %d are annotated, %d of them are not there", len(annotated), len(missing))
    if others := len(there) - len(listed):
        log.info("videos: %d files are left out, which no annotation names or which are there twice", others)
    return listed, missing


def _read_manifest(dataset: str, manifest: str, root: Path) -> list[Listed]:
    """The videos of a CSV file, in its order; a video that is there twice counts once where both lines say the same."""
    file = Path(manifest)
    if not file.is_file():
        raise StageError(f"datasets.{dataset}.manifest: the file {manifest or '(empty)'} is not there; name a CSV")
    table = read_table(file, {"path"}, raw="path")
    split_of = _split_columns(file, table.columns)
    _check_columns(file, table.columns, split_of)
    listed: dict[str, tuple[int, Listed]] = {}  # by the place that a path leads to
    odd: Counter[str] = Counter()
    for number, row in table.rows:
        path = _plain_path(file, number, row["path"], root)
        parts = {split: row[column].casefold() for column, split in split_of.items()}
        odd.update(part for part in parts.values() if part and part not in _PARTS)
        splits = tuple((split, _PARTS[part]) for split, part in parts.items() if part in _PARTS)
        described = {name: row.get(name, "") for name in ("label", "group", "scene")}
        video = Listed(path, **described, splits=splits)
        first, known = listed.setdefault(os.path.join(os.path.abspath(root), path), (number, video))
        if dataclasses.replace(video, path=known.path) != known:
            raise StageError(
                f"{file}, line {number}: the video {row['path']!r} is there with another label, group, scene or split "
                f"in line {first}; remove one of the lines"
            )
    if repeated := len(table.rows) - len(listed):
        log.info("videos: %s: %d lines repeat a video of another line, which counts once", file, repeated)
    if odd:
        values = ", ".join(f"{number} {escaped(value)!r}" for value, number in odd.most_common())
        log.info("videos: %s: parts that are neither train nor test, left out of their splits: %s", file, values)
    return [video for _, video in listed.values()]


def _split_columns(file: Path, columns: Sequence[str]) -> dict[str, str]:
    """The columns that tell train and test apart -> what they are called in the index, split or split<N>."""
    matches = {name: match for name in columns if (match := _SPLIT.fullmatch(name))}
    names = {name: f"split{int(match[1])}" if match[1] else "split" for name, match in matches.items()}
    for name, split in names.items():
        if list(names.values()).count(split) > 1:
            raise StageError(f"{file}: the first line has two columns of {split}, one is {name!r}; remove one of them")
    return names


def _check_columns(file: Path, columns: Sequence[str], split_of: Mapping[str, str]) -> None:
    """Says which columns are not read. Raises StageError where the labels seem to be in one of those."""
    others = [name for name in columns if name not in {"path", "label", "group", "scene", *split_of, ""}]
    if "label" not in columns:
        for name in others:
            if _LIKE_LABEL.fullmatch(name):
                raise StageError(
                    f"{file}: the first line has no column `label`, and a column {name!r}; rename that to label, or "
                    "add an empty column label if the videos are to have none"
                )
        log.warning("videos: %s has no column `label`, so the videos have no labels", file)
    if others:
        log.info("videos: %s: columns that are not read: %s", file, escaped(", ".join(others)))


def _plain_path(file: Path, number: int, cell: str, root: Path) -> str:
    """The path in a cell of a manifest without `.`, `..` and blanks around it, where that leads to the same file."""
    path = cell if cell != cell.strip() and os.path.exists(root / cell) else cell.strip()
    if not path:
        raise StageError(f"{file}, line {number}: the path is empty; name a file or remove the line")
    if holds_bytes(path) and not os.path.exists(root / path):
        raise not_utf8(file, number)
    plain = os.path.normpath(path)
    # Behind a link to a folder, `..` leads elsewhere.
    if ".." in Path(path).parts and os.path.exists(root / path):
        same = os.path.exists(root / plain) and os.path.samefile(root / path, root / plain)
        return plain if same else path
    return plain
