"""Trajectories of one video as a file: HDF5, or the original extractor's text. Used by the command line alone."""

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from . import columns
from .person_boxes import read_bb
from .tracker import TrackerOptions, Trajectories


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it at the end, so that no half-written file is ever left there."""
    # The ending stays the last part of the name: encoders choose the container by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_hdf5(path: Path, found: Trajectories, options: TrackerOptions, **video: str | int | float) -> None:
    """Write /info (n, 10) float32 and /descriptors (n, 426) float16 with the names of their columns.

    `video`: what else is known, kept as attributes of the file (name, n_frames, fps, width, height).
    """
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["options"] = json.dumps(dataclasses.asdict(options), sort_keys=True)
        for name, value in video.items():
            file.attrs[name] = value
        info = file.create_dataset("info", data=found.info, maxshape=(None, found.info.shape[1]), fletcher32=True)
        info.attrs["columns"] = columns.INFO
        info.attrs["unit"] = "frames, pixels"
        descriptors = file.create_dataset(
            "descriptors",
            data=found.descriptors.astype(np.float16),
            maxshape=(None, found.descriptors.shape[1]),
            fletcher32=True,
        )
        descriptors.attrs["columns"] = columns.DESCRIPTORS
        descriptors.attrs["unit"] = "none: square roots of L1-normalised histograms"


def write_text(path: Path, found: Trajectories) -> None:
    """Write the original's text: 436 numbers a line (info, then descriptors), tab separated."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="ascii") as file:
        for info, descriptor in zip(found.info, found.descriptors, strict=True):
            numbers = "\t".join(f"{value:.6f}" for value in np.concatenate([info[1:], descriptor]))
            file.write(f"{int(info[0])}\t{numbers}\n")


def read_boxes(path: Path) -> np.ndarray:
    """Person boxes (n, 6) from `FILE.bb`, or from the dataset `boxes` of `FILE.h5` or of the only group in it.

    `FILE.h5:GROUP` names the group. Raises ValueError or OSError on anything else.
    """
    if path.suffix == ".bb":
        return read_bb(path)
    name, _, group = str(path).partition(".h5:")
    file_name = name + ".h5" if group else name
    if not Path(file_name).exists():
        raise ValueError(f"{file_name}: there is no such file")
    try:
        file = h5py.File(file_name, "r")
    except OSError:
        raise ValueError(f"{file_name}: neither a .bb nor an HDF5 file") from None
    with file:
        if not group and "boxes" not in file and len(file) == 1:
            group = next(iter(file))
        place = file.get(f"{group}/boxes" if group else "boxes")
        if not isinstance(place, h5py.Dataset):
            wanted = f"no boxes of {group!r}" if group else f"{len(file)} groups; name one as {file_name}:GROUP"
            raise ValueError(f"{file_name}: it holds {wanted}")
        return np.asarray(place[:], np.float32)
