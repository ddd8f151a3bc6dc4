"""Attributes of HDF5 objects, written so that damage to the file is found.

From its format of 1.10 on, HDF5 checksums the metadata, attributes among them; but it keeps strings of variable length,
which is what h5py makes of a `str`, in a place without checksum. So strings are written at their own length here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def write_attributes(thing: Any, values: Mapping[str, Any]) -> None:
    """Sets attributes of an h5py file, group or dataset; strings, and lists of them, as UTF-8 of fixed length."""
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind == "U":
            array = fixed_length(array)
        thing.attrs.create(name, array, dtype=array.dtype)


def fixed_length(strings: np.ndarray) -> np.ndarray:
    """An array of strings as HDF5 keeps them in place: UTF-8, as long as the longest of them."""
    import h5py  # not at the top: `import idt_tools` must not need it

    encoded = np.char.encode(strings.astype(str), "utf-8", "surrogateescape")
    return encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))


def read_attributes(thing: Any) -> dict[str, Any]:
    """The attributes of an h5py file, group or dataset by name, strings as `str`."""
    return {name: _text(value) for name, value in thing.attrs.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "surrogateescape").tolist()
    return value
