"""Files of one video: its trajectories, as HDF5 or as text of the original extractor, and its person boxes.

`import idt_tools` does not import this module, since it needs h5py.
"""

import dataclasses
import gzip
import io
import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from . import _core, columns
from .attributes import write_attributes
from .half_precision import half
from .person_boxes import MAX_BOXES, boxes_by_frame, read_bb, read_coco
from .reading import raise_if_of_the_system, system_errors
from .tracker import TrackerOptions, Trajectories, relative_time
from .untrusted_hdf5 import Missing, checked_array, checked_dataset, opened_hdf5
from .whole_file import whole_file

CHUNK_ROWS = 256  # 210 kB of descriptors
BLOCK_ROWS = 1024  # rows per read
BUFFER = 2**20  # bytes
MAX_LINE = 2**16  # characters of a line of text; 436 numbers take about 4,000
ROW_ENDINGS = (".txt.gz", ".txt", ".h5")
BOX_ENDINGS = (".bb", ".h5", ".json")
RELATIVE_TIME = columns.INFO.index("relative_time")
TEXT_LINE = "%d\t" + "\t".join(["%.6f"] * (len(columns.INFO) + len(columns.DESCRIPTORS) - 1)) + "\n"


def write_hdf5_rows(
    path: Path,
    blocks: Iterable[Trajectories],
    options: TrackerOptions,
    video: Callable[[], Mapping[str, str | int | float]] = dict,
) -> int:
    """Writes the datasets info (n, 10) float32 and descriptors (n, 426) float16, block by block.

    Args:
        path: the file to write.
        blocks: the trajectories.
        options: the parameters of the tracker, written as an attribute of the file.
        video: returns further attributes of the file, such as fps, width and height; called after the last block. If
            n_frames is among them, it gives the column relative_time of info.

    Returns:
        n, the number of trajectories.

    Raises:
        OSError: if the file cannot be written.
    """
    n_rows = 0
    with whole_file(path) as raw, h5py.File(raw, "w", libver=("v110", "v110")) as file:
        info = _empty_dataset(file, "info", np.float32, columns.INFO)
        descriptors = _empty_dataset(file, "descriptors", np.float16, columns.DESCRIPTORS)
        for block in blocks:
            for dataset, rows in ((info, block.info), (descriptors, half(block.descriptors))):
                dataset.resize(n_rows + len(block), axis=0)
                dataset[n_rows:] = rows
            n_rows += len(block)
            raw.raise_error()
        attributes = video()
        write_attributes(file, {"options": json.dumps(dataclasses.asdict(options), sort_keys=True), **attributes})
        if "n_frames" in attributes:
            info[:, RELATIVE_TIME] = relative_time(info[:, 0], int(attributes["n_frames"]))
    return n_rows


def _empty_dataset(file: h5py.File, name: str, kind: type, names: tuple[str, ...]) -> h5py.Dataset:
    """Returns a new dataset without rows that can grow."""
    width = len(names)
    dataset = file.create_dataset(
        name, (0, width), kind, maxshape=(None, width), chunks=(CHUNK_ROWS, width), fletcher32=True
    )
    write_attributes(dataset, {"columns": names, "unit": columns.UNITS[name]})
    return dataset


def write_text_rows(path: Path, blocks: Iterable[Trajectories], n_frames: Callable[[], int] | None = None) -> int:
    """Writes text of the original extractor's format, block by block: 436 numbers per line, info and then descriptors.

    `n_frames` returns the number of frames, for the column relative_time; it is called after the last block. Without
    it, the column is written as it is in `blocks`. Returns the number of lines. Raises OSError if the file cannot be
    written.
    """
    ends, places = array("f"), array("q")  # of each row: its end frame, and where its relative time is in the file
    size = 0
    with whole_file(path) as file:
        for block in blocks:
            info = block.info if n_frames is None else np.nan_to_num(block.info)  # as many characters as the final one
            lines = [TEXT_LINE % tuple(row) for row in np.hstack([info, block.descriptors]).tolist()]
            for line in lines:
                places.append(size + len("\t".join(line.split("\t", RELATIVE_TIME)[:RELATIVE_TIME])) + 1)
                size += len(line)
            ends.extend(info[:, 0].tolist())
            file.write("".join(lines).encode("ascii"))
            file.raise_error()
        if n_frames is not None:
            for place, time in zip(places, relative_time(np.array(ends, np.float32), n_frames()).tolist(), strict=True):
                file.seek(place)
                file.write(b"%.6f" % time)
    return len(places)


