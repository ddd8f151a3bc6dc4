"""Reads a CSV file that names the videos, with their labels, groups, scenes and splits."""

import dataclasses
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from idt_tools.tab_separated import escaped
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts.layout import Listed, Listing
from workflow_scripts.videos.text_tables import Table, holds_bytes, not_utf8, read_table

log = logging.getLogger(__name__)

_SPLIT = re.compile(r"split[ _-]?(\d{0,9})")  # names of the columns that hold train or test
_PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
# Names of columns that probably hold the labels.
_LIKE_LABEL = re.compile(r".*(label|lable).*|y|targets?|class(es|name|_name)?|categor(y|ies)|actions?|activit(y|ies)")


def read(root: Path, manifest: str) -> Listing:
    """Returns the videos that the CSV file `manifest` names, in its order. Equal lines count once."""
    file = Path(manifest)
    if not file.is_file():
        raise StageError(f"the manifest {manifest or '(empty)'} does not exist; give a CSV file (datasets.*.manifest)")
    table = read_table(file, {"path"}, raw="path")
    split_columns = [name for name in table.columns if _SPLIT.fullmatch(name)]
    _check_columns(file, table.columns, split_columns)
    numbers = _split_numbers(file, table, split_columns)
    videos: dict[str, tuple[int, Listed]] = {}  # absolute path -> line and video
    for line, row in table.rows:
        path = _plain_path(file, line, row["path"], root)
        parts = {number: _PARTS.get(row[column].casefold()) for column, number in numbers.items()}
        splits = tuple((number, part) for number, part in parts.items() if part)
        video = Listed(path, row.get("label", ""), row.get("group", ""), row.get("scene", ""), splits)
        first_line, first = videos.setdefault(os.path.join(os.path.abspath(root), path), (line, video))
        if dataclasses.replace(video, path=first.path) != first:
            raise StageError(
                f"{file}, line {line}: line {first_line} gives the same video {row['path']!r} another label, group, "
                "scene or split; remove one of the lines"
            )
    if repeated := len(table.rows) - len(videos):
        log.info("videos: %s: %d lines repeat a video of another line and are ignored", file, repeated)
    return Listing([video for _, video in videos.values()])


def _split_numbers(file: Path, table: Table, columns: Sequence[str]) -> dict[str, int]:
    """Returns the numbers of the splits by the columns that mark videos as train or test. `split` is split 1.

    Raises StageError if two such columns describe the same split.
    """
    numbers: dict[str, int] = {}
    others: Counter[str] = Counter()
    for column in columns:
        match = _SPLIT.fullmatch(column)
        number = int(match[1] or 1) if match else 1
        values = Counter(row[column].casefold() for _, row in table.rows)
        others.update({value: n for value, n in values.items() if value and value not in _PARTS})
        if values.keys() & _PARTS.keys():
            if number in numbers.values():
                raise StageError(f"{file}: two columns describe split {number} (one is {column!r}); remove one of them")
            numbers[column] = number
    if others:
        values_in_words = ", ".join(f"{n} {escaped(value)!r}" for value, n in others.most_common())
        log.info("videos: %s: values that are neither train nor test are ignored: %s", file, values_in_words)
    return numbers


def _check_columns(file: Path, columns: Sequence[str], split_columns: Sequence[str]) -> None:
    """Logs the columns that are not read. Raises StageError if one of them seems to hold the labels."""
    others = [name for name in columns if name not in {"path", "label", "group", "scene", *split_columns, ""}]
    if "label" not in columns:
        for name in others:
            if _LIKE_LABEL.fullmatch(name):
                raise StageError(
                    f"{file}: the first line has no column `label`, but a column {name!r}; rename that to label, or "
                    "add an empty column label if the videos have no labels"
                )
        log.warning("videos: %s has no column `label`, so the videos have no labels", file)
    if others:
        log.info("videos: %s: columns that are not read: %s", file, escaped(", ".join(others)))


def _plain_path(file: Path, number: int, cell: str, root: Path) -> str:
    """Returns the path in a cell, stripped and without `.` and `..` if that path leads to the same file."""
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
