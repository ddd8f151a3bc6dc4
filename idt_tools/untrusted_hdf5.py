"""HDF5 files that anyone may have written: what they claim is checked before anything is allocated.

A few bytes can claim a billion rows, and a dataset can lie in another file. `checked_dataset` refuses both, and values
of variable length, which can claim the same bytes many times. `import idt_tools` leaves this module out, as it needs
h5py.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .reading import raise_if_of_the_system

NUMBERS, TEXT = "fiu", "S"  # kinds of numpy types; texts are of fixed length


class Missing(ValueError):
    """A file has no dataset of this name."""


_LARGEST_CHUNK = 2**28  # bytes; a chunk is read as a whole
_LARGEST_UNPACKED = 2**28  # bytes of a compressed dataset that is read as a whole
_COMPRESSION = 1100  # at most, by deflate
_NOT_COMPRESSING = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


@contextmanager
def opened_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file at `path`, open for reading.

    Raises ValueError naming the file where it is no HDF5 file, and where anything in the block shows that it is damaged
    or holds something else. Raises ReadingFailed where the system cannot read it just now.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a regular file")
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise_if_of_the_system(path, error)
            raise ValueError(f"it is no HDF5 file, or a damaged one ({error})") from None
        with file:
            yield file
    except Missing:
        raise
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise_if_of_the_system(path, error)
        raise ValueError(f"{path}: it is damaged ({error})") from None


def checked_dataset(group: h5py.Group, name: str, kinds: str = NUMBERS) -> h5py.Dataset:
    """The dataset `name` of `group`, of NUMBERS or TEXT, which the file holds as large as it claims.

    Raises Missing where there is none, ValueError naming it where it is not as it claims.
    """
    place: Any = group
    for part in name.strip("/").split("/"):
        if not isinstance(place, h5py.Group) or part not in place:
            raise Missing(f"it has no dataset {name}")
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to another place, which is not followed")
        place = place[part]
    if not isinstance(place, h5py.Dataset):
        raise ValueError(f"{name} is no dataset")
    if place.shape is None or place.dtype.kind not in kinds:
        raise ValueError(f"{name} is of type {place.dtype}, not {'text' if kinds == TEXT else 'numbers'}")
    if place.is_virtual or place.external:
        raise ValueError(f"{name} lies in another file, which is not followed")
    claimed, held = place.nbytes, place.id.get_storage_size()
    possible = held * (_COMPRESSION if _is_compressed(place) else 1)
    chunk = int(np.prod(place.chunks or (), dtype=float)) * place.dtype.itemsize
    if claimed > possible or held > os.path.getsize(place.file.filename) or (claimed and chunk > _LARGEST_CHUNK):
        raise ValueError(f"{name} claims {claimed} bytes, and the file holds {held} of it")
    return place


def checked_array(group: h5py.Group, name: str, kinds: str = NUMBERS) -> np.ndarray:
    """All of `checked_dataset`, texts as `str`. Raises what that raises."""
    dataset = checked_dataset(group, name, kinds)
    if dataset.nbytes > _LARGEST_UNPACKED and _is_compressed(dataset):
        raise ValueError(f"{name} unpacks to {dataset.nbytes} bytes, more than {_LARGEST_UNPACKED}")
    values: np.ndarray = dataset[()] if kinds == NUMBERS else dataset.asstr("utf-8", "surrogateescape")[()]
    return values


def _is_compressed(dataset: h5py.Dataset) -> bool:
    filters = dataset.id.get_create_plist()
    return any(filters.get_filter(i)[0] not in _NOT_COMPRESSING for i in range(filters.get_nfilters()))