def find_rows(folder: Path, video: Path) -> Path | None:
    """Returns the file in `folder` with the trajectories of `video`, for `read_rows`; None if there is none.

    The names tried are `<label>/<stem>.txt.gz`, `.txt` and `.h5`, where `<label>` is the name of the video's folder,
    and then `<stem>.txt.gz`, `.txt` and `.h5`. Raises ReadingFailed if the folder cannot be read.
    """
    return _find(folder, video, ROW_ENDINGS)


def _find(folder: Path, video: Path, endings: tuple[str, ...]) -> Path | None:
    """Returns the first file named after `video` in `folder/<the video's folder>` or in `folder`."""
    names = [video.stem + ending for ending in endings]
    files = [parent / name for parent in (folder / video.parent.name, folder) for name in names]
    with system_errors(folder):
        first = next((file for file in files if file.is_file()), None)
        if first is None:
            folder.stat()  # raises if the file server does not respond
        return first


def read_rows(path: Path) -> Iterator[Trajectories]:
    """Yields the trajectories in a file of text (`read_text_rows`) or HDF5 (`read_hdf5_rows`), block by block."""
    return read_hdf5_rows(path) if path.suffix == ".h5" else read_text_rows(path)


def read_text_rows(path: Path) -> Iterator[Trajectories]:
    """Yields the trajectories in a text file of the original extractor or of `write_text_rows`, 1024 per block.

    The file has 436 numbers per line, separated by tabs or spaces, and may be compressed by gzip. An empty file is a
    video without trajectories. Raises ValueError, which names the file and the line, on anything else.
    """
    n_lines = 0
    try:
        with _opened_text(path) as file:
            lines_of = iter(partial(file.readline, MAX_LINE), b"")
            while lines := list(islice(lines_of, BLOCK_ROWS)):
                rows = _parse(path, lines, n_lines)
                n_lines += len(lines)
                yield Trajectories(rows[:, : len(columns.INFO)], rows[:, len(columns.INFO) :])
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: it is truncated or damaged after line {n_lines} ({error})") from None
    except OSError as error:
        raise_if_of_the_system(path, error)
        raise ValueError(f"{path}: it cannot be read ({error.strerror or error})") from None


