"""Files of one video: its trajectories as HDF5 or as the original extractor's text, and the boxes of the people in it.

`import idt_tools` leaves this module out, as it needs h5py.
"""

import dataclasses
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from . import columns
from .attributes import write_attributes
from .person_boxes import MOST_BOXES, boxes_by_frame, read_bb, read_coco
from .reading import raise_if_of_the_system, system_errors
from .tracker import TrackerOptions, Trajectories
from .untrusted_hdf5 import Missing, checked_array, checked_dataset, opened_hdf5
from .whole_file import whole_file

CHUNK_ROWS = 256  # 210 kB of descriptors
BLOCK_ROWS = 1024  # read at once
LONGEST_LINE = 2**16  # characters of a line of text: 436 numbers take some 4,000
ROW_ENDINGS = (".txt.gz", ".txt", ".h5")
BOX_ENDINGS = (".bb", ".h5", ".json")
TEXT_LINE = "%d\t" + "\t".join(["%.6f"] * (len(columns.INFO) + len(columns.DESCRIPTORS) - 1)) + "\n"


def write_hdf5_rows(
    path: Path, blocks: Iterable[Trajectories], options: TrackerOptions, **video: str | int | float
) -> int:
    """Write /info (n, 10) float32 and /descriptors (n, 426) float16, block by block, with the names of their columns.

    `video`: what else is known, kept as attributes of the file (name, n_frames, fps, width, height). Returns n.
    Raises OSError where the file cannot be written.
    """
    n_rows = 0
    with whole_file(path) as raw, h5py.File(raw, "w", libver=("v110", "v110")) as file:
        write_attributes(file, {"options": json.dumps(dataclasses.asdict(options), sort_keys=True), **video})
        info = _growing(file, "info", np.float32, columns.INFO)
        descriptors = _growing(file, "descriptors", np.float16, columns.DESCRIPTORS)
        for block in blocks:
            for dataset, rows in ((info, block.info), (descriptors, block.descriptors.astype(np.float16))):
                dataset.resize(n_rows + len(block), axis=0)
                dataset[n_rows:] = rows
            n_rows += len(block)
            raw.raise_error()
    return n_rows


def _growing(file: h5py.File, name: str, kind: type, names: tuple[str, ...]) -> h5py.Dataset:
    """An empty dataset to which rows can be added."""
    width = len(names)
    dataset = file.create_dataset(
        name, (0, width), kind, maxshape=(None, width), chunks=(CHUNK_ROWS, width), fletcher32=True
    )
    write_attributes(dataset, {"columns": names, "unit": columns.UNITS[name]})
    return dataset


def write_text_rows(path: Path, blocks: Iterable[Trajectories]) -> int:
    """Write the original's text, block by block: 436 numbers a line (info, then descriptors), tab separated.

    Returns the number of lines. Raises OSError where the file cannot be written.
    """
    n_rows = 0
    with whole_file(path) as file:
        for block in blocks:
            rows = np.hstack([block.info, block.descriptors]).tolist()
            file.write("".join(TEXT_LINE % tuple(row) for row in rows).encode("ascii"))
            file.raise_error()
            n_rows += len(block)
    return n_rows


def find_rows(folder: Path, video: Path) -> Path | None:
    """The file in `folder` that holds the trajectories of `video`, for `read_rows`; None where there is none.

    `<label>/<stem>.txt.gz`, `.txt` or `.h5`, where `<label>` is the name of the video's folder; then `<stem>.txt.gz`
    and so on.
    """
    return _find(folder, video, ROW_ENDINGS)


def _find(folder: Path, video: Path, endings: tuple[str, ...]) -> Path | None:
    """The first file named after `video` in the subfolder of `folder` named like the video's folder, or in `folder`."""
    names = [video.stem + ending for ending in endings]
    files = [place / name for place in (folder / video.parent.name, folder) for name in names]
    with system_errors(folder):
        first = next((file for file in files if file.is_file()), None)
        if first is None:
            folder.stat()  # of a file server that is away, no file is there
        return first


def read_rows(path: Path) -> Iterator[Trajectories]:
    """The trajectories of a file of either kind, text (`read_text_rows`) or HDF5 (`read_hdf5_rows`), block by block."""
    return read_hdf5_rows(path) if path.suffix == ".h5" else read_text_rows(path)


