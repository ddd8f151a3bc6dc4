"""Which files a dataset consists of: a folder a class, a CSV, videos made here, or one of the official datasets.

Every layout becomes a list of `Listed` videos with paths relative to the root; whether a file is there and can be
read is for the index to find out. Of the official datasets, whose videos nobody has all, the annotated videos without
a file are listed apart.
"""

import csv
import fnmatch
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from idt_tools.reading import raise_if_of_the_system
from workflow_scripts.stage import StageError
from workflow_scripts.videos.generate import GeneratedSettings, generate_videos
from workflow_scripts.videos.official import Annotated, read_annotations
from workflow_scripts.videos.settings import OFFICIAL, DatasetSettings

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m4v .mkv .mov .mp4 .mpeg .mpg .ogv .ts .webm .wmv".split()
)  # what counts as a video in a folder; a manifest may name any file


@dataclass(frozen=True)
class Listed:
    """A video as its dataset names it: `path` relative to the root, and what is said of it (may be empty)."""

    path: str
    label: str = ""
    group: str = ""
    scene: str = ""
    splits: tuple[tuple[str, str], ...] = ()  # (column, train | test)


class Listing(NamedTuple):
    """The videos of a dataset below `root`, by path, and those that its annotations name and nobody has."""

    root: Path
    videos: list[Listed]
    missing: list[Annotated]


def list_videos(dataset: str, settings: DatasetSettings, generated_root: Path) -> Listing:
    """Lists a dataset; generated videos are made if they are not there.

    Raises StageError where the root, the manifest or the annotations are missing or unreadable, or nothing is included.
    """
    missing: list[Annotated] = []
    if settings.layout == "generated":
        root = generated_root
        rows = generate_videos(root, GeneratedSettings(**settings.generated))
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
        if settings.layout in OFFICIAL:
            annotated = read_annotations(settings.layout, Path(settings.annotations))
            listed, missing = _match(annotated, root)
        else:
            listed = _walk(root) if settings.layout == "folder" else _read_manifest(dataset, settings.manifest)
    included = [video for video in listed if fnmatch.fnmatchcase(video.path, settings.include)]
    if not included:
        raise StageError(f"datasets.{dataset}: no video in {root} matches include: {settings.include!r}")
    return Listing(root, sorted(included, key=lambda video: video.path), missing)


def video_files(root: Path) -> list[Path]:
    """The videos below the folder `root`; hidden files are passed over.

    Raises ReadingFailed where a folder cannot be listed: its videos would be left out without a word.
    """

    def cannot_list(error: OSError) -> NoReturn:
        raise_if_of_the_system(error.filename, error)
        raise error

    found = []
    for folder, folders, files in os.walk(root, followlinks=True, onerror=cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        videos = [name for name in sorted(files) if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        found += [Path(folder) / name for name in videos if not name.startswith(".")]
    return found


def _walk(root: Path) -> list[Listed]:
    """The videos below `root`, labelled by the first folder of their path."""
    paths = [path.relative_to(root) for path in video_files(root)]
    return [Listed(path.as_posix(), path.parts[0] if len(path.parts) > 1 else "") for path in paths]


def _match(annotated: Sequence[Annotated], root: Path) -> tuple[list[Listed], list[Annotated]]:
    """The annotated videos with the paths of their files below `root`, found by name, and those without one.

    Where several files have a name, as copies in another format, the first by path in a folder of the label is taken,
    or else the first. A name that no file has as it is written may differ in capitals (UCF101's HandStandPushups).
    """
    paths: dict[str, list[str]] = {}
    there = sorted(path.relative_to(root).as_posix() for path in video_files(root))
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


def _read_manifest(dataset: str, manifest: str) -> list[Listed]:
    if not Path(manifest).is_file():
        raise StageError(f"datasets.{dataset}.manifest: the file {manifest or '(empty)'} is not there; name a CSV")
    with open(manifest, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "path" not in columns:
            raise StageError(f"{manifest}: the first line names the columns and has no `path`; it names {columns}")
        split_columns = [name for name in columns if name.startswith("split")]
        rows = list(reader)
    seen: set[str] = set()
    listed = []
    for number, row in enumerate(rows, start=2):
        path = Path(row["path"] or "").as_posix()
        if not row["path"] or path in seen:
            raise StageError(f"{manifest}, line {number}: the path {row['path']!r} is empty or there twice")
        seen.add(path)
        splits = tuple((name, row[name] or "") for name in split_columns)
        described = {name: (row.get(name) or "").strip() for name in ("label", "group", "scene")}
        listed.append(Listed(path, **described, splits=splits))
    return listed
