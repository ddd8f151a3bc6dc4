"""Files that other stages and people open: whole or not there, and telling what they are.

A file is written under a temporary name beside its place, synced and renamed, so a reader never sees half of it
and a kill at any moment leaves either the old file or the new one. HDF5 files carry as attributes the stage that
made them, its VERSION, the parameters and the digests of the inputs: no clock, host or path, so that equal work
gives equal bytes.
"""

import json
import os
import shlex
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from idt_tools.attributes import fixed_length, write_attributes
from idt_tools.checksum import Changed, checksum_file, read_verified, write_checksum
from idt_tools.reading import OF_THE_SYSTEM
from idt_tools.tab_separated import escaped, unescaped
from idt_tools.whole_file import WholeFile, naming, whole_file
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, cannot_write


@contextmanager
def replacing(path: Path) -> Iterator[WholeFile]:
    """An empty file open for writing that becomes `path` when the block ends without an exception.

    Raises StageError where it cannot be written; `path` is then what it was, and nothing is left beside it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        if error.filename != os.fspath(path):
            raise  # of something else that the block does
        raise cannot_write(path, error) from error


@contextmanager
def write_hdf5(
    path: Path, *, stage: str, version: int, parameters: Mapping[str, Any], **inputs: str
) -> Iterator[h5py.File]:
    """An HDF5 file open for writing that becomes `path` when the block ends without an exception.

    `parameters` are kept as JSON and as a digest, `inputs` (names to digests) as `input_<name>` attributes. Raises
    StageError where it cannot be written.
    """
    # Since 1.10, HDF5 checksums its metadata; earlier formats do not.
    with replacing(path) as raw, h5py.File(raw, "w", track_order=False, libver=("v110", "v110")) as file:
        told = {"stage": stage, "VERSION": version, "parameters": json.dumps(parameters, sort_keys=True)}
        told["parameters_digest"] = digest(dict(parameters))
        write_attributes(file, told | {f"input_{name}": value for name, value in inputs.items()})
        yield file


@contextmanager
def read_hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file open for reading. Raises StageError where it is damaged, which may turn out while it is read."""
    with reading(path), h5py.File(path, "r") as file:
        yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever h5py raises in the block into a StageError about the artifact at `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise StageError(f"{path}: there is no such file; run the same command again, which makes it") from error
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1].filename
        if "h5py" not in Path(place).parts:
            raise
        if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:  # whoever deleted it for that would lose it
            raise StageError(
                f"{path} cannot be read here ({os.strerror(error.errno)}), though it may be whole; mend that (open "
                "files: `ulimit -n`), then run the same command again"
            ) from error
        raise StageError(
            f"{path} is damaged ({error}); type `rm {shlex.quote(str(path))}`, then run the same command again, "
            "which makes it anew from what is kept"
        ) from error


def dataset(group: h5py.Group, name: str, array: Any, *, unit: str = "", meaning: str = "") -> h5py.Dataset:
    """Writes `array` (numbers, or strings as UTF-8) chunked and checksummed, with what it means beside it."""
    values = np.asarray(array)
    if values.dtype.kind in "UO":
        values = fixed_length(values)
    data = group.create_dataset(
        name,
        data=values,
        # An empty array cannot be chunked; a checksum needs chunks.
        chunks=True if values.size else None,
        fletcher32=bool(values.size),
        track_times=False,
    )
    write_attributes(data, {name: text for name, text in (("unit", unit), ("meaning", meaning)) if text})
    return data


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with replacing(path) as file:
        # A file name that is not UTF-8 reaches Python with surrogates; they go back to the bytes they were.
        file.write(text.encode("utf-8", "surrogateescape"))


def write_checked_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically, with a checksum beside it."""
    content = text.encode("utf-8", "surrogateescape")
    with replacing(path) as file:
        file.write(content)
        file.raise_error()
        with naming(path):
            write_checksum(path, content)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically, with a checksum beside it.

    Raises ValueError for NaN and infinity.
    """
    write_checked_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_columns(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Writes a tab-separated table with a header, atomically, with a checksum beside it.

    Control characters in values are escaped.
    """
    lines = ["\t".join(columns)]
    lines += ["\t".join(escaped(str(row.get(name, ""))) for name in columns) for row in rows]
    write_checked_text(path, "\n".join(lines) + "\n")


def remove(path: Path) -> None:
    """Removes a file that a function here wrote, and its checksum, where they are there."""
    path.unlink(missing_ok=True)
    checksum_file(path).unlink(missing_ok=True)


def read_columns(path: Path) -> list[dict[str, str]]:
    """The rows of a tab-separated table as dicts of strings, in the order of the file, as they were written.

    Raises what `read_text` raises.
    """
    lines = [line.split("\t") for line in read_text(path).removesuffix("\n").split("\n")]
    return [dict(zip(lines[0], map(unescaped, cells), strict=False)) for cells in lines[1:]]


def read_json(path: Path) -> Any:
    """What JSON at `path` holds. Raises what `read_text` raises, ValueError where it is no JSON."""
    return json.loads(read_text(path))


def read_text(path: Path) -> str:
    """The text at `path`, checked against the checksum beside it where there is one.

    Raises StageError with what to type where it is damaged or was edited; OSError where it cannot be read.
    """
    # The index of a dataset is made together with the tables beside and below it.
    indexes = [folder / "index.tsv" for folder in (path.parent, path.parent.parent)]
    try:
        return read_verified(path, indexes).decode("utf-8", "surrogateescape")
    except Changed as error:
        raise StageError(str(error)) from None