def read_text_rows(path: Path) -> Iterator[Trajectories]:
    """Yields the trajectories of a text file of the original extractor or of `write_text_rows`, 1024 per block.

    436 numbers a line, separated by tabs or spaces, plain or gzip. An empty file is a video without trajectories.
    Raises ValueError, which names the file and the line, on anything else, and on a gzip file that is cut short.
    """
    n_lines = 0
    try:
        with _opened_text(path) as file:
            lines_of = iter(partial(file.readline, LONGEST_LINE), "")
            while lines := list(islice(lines_of, BLOCK_ROWS)):
                rows = _parse(path, lines, n_lines)
                n_lines += len(lines)
                yield Trajectories(rows[:, : len(columns.INFO)], rows[:, len(columns.INFO) :])
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: it is cut short or damaged after line {n_lines} ({error})") from None
    except OSError as error:
        raise_if_of_the_system(path, error)
        raise ValueError(f"{path}: it cannot be read ({error.strerror or error})") from None


def _opened_text(path: Path) -> io.TextIOBase:
    """The file's text, whatever its name ends in."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: it is not a regular file")
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return (gzip.open if is_gzip else open)(path, "rt", encoding="ascii", errors="replace")


def _parse(path: Path, lines: list[str], n_before: int) -> np.ndarray:
    """(n, 436) float32 from lines of text, of which empty ones are left out."""
    width = len(columns.INFO) + len(columns.DESCRIPTORS)
    filled = [line for line in lines if not line.isspace()]
    if not filled:
        return np.empty((0, width), np.float32)
    try:
        rows: np.ndarray = np.loadtxt(filled, np.float32, comments=None, ndmin=2)
    except ValueError:
        rows = np.empty((0, 0), np.float32)
    if rows.shape[1] == width:
        return rows
    for number, line in enumerate(lines, n_before + 1):  # what is wrong, said well
        words = line.split()
        if words and len(words) != width:
            wanted = f"{width}, as the original extractor writes: 10 of where and when, then 426 that describe"
            raise ValueError(f"{path}, line {number}: it holds {len(words)} columns, not {wanted}")
        for word in words:
            try:
                float(word)
            except ValueError:
                raise ValueError(f"{path}, line {number}: {word[:20]!r} is not a number") from None
    raise ValueError(f"{path}: lines {n_before + 1} to {n_before + len(lines)} are not numbers")


def read_hdf5_rows(path: Path) -> Iterator[Trajectories]:
    """The trajectories of a file of `write_hdf5_rows`, in blocks of 1024 rows.

    Raises ValueError, which names the file, where it is none or damaged.
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
        raise ValueError(f"{path}: it holds no /info and /descriptors, as `idt extract` writes") from None


def find_boxes(place: Path, video: Path, several: bool) -> Path:
    """Where `read_boxes` finds the boxes of `video`, given what the user named for one or for `several` videos.

    In a folder: the file `<stem>.bb`, `<stem>.h5` or `<stem>.json`, in the subfolder named like the video's folder or
    in the folder itself. In an HDF5 file for several videos: the group `<stem>`. Raises ValueError where the folder
    holds none, ReadingFailed where the folder or the file itself is not there.
    """
    with system_errors(place):
        is_folder = place.is_dir()
    if is_folder:
        found = _find(place, video, BOX_ENDINGS)
        if not found:
            raise ValueError(f"{place}: it holds no {video.stem}.bb, .h5 or .json")
        return found
    with system_errors(split_group(place)[0]):
        split_group(place)[0].stat()
    return Path(f"{place}:{video.stem}") if several else place


def split_group(path: Path) -> tuple[Path, str]:
    """File and group of `FILE.h5:GROUP`; of any other path the path itself and an empty text."""
    name, _, group = str(path).partition(".h5:")
    return (Path(name + ".h5"), group) if group else (path, "")


def read_boxes(path: Path) -> np.ndarray:
    """Person boxes (n, 6) from `FILE.bb`, from the dataset `boxes` of `FILE.h5` or of the only group in it, or from
    `FILE.json`, results in COCO's format (`read_coco`).

    `FILE.h5:GROUP` names the group. Raises ValueError, which names the file, on anything else, and ReadingFailed.
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
    """The dataset as it is."""
    file_name, group = split_group(path)
    with opened_hdf5(file_name) as file:
        if not group and "boxes" not in file and len(file) == 1:
            group = next(iter(file))
        try:
            boxes = checked_dataset(file, f"{group}/boxes" if group else "boxes")
        except Missing:
            wanted = f"no boxes of {group!r}" if group else f"{len(file)} groups; name one as {file_name}:GROUP"
            raise ValueError(f"it holds {wanted}") from None
        if boxes.size > 6 * MOST_BOXES:
            raise ValueError(f"it holds more than {MOST_BOXES} boxes, which are not those of one video")
        return checked_array(file, str(boxes.name))
