"""Which files a dataset consists of: the layouts `folder`, `manifest` and `generated`.

Every layout becomes a list of `Listed` videos with paths relative to the root; whether a file is there and can be
read is for the index to find out.
"""

import csv
import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.stage import StageError
from workflow_scripts.videos.generate import GeneratedSettings, generate_videos
from workflow_scripts.videos.settings import DatasetSettings

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


def list_videos(dataset: str, settings: DatasetSettings, generated_root: Path) -> tuple[Path, list[Listed]]:
    """The root and the videos of a dataset, sorted by path; generated ones are made if they are not there.

    Raises StageError where the root or the manifest is missing or unreadable, or nothing is included.
    """
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
        listed = list(_walk(root)) if settings.layout == "folder" else _read_manifest(dataset, settings.manifest)
    included = [video for video in listed if fnmatch.fnmatchcase(video.path, settings.include)]
    if not included:
        raise StageError(f"datasets.{dataset}: no video in {root} matches include: {settings.include!r}")
    return root, sorted(included, key=lambda video: video.path)


def _walk(root: Path) -> list[Listed]:
    """The videos below `root`, labelled by the first folder of their path; hidden files are passed over."""
    listed = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = (Path(folder) / name).relative_to(root)
            if not name.startswith(".") and path.suffix.lower() in VIDEO_SUFFIXES:
                listed.append(Listed(path.as_posix(), path.parts[0] if len(path.parts) > 1 else ""))
    return listed


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