def _opened_text(path: Path) -> BinaryIO:
    """Returns the bytes of a plain or gzip file, whatever its name."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: it is not a regular file")
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return io.BufferedReader(gzip.open(path), BUFFER) if is_gzip else open(path, "rb", BUFFER)


def _parse(path: Path, lines: list[bytes], n_before: int) -> np.ndarray:
    """Returns the numbers (n, 436) float32 in lines of text, of which empty ones are skipped."""
    width = len(columns.INFO) + len(columns.DESCRIPTORS)
    rows = _core.parse_rows(b"".join(lines), width)
    if rows is not None:
        return rows
    numbers = []
    for number, line in enumerate(lines, n_before + 1):
        words = line.decode("ascii", "replace").split()
        if words and len(words) != width:
            expected = f"{width}, as the original extractor writes (10 of info, then 426 of the descriptor)"
            raise ValueError(f"{path}, line {number}: it holds {len(words)} columns, not {expected}")
        for word in words:
            try:
                numbers.append(float(word.replace("_", "?")))  # Python would read 1_000
            except ValueError:
                raise ValueError(f"{path}, line {number}: {word[:20]!r} is not a number") from None
    return np.array(numbers, np.float32).reshape(-1, width)


def read_hdf5_rows(path: Path) -> Iterator[Trajectories]:
    """Yields the trajectories in a file of `write_hdf5_rows`, 1024 per block.

    Raises ValueError, which names the file, if it is another or damaged file.
    """
    try:
        with opened_hdf5(path) as file:
            info, descriptors = checked_dataset(file, "info"), checked_dataset(file, "descriptors")
            n_rows = (info.shape or (0,))[0]
            shapes = (n_rows, len(columns.INFO)), (n_rows, len(columns.DESCRIPTORS))
            if (info.shape, descriptors.shape) != shapes:
                raise ValueError(f"info and descriptors are {info.shape} and {descriptors.shape}, not {shapes}")
            for start in range(0, n_rows, BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                yield Trajectories(info[block].astype(np.float32), descriptors[block].astype(np.float32))
    except Missing:
        raise ValueError(f"{path}: it lacks the datasets info and descriptors, which `idt extract` writes") from None


def find_boxes(place: Path, video: Path, several: bool) -> Path:
    """Returns the path, for `read_boxes`, of the boxes of `video`.

    Args:
        place: a folder, which holds `<stem>.bb`, `<stem>.h5` or `<stem>.json` in a subfolder named like the video's
            folder or directly; or a file of boxes.
        video: the video.
        several: whether `place` is for several videos; an HDF5 file then has a group `<stem>` per video.

    Raises:
        ValueError: if the folder holds no boxes of the video.
        ReadingFailed: if the folder or the file does not exist.
    """
    with system_errors(place):
        is_folder = place.is_dir()
    if is_folder:
        file = _find(place, video, BOX_ENDINGS)
        if not file:
            raise ValueError(f"{place}: it holds no {video.stem}.bb, .h5 or .json")
        return file
    with system_errors(split_group(place)[0]):
        split_group(place)[0].stat()
    return Path(f"{place}:{video.stem}") if several else place


def split_group(path: Path) -> tuple[Path, str]:
    """Returns the file and the group of `FILE.h5:GROUP`; the group is empty in any other path."""
    name, _, group = str(path).partition(".h5:")
    return (Path(name + ".h5"), group) if group else (path, "")


def read_boxes(path: Path) -> np.ndarray:
    """Returns the person boxes (n, 6) float32 in a file.

    The file is `FILE.bb` (`read_bb`), `FILE.json` in COCO's format (`read_coco`), or `FILE.h5` with a dataset `boxes`
    at the top or in its only group. `FILE.h5:GROUP` names the group. Raises ValueError, which names the file, on
    anything else. Raises ReadingFailed.
    """
    file = split_group(path)[0]
    if file.exists() and not file.is_file():
        raise ValueError(f"{file}: it is not a regular file")
    with system_errors(file):
        boxes = {".bb": read_bb, ".json": read_coco}.get(path.suffix, _read_hdf5_boxes)(path)
    try:
        boxes_by_frame(boxes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return np.asarray(boxes, np.float32)


def _read_hdf5_boxes(path: Path) -> np.ndarray:
    """Returns the dataset `boxes` unchecked."""
    file_name, group = split_group(path)
    with opened_hdf5(file_name) as file:
        if not group and "boxes" not in file and len(file) == 1:
            group = next(iter(file))
        try:
            boxes = checked_dataset(file, f"{group}/boxes" if group else "boxes")
        except Missing:
            content = f"no boxes of {group!r}" if group else f"{len(file)} groups; name one as {file_name}:GROUP"
            raise ValueError(f"it holds {content}") from None
        if boxes.size > 6 * MAX_BOXES:
            raise ValueError(f"it holds more than {MAX_BOXES} boxes, too many for one video")
        return checked_array(file, str(boxes.name))
