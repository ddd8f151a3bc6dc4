"""`idt inspect`: what an HDF5 file holds and how it was made.

The attributes stage, VERSION, parameters and input_* say how, `unit` and `meaning` of a dataset what its numbers are.
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
from ..printable import say
from ..trajectory_files import split_group
from ..untrusted_hdf5 import TEXT, checked_array
from .files import CommandError

SHOWN = 3  # groups or failures, of thousands
LONGEST = 10_000  # characters of a value
OTHER_FILES = {  # kinds of files that are not HDF5, by their first bytes
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
}


def inspect_file(place: Path) -> None:
    """Print where a file is from, what became of its videos, and its datasets with shapes, types, units and meaning.

    `place`: FILE.h5, or FILE.h5:GROUP for one group, such as a video, alone. Raises CommandError with one sentence
    where it is not there, no HDF5 file, or damaged.
    """
    path, group = split_group(place)
    try:
        with _opened(path) as file:
            if group and not isinstance(file.get(group), h5py.Group):
                known = ", ".join([*file][:SHOWN]) + (", ..." if len(file) > SHOWN else "")
                raise CommandError(f"{path}: it holds no group {group!r}; it holds {known or 'nothing'}")
            lines = list(_described(file[group] if group else file))
    except CommandError:
        raise
    except Exception as error:  # a damaged or foreign file can make h5py raise anything
        raise CommandError(f"{path}: it is damaged ({error}); delete it and make it again") from None
    size = path.stat().st_size
    amount = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    say("\n".join([f"{place}: HDF5, {amount}", *lines]))


def _opened(path: Path) -> h5py.File:
    """The file, open for reading. Raises CommandError which says what it is instead."""
    if not path.exists():
        raise CommandError(f"{path}: there is no such file")
    if path.is_dir():
        raise CommandError(f"{path}: it is a folder; name an HDF5 file in it")
    if not path.is_file():
        raise CommandError(f"{path}: it is no regular file; name an HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = str(error)
    if "truncated" in reason or path.stat().st_size == 0:
        raise CommandError(f"{path}: it is cut short; delete it and make it again")
    if h5py.is_hdf5(path):
        raise CommandError(f"{path}: it cannot be opened ({reason})")
    with open(path, "rb") as unknown:
        head = unknown.read(512)
    kind = next((kind for magic, kind in OTHER_FILES.items() if head.startswith(magic)), None)
    if kind is None and _is_text(head):
        kind = "a text file; any viewer shows it"
    raise CommandError(f"{path}: it is no HDF5 file{f' but {kind}' if kind else ''}")


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and not head.decode("utf-8", "replace").rstrip("\ufffd").count("\ufffd")


def _described(group: h5py.Group) -> Iterator[str]:
    """The lines on a group, which is a file or a part of one."""
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
    parts = dict(_parts(group))
    groups = [part for part in parts.values() if isinstance(part, h5py.Group)]
    outcomes = _outcomes(group, groups)
    if outcomes:
        yield from _entry("videos", _counted(outcomes))
    yield ""
    own: dict[str, _Member] = {}
    for name, part in parts.items():
        _add(own, name, part)
    yield from _table(own)
    if groups:
        names = [str(part.name).removeprefix(f"{group.name}".rstrip("/") + "/") for part in groups[:SHOWN]]
        more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
        yield from _wrapped(f"{len(groups)} group{'s' * (len(groups) > 1)}: {', '.join(names)}{more}; in each", "")
        yield from _table(_members(groups))


def _parts(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """What lies in the group itself, links to other places left out."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield name, group[name]


