"""HDF5 files from unknown sources, checked before memory is allocated for them.

A few bytes can claim a billion rows, and a dataset can lie in another file. `checked_dataset` refuses both. It also
refuses values of variable length, many of which can claim the same bytes. `import idt_tools` does not import this
module, since it needs h5py.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .reading import raise_if_of_the_system

NUMBERS, TEXT = "fiu", "S"  # kinds of numpy types; texts have fixed length


class Missing(ValueError):
    """A file has no dataset of this name."""


_MAX_CHUNK = 2**28  # bytes; HDF5 reads whole chunks
_MAX_UNPACKED = 2**28  # bytes of a compressed dataset, for `checked_array`
_MAX_COMPRESSION = 1100  # factor, by deflate
_NOT_COMPRESSING = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def hard_links(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Yields the members of `group` with their names. Soft and external links are skipped."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield name, group[name]


@contextmanager
def opened_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens the file at `path` for reading.

    Raises ValueError, which names the file, if it is not an HDF5 file or if the block raises an error about its
    content. Raises ReadingFailed if the operating system cannot read it.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a regular file")
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise_if_of_the_system(path, error)
            raise ValueError(f"it is not an HDF5 file, or it is damaged ({error})") from None
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
    """Returns the dataset `name` of `group` after a check of its type and size.

    Args:
        group: an open file or group.
        name: the dataset's path in `group`.
        kinds: NUMBERS or TEXT.

    Raises:
        Missing: if there is no such dataset.
        ValueError: if it is a link, has another type, lies in another file or claims more bytes than the file holds.
    """
    member: Any = group
    for part in name.strip("/").split("/"):
        if not isinstance(member, h5py.Group) or part not in member:
            raise Missing(f"it has no dataset {name}")
        if not isinstance(member.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a soft or external link, which is not followed")
        member = member[part]
    if not isinstance(member, h5py.Dataset):
        raise ValueError(f"{name} is not a dataset")
    if member.shape is None or member.dtype.kind not in kinds:
        raise ValueError(f"{name} is of type {member.dtype}, not {'text' if kinds == TEXT else 'numbers'}")
    if member.is_virtual or member.external:
        raise ValueError(f"{name} lies in another file, which is not followed")
    claimed, stored = member.nbytes, member.id.get_storage_size()
    possible = stored * (_MAX_COMPRESSION if _is_compressed(member) else 1)
    chunk = int(np.prod(member.chunks or (), dtype=float)) * member.dtype.itemsize
    if claimed > possible or stored > os.path.getsize(member.file.filename) or (claimed and chunk > _MAX_CHUNK):
        raise ValueError(f"{name} claims {claimed} bytes, and the file holds {stored} of it")
    return member


def checked_array(group: h5py.Group, name: str, kinds: str = NUMBERS) -> np.ndarray:
    """Returns all values of `checked_dataset`, texts as `str`. Raises the same errors."""
    dataset = checked_dataset(group, name, kinds)
    if dataset.nbytes > _MAX_UNPACKED and _is_compressed(dataset):
        raise ValueError(f"{name} unpacks to {dataset.nbytes} bytes, more than {_MAX_UNPACKED}")
    values: np.ndarray = dataset[()] if kinds == NUMBERS else dataset.asstr("utf-8", "surrogateescape")[()]
    return values


def _is_compressed(dataset: h5py.Dataset) -> bool:
    filters = dataset.id.get_create_plist()
    return any(filters.get_filter(i)[0] not in _NOT_COMPRESSING for i in range(filters.get_nfilters()))
