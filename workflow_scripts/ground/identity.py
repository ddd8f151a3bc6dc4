"""Who is who: ids of videos, their shards, digests of parameters, and draws that depend on nothing else.

Everything here is a pure function of its arguments, equal on every machine, so that results can be joined,
cached and repeated.
"""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import PurePath
from typing import Any

import numpy as np


def _plain(value: Any) -> Any:
    """What JSON cannot hold by itself, in a form that does not depend on the machine."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        defaults = {field.name: field.default for field in dataclasses.fields(value)}
        return {name: entry for name, entry in values.items() if entry != defaults[name]}
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no digest")


def digest(*parts: Any) -> str:
    """16 hexadecimal digits (64 bits of BLAKE2b) of the canonical JSON of `parts`.

    Takes strings, numbers, booleans, None, lists, dicts, paths and dataclasses, nested as needed; the order of
    the keys of a dict is immaterial. A dataclass counts by the fields that differ from their defaults, so that a new
    setting with a default changes no digest. Raises TypeError for anything else.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def video_id(relative_path: str) -> str:
    """The id of the video at `relative_path` (POSIX, relative to its dataset's root).

    A readable part from the file's name and 10 hexadecimal digits of the whole path's hash, so that equal names in
    two folders differ; [A-Za-z0-9_-] only, fit to be an HDF5 group, a file name and a column of a table.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePath(relative_path).stem)[:60]
    # A file name need not be UTF-8; fsencode gives back the bytes that the file system holds.
    tail = hashlib.blake2b(os.fsencode(relative_path), digest_size=5).hexdigest()
    return f"{stem}-{tail}"


def shard_of(video: str, n_shards: int) -> str:
    """The shard of a video id, as `003of016`: a function of the id alone, so that new videos move no other."""
    number = int(digest("shard", video), 16) % n_shards
    width = max(3, len(str(n_shards)))
    return f"{number:0{width}d}of{n_shards:0{width}d}"


def rng(*parts: Any) -> np.random.Generator:
    """A generator seeded by `parts` alone, e.g. `rng(seed, "descriptors", video_id)`."""
    return np.random.default_rng(int(digest(*parts), 16))
