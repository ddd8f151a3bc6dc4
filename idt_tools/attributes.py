"""Attributes of HDF5 objects, written so that damage to the file is found.

From its format of 1.10 on, HDF5 checksums the metadata, attributes among them; but it keeps strings of variable length,
which is what h5py makes of a `str`, in a place without checksum. So strings are written at their own length here.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST = 2**20  # bytes of an attribute that is read


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
    """The attributes of an h5py file, group or dataset by name, strings as `str`.

    One that could be larger in memory than in the file, or is no number or text, has a text in its place that says so.
    """
    return {name: _value(thing.attrs, name) for name in thing.attrs}


def _value(attributes: Any, name: str) -> Any:
    attribute = attributes.get_id(name)
    is_scalar, kind = attribute.shape == (), attribute.dtype.kind
    n_bytes = math.prod(attribute.shape or ()) * attribute.dtype.itemsize
    # Of variable length is only a text, and only one: of many, each may claim the same bytes.
    if kind not in "biufSO" or (kind == "O" and not is_scalar) or n_bytes > min(attribute.get_storage_size(), LARGEST):
        return f"(not read: {attribute.shape} of {attribute.dtype})"
    value = attributes[name]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "surrogateescape").tolist()
    return value if isinstance(value, str | bool | np.generic | np.ndarray) else f"(not read: {attribute.dtype})"
