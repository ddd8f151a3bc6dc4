"""Stage: reads a vector per video from a file that the user has. The vectors take the place of the IDT sketches.

Inputs: the videos of a shard, the index of their dataset, the file `descriptors.<name>.vectors`. Output:
encoding/{descriptors}/{shard}.h5 with video_id (n,), sketch (n, D) float32, status (n,), reason (n,).

The vectors are divided by their L2 norms. A Fisher vector has unit length too, and its sketch has it nearly, so the
clusters and the joint space weigh both kinds of vectors alike. A vector of zeros stays zero.
"""

import hashlib
import logging
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from idt_tools.reading import system_errors
from idt_tools.untrusted_hdf5 import TEXT, checked_array, opened_hdf5
from workflow_scripts.encoding.settings import VECTOR_FILES, VERSIONS
from workflow_scripts.ground.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.ground.process_shard import report_failures
from workflow_scripts.ground.stage import StageError, command_line, first_line
from workflow_scripts.ground.vectors import l2_normalised

log = logging.getLogger(__name__)

KEYS = ("video_id", "path")  # if a file has both, the first is used


class Vectors(NamedTuple):
    """The vectors of a file: `names` (N,) of videos, their `key`, which is one of KEYS, and `rows` (N, D)."""

    key: str
    names: np.ndarray
    rows: np.ndarray


def _of_hdf5(path: Path) -> Vectors:
    with opened_hdf5(path) as file:
        key = _key(list(file))
        return Vectors(key, checked_array(file, key, TEXT), checked_array(file, "vectors"))


def _of_npz(path: Path) -> Vectors:
    with system_errors(path):
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not an NPZ file, or it is damaged")
    with system_errors(path), np.load(path, allow_pickle=False) as file:
        key = _key(file.files)
        names = file[key]
        return Vectors(key, np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names, file["vectors"])


def _of_csv(path: Path) -> Vectors:
    with system_errors(path), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a line has more cells than the first
        try:
            return _of_table(pd.read_csv(path, dtype=str, index_col=False, keep_default_na=False))
        except pd.errors.ParserWarning:
            raise ValueError("a line has more cells than the first") from None


def _of_parquet(path: Path) -> Vectors:
    try:
        with system_errors(path):
            return _of_table(pd.read_parquet(path))
    except ImportError:
        raise ValueError("it cannot be read without pyarrow; run `pip install pyarrow`") from None


def _of_table(table: pd.DataFrame) -> Vectors:
    """The vectors of a table: a column per number, or one column `vectors` that holds lists of numbers."""
    key = _key([*map(str, table)])
    numbers = table.drop(columns=[name for name in KEYS if name in table])
    if list(numbers) == ["vectors"]:
        rows = np.array(numbers["vectors"].tolist(), np.float64)
    else:
        rows = numbers.apply(pd.to_numeric).to_numpy(np.float64)
    return Vectors(key, table[key].to_numpy(str), rows)


def _key(names: list[str]) -> str:
    for key in KEYS:
        if key in names:
            return key
    raise ValueError(f"it has no {' and no '.join(KEYS)}; it has {', '.join(map(str, names[:5])) or 'nothing'}")


_READERS: tuple[Callable[[Path], Vectors], ...] = (_of_hdf5, _of_hdf5, _of_npz, _of_csv, _of_parquet)


def read_file(path: Path) -> Vectors:
    """Returns the vectors in a file with one of the suffixes VECTOR_FILES.

    Raises StageError if its content is not of this form, ReadingFailed if the system cannot read it.
    """
    try:
        vectors = dict(zip(VECTOR_FILES, _READERS, strict=True))[path.suffix](path)
        n_names, shape = len(vectors.names), vectors.rows.shape
        if vectors.names.ndim != 1 or len(shape) != 2 or shape[0] != n_names or not shape[1]:
            raise ValueError(f"its vectors have the shape {shape}, not ({n_names}, D), for {n_names} names of videos")
        if vectors.rows.dtype.kind not in "fiu":
            raise ValueError(f"its vectors are of type {vectors.rows.dtype}, not numbers")
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = first_line(error).removeprefix(f"{path}: ")
        raise StageError(f"{path}: {reason}; docs/datasets.md describes the files of vectors") from error
    return vectors


