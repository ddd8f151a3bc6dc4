"""Lists and CSV files as people save them: with or without BOM, as UTF-16, with commas, semicolons or tabs.

What has one meaning is read. Anything else raises StageError with the file, the line and what to do.
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

_BYTES = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, as Python holds them


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns, in lower case without blanks around them, and its rows, each with its last line."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that are not blank, with their numbers, without blanks around them."""
    for number, line in enumerate(re.split("\r\n|\r|\n", _text(path)), start=1):
        _require_utf8(path, number, line)
        if line.strip():
            yield number, line.strip()


def read_table(path: Path, required: set[str], raw: str = "") -> Table:
    """A CSV file with a header. Cells have no blanks around them, but those of the column `raw`, which are as written.

    The columns are separated by commas, semicolons or tabs: whichever of them gives the `required` columns. Cells that
    a row lacks are empty, and rows of empty cells are left out. A cell of the column `raw` may hold bytes that are not
    UTF-8, as file names do (surrogates); any other may not. Raises StageError with the line that cannot be read.
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
            f"{path}, line {reader.line_num}: it is no line of a CSV file ({error}); a cell with quotes in it is "
            'written as "a ""quoted"" word"'
        ) from None
    return Table(columns, rows)


def _reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _header(path: Path, text: str, required: set[str]) -> tuple[str, list[str]]:
    """What separates the columns, and their names."""
    columns: list[str] = []
    for separator in "\t;,":
        with suppress(csv.Error):
            columns = [name.strip().casefold() for name in next(_reader(text, separator), [])]
        for name in columns:
            _require_utf8(path, 1, name)
        if required <= set(columns):
            return separator, columns
    lacking = ", ".join(f"`{name}`" for name in sorted(required - set(columns)))
    raise StageError(f"{path}: the first line names the columns and has no {lacking}; it names {', '.join(columns)}")


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
    """The sentence for bytes that are not UTF-8 in a line."""
    return StageError(
        f"{path}, line {number}: it holds characters that are not UTF-8, and what they mean cannot be told; save the "
        "file as UTF-8 (in Excel: CSV UTF-8)"
    )


def holds_bytes(text: str) -> bool:
    """Whether `text` holds bytes that are not UTF-8."""
    return _BYTES.search(text) is not None


def _require_utf8(path: Path, number: int, text: str) -> None:
    if holds_bytes(text):
        raise not_utf8(path, number)


def _text(path: Path) -> str:
    """The text of a file in UTF-8 or, as its first bytes say, in UTF-16."""
    try:
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig", "surrogateescape")
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: it cannot be read: {error}") from error
    if "\0" in text:
        raise StageError(f"{path}: it holds zero bytes and is no text in UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)")
    return text
