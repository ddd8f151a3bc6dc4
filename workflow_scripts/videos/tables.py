"""Reads and writes the tables of a dataset's index as DataFrames. No other module writes them.

The stages that run on a GPU read these files by `ground.artifacts.read_columns`, so they do not need pandas.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from idt_tools.tab_separated import escaped
from workflow_scripts.ground.artifacts import read_columns, read_json, read_text, remove, write_checked_text, write_json

Types = Mapping[str, str]

# Texts have the type object: paths may contain bytes that are not UTF-8, which the string types of pandas may refuse.
INDEX: Types = {
    "video_id": "object",
    "path": "object",
    "label": "object",
    "group": "object",
    "scene": "object",
    "split": "object",  # JSON: number of a split -> train or test, as the dataset defines it
    "n_frames": "Int64",
    "fps": "Float64",
    "width": "Int64",
    "height": "Int64",
    "estimated_frames": "Int64",
    "seconds": "Float64",
    "bytes": "Int64",
    "mtime_ns": "Int64",
    "status": "object",
    "reason": "object",
    "shard": "object",
}
SPLITS: Types = {"split": "int64"} | dict.fromkeys(("video_id", "part", "label", "group"), "object")
UNREAD: Types = {"split": "int64"} | dict.fromkeys(("video_id", "part", "label", "status"), "object")
SAMPLE: Types = dict.fromkeys(("video_id", "draw"), "object")
MISSING: Types = dict.fromkeys(("name", "label", "split"), "object")
PASSED_OVER: Types = {"kind": "object", "name": "object", "files": "Int64"}


def frame_of(rows: list[dict[str, Any]] | pd.DataFrame, types: Types) -> pd.DataFrame:
    """Returns a table with the columns and types of `types`. Columns that `rows` lacks hold missing values."""
    return pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table with a checksum beside it. Missing values become empty cells."""
    write_checked_text(path, _text(table))


def update_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table if it differs from the file, whose time otherwise shows Snakemake that nothing changed."""
    text = _text(table)
    if not path.exists() or read_text(path) != text:
        write_checked_text(path, text)


def update_json(path: Path, value: Any) -> None:
    """Writes JSON if it differs from the file."""
    if not path.exists() or read_json(path) != value:
        write_json(path, value)


def update_or_remove(path: Path, table: pd.DataFrame) -> None:
    """Writes a table if it differs from the file; removes the file if the table has no rows."""
    if len(table):
        update_table(path, table)
    else:
        remove(path)


def read_table(path: Path, types: Types) -> pd.DataFrame:
    """Returns the table at `path` with the columns of `types`. Raises StageError if it is damaged or was edited."""
    table = pd.DataFrame(read_columns(path), columns=list(types), dtype=object)
    for name in (name for name, kind in types.items() if kind != "object"):
        table[name] = pd.to_numeric(table[name].replace("", None))
    return table.astype(types)


def _text(table: pd.DataFrame) -> str:
    columns = []
    for name in table.columns:
        values = table[name]
        texts = values.map(str).mask(values.isna(), "")
        columns.append(texts.map(escaped) if values.dtype == object else texts)
    lines = ["\t".join(table.columns), *map("\t".join, zip(*columns, strict=True))]
    return "\n".join(lines) + "\n"