def rows_by_video(path: Path, vectors: Vectors, index: Path, root: Path) -> dict[str, int]:
    """Returns the row of each video of a dataset that has one, by video id.

    Args:
        path: The file of the vectors, for messages.
        vectors: Its vectors. A path is relative to `root`, or is that of the index.
        index: The index of the dataset.
        root: The folder of its videos.

    Raises:
        StageError: Two rows name one video, or no row names a video of the dataset.
    """
    if vectors.key == "path":
        by_path = {os.path.abspath(row["path"]): row["video_id"] for row in read_columns(index)}
        ids = [
            by_path.get(os.path.abspath(root / name)) or by_path.get(os.path.abspath(name)) for name in vectors.names
        ]
    else:
        known = {row["video_id"] for row in read_columns(index)}
        ids = [name if name in known else None for name in vectors.names]
    rows: dict[str, int] = {}
    for row, (name, video_id) in enumerate(zip(vectors.names, ids, strict=True)):
        if video_id in rows:
            raise StageError(f"{path}: two rows name the video {name}; remove one of them")
        if video_id is not None:
            rows[video_id] = row
    unknown = [str(name) for name, video_id in zip(vectors.names, ids, strict=True) if video_id is None]
    if not rows:
        raise StageError(
            f"{path}: no {vectors.key} in it is that of a video in {index}, for example {', '.join(unknown[:3])}; "
            f"write each path relative to {root}"
        )
    if unknown:
        log.info(
            "%s: %d of %d rows name no video of this dataset, for example %s",
            *(path, len(unknown), len(ids), ", ".join(unknown[:3])),
        )
    return rows


def read_vectors(videos: Path, index: Path, vectors: Path, root: Path, output: Path) -> None:
    """Writes the vectors of a shard's videos. A video without one has the status `no_vector` or `not_finite`.

    Args:
        videos: The list of the shard's videos.
        index: The index of the dataset.
        vectors: The file of the vectors, which may hold those of other datasets too.
        root: The folder of the dataset's videos.
        output: The HDF5 file to write.

    Raises:
        StageError: The file has another form, two of its rows name one video, or it has no video of the dataset.
    """
    of_file = read_file(vectors)
    row_of = rows_by_video(vectors, of_file, index, root)
    video_ids = sorted(row["video_id"] for row in read_columns(videos))
    sketches = np.zeros((len(video_ids), of_file.rows.shape[1]), np.float32)
    outcomes: dict[str, tuple[str, str]] = {}
    for i, video_id in enumerate(video_ids):
        if video_id not in row_of:
            outcomes[video_id] = "no_vector", f"{vectors.name} has no vector of this video"
            continue
        row = of_file.rows[[row_of[video_id]]].astype(np.float64)
        with np.errstate(over="ignore"):
            is_finite = np.isfinite(np.linalg.norm(row))
        if is_finite:
            outcomes[video_id] = "ok", ""
            sketches[i] = l2_normalised(row)[0]
        else:
            outcomes[video_id] = "not_finite", f"{vectors.name}: a number of its vector is missing or not finite"
    log.info(
        "encoding: vectors of %d videos",
        len(video_ids),
        extra={"outcome": {"n_videos": len(video_ids), "n_done": len(video_ids)}},
    )
    report_failures(outcomes, "encoding")
    with open(vectors, "rb") as file:
        content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    with write_hdf5(
        output, stage="encoding.read_vectors", version=VERSIONS["read_vectors"], parameters={}, vectors=content
    ) as file:
        dataset(file, "video_id", video_ids, meaning="ids of the shard's videos, sorted")
        dataset(file, "sketch", sketches, meaning="vector at unit length; zeros where it failed")
        dataset(file, "status", [status for status, _ in outcomes.values()], meaning="ok, or why there is no vector")
        dataset(file, "reason", [reason for _, reason in outcomes.values()], meaning="the same in words")


if __name__ == "__main__":
    command_line(read_vectors)
