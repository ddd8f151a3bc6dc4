"""Reads lists and CSV files in UTF-8 (with or without BOM) or UTF-16, with commas, semicolons or tabs.

Ambiguous and malformed files raise StageError. The error names the file, the line and what to do.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.ground.stage import StageError

_BYTES = re.compile("[\udc80-\udcff]")  # surrogates: Python's form of bytes that are not UTF-8


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns, stripped and in lower case, and its rows, each with the number of its last line."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the numbers and the stripped text of the lines of a list that are not blank."""
    for number, line in enumerate(re.split("\r\n|\r|\n", _text(path)), start=1):
        _require_utf8(path, number, line)
        if line.strip():
            yield number, line.strip()


def read_table(path: Path, required: set[str], raw: str = "") -> Table:
    """Reads a CSV file with a header. The separator is the one of tab, semicolon and comma that gives `required`.

    Cells that a row lacks are empty, and rows of empty cells are left out.

    Args:
        path: The file.
        required: Columns that the file must have.
        raw: A column whose cells are not stripped and may contain bytes that are not UTF-8 (surrogates), as file names
            may. All other cells are stripped and must be UTF-8.

    Raises:
        StageError: The file cannot be read, or a line is malformed. The error names the line.
    """
    text = _text(path)
    separator, columns = _header(path, text, required)
    repeated = [name for name in columns if name and columns.count(name) > 1]
    if repeated:
        raise StageError(f"{path}: the first line names the column {repeated[0]!r} twice; rename or remove one")
    reader = _reader(text, separator)
    rows = []
    try:
        next(reader)
        for cells in reader:
            row = _row(path, reader.line_num, columns, cells, raw)
            if any(cell.strip() for cell in row.values()):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise StageError(
            f"{path}, line {reader.line_num}: it is not a line of a CSV file ({error}); write a cell that contains "
            'quotes as "a ""quoted"" word"'
        ) from None
    return Table(columns, rows)


def _reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _header(path: Path, text: str, required: set[str]) -> tuple[str, list[str]]:
    """Returns the separator and the names of the columns."""
    columns: list[str] = []
    for separator in "\t;,":
        with suppress(csv.Error):
            columns = [name.strip().casefold() for name in next(_reader(text, separator), [])]
        for name in columns:
            _require_utf8(path, 1, name)
        if required <= set(columns):
            return separator, columns
    lacking = ", ".join(f"`{name}`" for name in sorted(required - set(columns)))
    raise StageError(f"{path}: the first line must name the columns {lacking}; it names {', '.join(columns)}")


def _row(path: Path, number: int, columns: list[str], cells: list[str], raw: str) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise StageError(
            f"{path}, line {number}: it has {len(cells)} cells, and the first line names {len(columns)} columns; put a "
            "cell that holds the separator into quotes"
        )
    cells = [*cells, *[""] * (len(columns) - len(cells))]
    row = {name: cell if name == raw else cell.strip() for name, cell in zip(columns, cells, strict=False)}
    for name, cell in row.items():
        if name != raw:
            _require_utf8(path, number, cell)
    return row


def not_utf8(path: Path, number: int) -> StageError:
    """Returns the error for a line with bytes that are not UTF-8."""
    return StageError(
        f"{path}, line {number}: it contains characters that are not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)"
    )


def holds_bytes(text: str) -> bool:
    """Returns whether `text` contains bytes that are not UTF-8."""
    return _BYTES.search(text) is not None


def _require_utf8(path: Path, number: int, text: str) -> None:
    if holds_bytes(text):
        raise not_utf8(path, number)


def _text(path: Path) -> str:
    """Returns the text of a file, which is in UTF-16 if it begins with the BOM of UTF-16, otherwise in UTF-8."""
    try:
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig", "surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: it cannot be read: {error}") from error
    if "\0" in text:
        raise StageError(f"{path}: it contains zero bytes and is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)")
    return text
