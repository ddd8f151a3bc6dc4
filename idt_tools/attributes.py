"""Attributes of HDF5 objects.

From format 1.10 on, HDF5 checksums the metadata of a file and with it the attributes. Strings of variable length, which
h5py writes for a `str`, lie outside that checksum. This module writes strings of fixed length, so that reading them
detects damage.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_BYTES = 2**20  # a larger attribute is not read


def write_attributes(target: Any, values: Mapping[str, Any]) -> None:
    """Sets attributes of an h5py file, group or dataset. Strings are written as UTF-8 of fixed length."""
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind == "U":
            array = fixed_length(array)
        target.attrs.create(name, array, dtype=array.dtype)


def fixed_length(strings: np.ndarray) -> np.ndarray:
    """Returns an array of strings in the HDF5 type for UTF-8 strings of fixed length, that of the longest string."""
    import h5py  # not at the top: `import idt_tools` must not need it

    encoded = np.char.encode(strings.astype(str), "utf-8", "surrogateescape")
    return encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))


def read_attributes(target: Any) -> dict[str, Any]:
    """Returns the attributes of an h5py file, group or dataset by name, strings as `str`.

    The value `(not read: ...)` stands for an attribute that holds neither numbers nor text, or that could take more
    memory than it takes in the file.
    """
    return {name: _value(target.attrs, name) for name in target.attrs}


def _value(attributes: Any, name: str) -> Any:
    attribute = attributes.get_id(name)
    is_scalar, kind = attribute.shape == (), attribute.dtype.kind
    n_bytes = math.prod(attribute.shape or ()) * attribute.dtype.itemsize
    # One text of variable length is read, but no array of them: all its elements may claim the same bytes.
    if (
        kind not in "biufSO"
        or (kind == "O" and not is_scalar)
        or n_bytes > min(attribute.get_storage_size(), MAX_BYTES)
    ):
        return f"(not read: {attribute.shape} of {attribute.dtype})"
    value = attributes[name]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "surrogateescape").tolist()
    return value if isinstance(value, str | bool | np.generic | np.ndarray) else f"(not read: {attribute.dtype})"