def _parameters(text: Any) -> list[str]:
    """Lines `key: value` of a JSON object; of anything else one line with what there is."""
    try:
        return [f"{key}: {_plain(value)}" for key, value in _flat(json.loads(text))]
    except (TypeError, ValueError, AttributeError, RecursionError):
        return [_plain(text)]


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{a: {b: 1}}` as the pair `a.b`, 1."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _outcomes(group: h5py.Group, groups: list[h5py.Group]) -> list[tuple[str, str, str]]:
    """(video, status, reason) of the videos in a file, which is a group for each or a row for each in every dataset."""
    names = "video_id" if "video_id" in group else "video"
    if {names, "status", "reason"} <= group.keys():
        columns = (checked_array(group, name, TEXT) for name in (names, "status", "reason"))
        return list(zip(*columns, strict=True))
    by_video = {str(part.name).split("/")[-1]: read_attributes(part) for part in groups}
    return [
        (name, str(attributes["status"]), str(attributes.get("reason", "")))
        for name, attributes in by_video.items()
        if "status" in attributes
    ]


def _counted(outcomes: list[tuple[str, str, str]]) -> list[str]:
    """How many are ok, how many failed, and the first that did with their reasons."""
    failed = [outcome for outcome in outcomes if outcome[1] != "ok"]
    lines = [f"{len(outcomes)}: {len(outcomes) - len(failed)} ok, {len(failed)} failed"]
    if failed:
        counts = Counter(status for _, status, _ in failed)
        lines[0] += f" ({', '.join(f'{status} {count}' for status, count in counts.most_common())})"
    lines += [f"{name} is {status}: {reason}" for name, status, reason in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"and {len(failed) - SHOWN} more")
    return lines


@dataclass
class _Member:
    """A dataset, or an attribute, that many groups have under one name."""

    n_groups: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    values: list[Any] = field(default_factory=list)  # of an attribute
    meaning: str = ""


def _members(groups: Iterable[h5py.Group]) -> dict[str, _Member]:
    """What the groups hold by name: attributes, as `@name`, and datasets, those of groups within as `a/b`."""
    members: dict[str, _Member] = {}
    for group in groups:
        for name, value in read_attributes(group).items():
            member = members.setdefault(f"@{name}", _Member())
            member.n_groups += 1
            member.values.append(value)
        group.visititems(partial(_add, members))
    return members


def _add(members: dict[str, _Member], name: str, part: h5py.Dataset | h5py.Group) -> None:
    """Count a part of a group among the members, if it is a dataset."""
    if isinstance(part, h5py.Dataset):
        if name not in members:
            members[name] = _Member(meaning=_meaning(part))
        members[name].n_groups += 1
        members[name].shapes.append(part.shape or ())
        members[name].kinds.add("text" if h5py.check_string_dtype(part.dtype) else str(part.dtype))


def _meaning(part: h5py.Dataset) -> str:
    """What the file says of a dataset: its meaning or its columns, and its unit."""
    attributes = read_attributes(part)
    names = [str(name) for name in np.atleast_1d(attributes.get("columns", ()))]
    columns = ", ".join(names) if len(names) <= 12 else f"{names[0]} to {names[-1]}" if names else ""
    unit = f"[{attributes['unit']}]" if "unit" in attributes else ""
    return f"{attributes.get('meaning', columns)} {unit}".strip()


def _table(members: dict[str, _Member]) -> Iterator[str]:
    """A line for each dataset, in columns, and before them one for all attributes."""
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
            only = f" (in {member.n_groups} of {n_groups})" if member.n_groups < n_groups else ""
            rows.append((name, f"({axes})", ", ".join(sorted(member.kinds)) + only, member.meaning))
    widths = [max(len(row[column]) for row in rows) if rows else 0 for column in range(3)]
    for row in rows:
        start = "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        yield from _wrapped(f"{start}  {row[3]}".rstrip(), " " * (len(start) + 2))


def _range(values: list[Any]) -> str:
    """One value, or the least and the greatest; of texts how many there are."""
    if len(set(map(str, values))) == 1:
        return _plain(values[0])
    if not all(isinstance(value, int | float | np.number) for value in values):
        return f"({len(set(map(str, values)))} different)"
    return f"{_plain(min(values))}..{_plain(max(values))}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return (text if len(text) <= LONGEST else f"{text[:LONGEST]}...") or "(empty)"


def _entry(name: str, lines: list[str]) -> Iterator[str]:
    """A name and what belongs to it, in a column beside."""
    for number, line in enumerate(lines):
        yield from _wrapped(f"{'' if number else name:<18}  {line}", " " * 22)


def _wrapped(line: str, indent: str) -> list[str]:
    """The line in the width of the terminal; whole where the output is no terminal, so that grep finds all of it."""
    if not sys.stdout.isatty():
        return [line]
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.wrap(line, width, subsequent_indent=indent[: width - 30], break_on_hyphens=False) or [""]
