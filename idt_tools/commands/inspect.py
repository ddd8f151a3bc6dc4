"""`idt inspect`: describes the content and the origin of an HDF5 file.

The origin is in the attributes stage, VERSION, parameters and input_* of the file, and the meaning of the numbers in
the attributes unit, meaning and columns of the datasets.
"""

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..attributes import read_attributes
from ..printable import print_safely
from ..trajectory_files import split_group
from ..untrusted_hdf5 import hard_links
from ..video_statuses import video_statuses
from .files import CommandError

MAX_EXAMPLES = 3  # groups or failures that are printed
MAX_LENGTH = 10_000  # characters of a value
OTHER_FILES = {  # kinds of files that are not HDF5, by their first bytes
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
}


def inspect_file(place: Path) -> None:
    """Prints the origin of a file, the statuses of its videos, and its datasets with shapes, types, units and meaning.

    `place` is FILE.h5, or FILE.h5:GROUP for a single group, such as a video. Raises CommandError if the file does not
    exist, is not an HDF5 file or is damaged.
    """
    path, group = split_group(place)
    try:
        with _opened(path) as file:
            if group and not isinstance(file.get(group), h5py.Group):
                names = ", ".join([*file][:MAX_EXAMPLES]) + (", ..." if len(file) > MAX_EXAMPLES else "")
                raise CommandError(f"{path}: it holds no group {group!r}; it holds {names or 'nothing'}")
            lines = list(_described(file[group] if group else file))
    except CommandError:
        raise
    except Exception as error:  # h5py raises many kinds of errors on damaged files
        raise CommandError(f"{path}: it is damaged ({error}); delete it and make it again") from None
    size = path.stat().st_size
    size_text = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    print_safely("\n".join([f"{place}: HDF5, {size_text}", *lines]))


