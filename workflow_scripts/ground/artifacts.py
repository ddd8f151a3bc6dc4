"""Writes and reads artifacts: the files that other stages and people open.

A file is written under a temporary name in the same folder, synced and renamed. A reader never sees a partial file; a
kill leaves the old file or the new one. The attributes of an HDF5 file name the stage that wrote it, its VERSION, the
parameters and the digests of the inputs. They contain no time, host or path, so equal work gives equal bytes.
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
    """Opens an empty file for writing that replaces `path` when the block ends without an exception.

    Raises StageError if it cannot be written; `path` is then unchanged, and no temporary file remains.
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
            raise  # an error of another file in the block
        raise cannot_write(path, error) from error


@contextmanager
def write_hdf5(
    path: Path, *, stage: str, version: int, parameters: Mapping[str, Any], **inputs: str
) -> Iterator[h5py.File]:
    """Opens an HDF5 file for writing that replaces `path` when the block ends without an exception.

    Args:
        path: The file.
        stage: The stage that writes it.
        version: The VERSION of the stage.
        parameters: The parameters, written as JSON and as a digest.
        **inputs: Digests of the inputs, written as attributes `input_<name>`.

    Raises:
        StageError: The file cannot be written.
    """
    # The metadata have checksums in the format of HDF5 1.10, but not in earlier ones.
    with replacing(path) as raw, h5py.File(raw, "w", track_order=False, libver=("v110", "v110")) as file:
        attributes = {"stage": stage, "VERSION": version, "parameters": json.dumps(parameters, sort_keys=True)}
        attributes["parameters_digest"] = digest(dict(parameters))
        write_attributes(file, attributes | {f"input_{name}": value for name, value in inputs.items()})
        yield file


@contextmanager
def read_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading. Raises StageError if it is damaged, at any read in the block."""
    with reading(path), h5py.File(path, "r") as file:
        yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns each exception of h5py in the block into a StageError about the artifact at `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise StageError(f"{path}: there is no such file; run the same command again to make it") from error
    except Exception as error:
        raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
        if "h5py" not in Path(raised_in).parts:
            raise
        if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:  # advice to delete it would lose a whole file
            raise StageError(
                f"{path} cannot be read here ({os.strerror(error.errno)}), but it may be whole; repair the cause (open "
                "files: `ulimit -n`), then run the same command again"
            ) from error
        raise StageError(
            f"{path} is damaged ({error}); type `rm {shlex.quote(str(path))}`, then run the same command again; it "
            "makes the file from stored results"
        ) from error


def dataset(group: h5py.Group, name: str, array: Any, *, unit: str = "", meaning: str = "") -> h5py.Dataset:
    """Writes a dataset with checksums and with its unit and meaning as attributes.

    Args:
        group: The group or file.
        name: The name of the dataset.
        array: Numbers, or strings, which are written as UTF-8.
        unit: The unit of the numbers.
        meaning: What the dataset holds.
    """
    values = np.asarray(array)
    if values.dtype.kind in "UO":
        values = fixed_length(values)
    data = group.create_dataset(
        name,
        data=values,
        # A checksum needs chunks, which an empty array cannot have.
        chunks=True if values.size else None,
        fletcher32=bool(values.size),
        track_times=False,
    )
    write_attributes(data, {name: text for name, text in (("unit", unit), ("meaning", meaning)) if text})
    return data


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with replacing(path) as file:
        # Python represents the bytes of a file name that is not UTF-8 by surrogates.
        file.write(text.encode("utf-8", "surrogateescape"))


def write_checked_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically, and a checksum in a second file."""
    content = text.encode("utf-8", "surrogateescape")
    with replacing(path) as file:
        file.write(content)
        file.raise_error()
        with naming(path):
            write_checksum(path, content)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically and with a checksum. Raises ValueError for NaN and infinity."""
    write_checked_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_columns(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Writes a tab-separated table with a header, atomically and with a checksum.

    Args:
        path: The file.
        rows: Values by column; a missing value is written as an empty text.
        columns: The names of the columns, in their order. Control characters in values are escaped.
    """
    lines = ["\t".join(columns)]
    lines += ["\t".join(escaped(str(row.get(name, ""))) for name in columns) for row in rows]
    write_checked_text(path, "\n".join(lines) + "\n")


def remove(path: Path) -> None:
    """Removes a file and its checksum, if they exist."""
    path.unlink(missing_ok=True)
    checksum_file(path).unlink(missing_ok=True)


def read_columns(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a tab-separated table, in the order of the file. Raises the errors of `read_text`."""
    lines = [line.split("\t") for line in read_text(path).removesuffix("\n").split("\n")]
    return [dict(zip(lines[0], map(unescaped, cells), strict=False)) for cells in lines[1:]]


def read_json(path: Path) -> Any:
    """Returns the value in a JSON file. Raises the errors of `read_text`, and ValueError if it is not JSON."""
    return json.loads(read_text(path))


def read_text(path: Path) -> str:
    """Returns the text of a file, verified by its checksum if there is one.

    Raises StageError, which names the command to type, if it is damaged or was edited; OSError if it cannot be read.
    """
    # The stage that writes the index of a dataset also writes the tables in its folder and in `shards`.
    indexes = [folder / "index.tsv" for folder in (path.parent, path.parent.parent)]
    try:
        return read_verified(path, indexes).decode("utf-8", "surrogateescape")
    except Changed as error:
        raise StageError(str(error)) from None
