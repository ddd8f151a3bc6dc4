"""Ids and shards of videos, digests of parameters, and random generators with named seeds.

All functions are pure and give the same values on each machine, so that results can be joined, cached and reproduced.
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
    """Converts a value that JSON cannot represent, in the same way on each machine."""
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
    """Returns 16 hexadecimal digits (64 bits of BLAKE2b) of the canonical JSON of `parts`.

    Parts are strings, numbers, booleans, None, lists, dicts (in any order), paths and dataclasses. Of a dataclass, only
    fields that differ from their defaults count, so a new setting with a default changes no digest. Raises TypeError
    for other types.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def video_id(relative_path: str) -> str:
    """Returns the id of the video at `relative_path` (POSIX, relative to its dataset's root).

    The id is the file's name and 10 hexadecimal digits of a hash of the path, so equal names in two folders have
    different ids. Its characters are [A-Za-z0-9_-], which HDF5 groups, file names and tables allow.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePath(relative_path).stem)[:60]
    # A file name may not be UTF-8; fsencode returns its bytes.
    path_hash = hashlib.blake2b(os.fsencode(relative_path), digest_size=5).hexdigest()
    return f"{stem}-{path_hash}"


def shard_of(video: str, n_shards: int) -> str:
    """Returns the shard of a video, like `003of016`. It depends only on the id, so adding videos moves no other."""
    number = int(digest("shard", video), 16) % n_shards
    width = max(3, len(str(n_shards)))
    return f"{number:0{width}d}of{n_shards:0{width}d}"


def rng(*parts: Any) -> np.random.Generator:
    """Returns a random generator seeded by `parts`, for example `rng(seed, "descriptors", video_id)`."""
    return np.random.default_rng(int(digest(*parts), 16))