def _opened(path: Path) -> h5py.File:
    """Opens the file for reading. Raises CommandError, which says what the file is instead."""
    if not path.exists():
        raise CommandError(f"{path}: there is no such file")
    if path.is_dir():
        raise CommandError(f"{path}: it is a folder; name an HDF5 file in it")
    if not path.is_file():
        raise CommandError(f"{path}: it is not a regular file; name an HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = str(error)
    if "truncated" in reason or path.stat().st_size == 0:
        raise CommandError(f"{path}: it is truncated; delete it and make it again")
    if h5py.is_hdf5(path):
        raise CommandError(f"{path}: it cannot be opened ({reason})")
    with open(path, "rb") as unknown:
        head = unknown.read(512)
    kind = next((kind for magic, kind in OTHER_FILES.items() if head.startswith(magic)), None)
    if kind is None and _is_text(head):
        kind = "a text file; any viewer shows it"
    raise CommandError(f"{path}: it is not an HDF5 file{f' but {kind}' if kind else ''}")


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and not head.decode("utf-8", "replace").rstrip("\ufffd").count("\ufffd")


def _described(group: h5py.Group) -> Iterator[str]:
    """Yields the lines that describe a file or a group of it."""
    attributes = read_attributes(group)
    if "stage" in attributes:
        version = f", VERSION {attributes.pop('VERSION')}" if "VERSION" in attributes else ""
        yield from _entry("made by", [f"{attributes.pop('stage')}{version}"])
    elif "options" in attributes:
        yield from _entry("made by", ["idt extract"])
    for name in ("parameters", "options"):
        if name in attributes:
            yield from _entry(name, _parameters(attributes.pop(name)))
    inputs = {
        name.removeprefix("input_"): attributes.pop(name) for name in list(attributes) if name.startswith("input_")
    }
    if "parameters_digest" in attributes:
        inputs["parameters"] = attributes.pop("parameters_digest")
    if inputs:
        yield from _entry("digests", [", ".join(f"{name} {value}" for name, value in inputs.items())])
    for name, value in attributes.items():
        yield from _entry(name, [_plain(value)])
    members = dict(hard_links(group))
    groups = [member for member in members.values() if isinstance(member, h5py.Group)]
    statuses = video_statuses(group)
    if statuses:
        yield from _entry("videos", _status_lines(statuses))
    yield ""
    datasets: dict[str, _Member] = {}
    for name, member in members.items():
        _add(datasets, name, member)
    yield from _table(datasets)
    if groups:
        names = [str(member.name).removeprefix(f"{group.name}".rstrip("/") + "/") for member in groups[:MAX_EXAMPLES]]
        more = f" and {len(groups) - MAX_EXAMPLES} more" if len(groups) > MAX_EXAMPLES else ""
        yield from _wrapped(f"{len(groups)} group{'s' * (len(groups) > 1)}: {', '.join(names)}{more}; in each", "")
        yield from _table(_members(groups))


def _parameters(text: Any) -> list[str]:
    """Returns lines `key: value` of a JSON object, or one line with any other text."""
    try:
        return [f"{key}: {_plain(value)}" for key, value in _flat(json.loads(text))]
    except (TypeError, ValueError, AttributeError, RecursionError):
        return [_plain(text)]


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of nested dictionaries: `{a: {b: 1}}` gives `a.b`, 1."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _status_lines(statuses: list[tuple[str, str, str]]) -> list[str]:
    """Returns how many videos are ok, how many failed, and the first failures with their reasons."""
    failed = [row for row in statuses if row[1] != "ok"]
    lines = [f"{len(statuses)}: {len(statuses) - len(failed)} ok, {len(failed)} failed"]
    if failed:
        counts = Counter(status for _, status, _ in failed)
        lines[0] += f" ({', '.join(f'{status} {count}' for status, count in counts.most_common())})"
    lines += [f"{name} is {status}: {reason}" for name, status, reason in failed[:MAX_EXAMPLES]]
    if len(failed) > MAX_EXAMPLES:
        lines.append(f"and {len(failed) - MAX_EXAMPLES} more")
    return lines


@dataclass
class _Member:
    """A dataset or an attribute that many groups have under the same name."""

    n_groups: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    values: list[Any] = field(default_factory=list)  # of an attribute
    meaning: str = ""


def _members(groups: Iterable[h5py.Group]) -> dict[str, _Member]:
    """Returns the attributes of the groups as `@name`, and their datasets by path, such as `a/b`."""
    members: dict[str, _Member] = {}
    for group in groups:
        for name, value in read_attributes(group).items():
            member = members.setdefault(f"@{name}", _Member())
            member.n_groups += 1
            member.values.append(value)
        group.visititems(partial(_add, members))
    return members


def _add(members: dict[str, _Member], name: str, item: h5py.Dataset | h5py.Group) -> None:
    if isinstance(item, h5py.Dataset):
        if name not in members:
            members[name] = _Member(meaning=_meaning(item))
        members[name].n_groups += 1
        members[name].shapes.append(item.shape or ())
        members[name].kinds.add("text" if h5py.check_string_dtype(item.dtype) else str(item.dtype))


def _meaning(dataset: h5py.Dataset) -> str:
    """Returns the meaning or the columns of a dataset, and its unit."""
    attributes = read_attributes(dataset)
    names = [str(name) for name in np.atleast_1d(attributes.get("columns", ()))]
    columns = ", ".join(names) if len(names) <= 12 else f"{names[0]} to {names[-1]}" if names else ""
    unit = f"[{attributes['unit']}]" if "unit" in attributes else ""
    return f"{attributes.get('meaning', columns)} {unit}".strip()


def _table(members: dict[str, _Member]) -> Iterator[str]:
    """Yields a line for all attributes, and an aligned line per dataset."""
    attributes = [
        f"{name[1:]} {_range(member.values)}"
        for name, member in members.items()
        if name.startswith("@") and name not in ("@status", "@reason", "@key")
    ]
    if attributes:
        yield from _wrapped("  attributes: " + ", ".join(attributes), "    ")
    n_groups = max((member.n_groups for member in members.values()), default=0)
    rows = []
    for name, member in members.items():
        if not name.startswith("@"):
            axes = ", ".join(_range(list(axis)) for axis in zip(*member.shapes, strict=False))
            count = f" (in {member.n_groups} of {n_groups})" if member.n_groups < n_groups else ""
            rows.append((name, f"({axes})", ", ".join(sorted(member.kinds)) + count, member.meaning))
    widths = [max(len(row[column]) for row in rows) if rows else 0 for column in range(3)]
    for row in rows:
        start = "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        yield from _wrapped(f"{start}  {row[3]}".rstrip(), " " * (len(start) + 2))


def _range(values: list[Any]) -> str:
    """Returns the only value, the least and greatest number, or the number of different texts."""
    if len(set(map(str, values))) == 1:
        return _plain(values[0])
    if not all(isinstance(value, int | float | np.number) for value in values):
        return f"({len(set(map(str, values)))} different)"
    return f"{_plain(min(values))}..{_plain(max(values))}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return (text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}...") or "(empty)"


def _entry(name: str, lines: list[str]) -> Iterator[str]:
    """Yields lines in a column beside their name."""
    for number, line in enumerate(lines):
        yield from _wrapped(f"{'' if number else name:<18}  {line}", " " * 22)


def _wrapped(line: str, indent: str) -> list[str]:
    """Returns the line wrapped to the width of the terminal. In a pipe it stays whole, so that grep finds all of it."""
    if not sys.stdout.isatty():
        return [line]
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.wrap(line, width, subsequent_indent=indent[: width - 30], break_on_hyphens=False) or [""]
