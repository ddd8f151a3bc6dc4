"""UCF101, HMDB51 and Kinetics as they are distributed: what their annotation files say of which videos.

The readers give `Annotated` videos by name; where below the root a name lies, `listing` finds. Kinetics has no splits
for a classifier but parts: its validation part is the test part here, as papers report it, and its test part, whose
labels were long withheld, is in neither.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.text_tables import read_lines, read_table

_UCF101_LIST = re.compile(r"(train|test)list0*(\d+)\.txt")
# A train list names the class by its number too.
_UCF101_LINE = re.compile(r"(?P<label>[^/]+)/(?P<name>.+)\.\w+(?:\s+\d+)?")
_HMDB51_LIST = re.compile(r"(?P<label>.+)_test_split(\d+)\.txt")
_HMDB51_LINE = re.compile(r"(?P<name>.+)\.\w+\s+(?P<flag>[012])")
# <film>_<action>_<visible parts>_<camera>_<n people>_<viewpoint>_<quality>_<number>
_HMDB51_NAME = r"(?P<film>.+)_{label}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+"
_HMDB51_FLAGS = {"0": "", "1": "train", "2": "test"}
_KINETICS_PARTS = {"tra": "train", "val": "test"}  # by the first letters: train, training, val, validate, validation


@dataclass(frozen=True)
class Annotated:
    """A video that a dataset consists of. `names` may its file have, without suffix; the likeliest is first."""

    names: tuple[str, ...]
    label: str
    group: str = ""
    splits: tuple[tuple[str, str], ...] = ()  # (split<N>, train | test)


def read_annotations(layout: str, place: Path) -> list[Annotated]:
    """The videos of a dataset in the order of their names, by the annotations at `place`, a folder or a file.

    Raises StageError where there are none, or with the file and the line that cannot be read.
    """
    try:
        annotated = _READERS[layout](place)
    except OSError as error:
        raise StageError(f"{place}: the annotations cannot be read: {error}") from error
    return sorted(annotated, key=lambda video: (video.names, video.label))


def _ucf101(folder: Path) -> list[Annotated]:
    """`trainlist01.txt` .. `testlist03.txt`; a video's group is the g01 .. g25 of its name."""
    parts: dict[tuple[str, str], dict[str, str]] = {}  # by label and name
    for path, kind in _lists(folder, _UCF101_LIST, "trainlist01.txt"):
        part, number = kind.groups()
        for place, line in _lines(path, _UCF101_LINE, "Class/v_Class_g01_c01.avi"):
            _set_part(parts.setdefault((line["label"], line["name"]), {}), f"split{number}", part, place)
    return [Annotated((name,), label, _ucf101_group(name), tuple(of.items())) for (label, name), of in parts.items()]


def _ucf101_group(name: str) -> str:
    match = re.search(r"_(g\d+)_c\d+$", name)
    return match[1] if match else ""


def _hmdb51(folder: Path) -> list[Annotated]:
    """`<class>_test_split<N>.txt`: 1 train, 2 test, 0 neither; a video's group is the film that it is cut from."""
    parts: dict[tuple[str, str], dict[str, str]] = {}  # by label and name
    for path, kind in _lists(folder, _HMDB51_LIST, "brush_hair_test_split1.txt"):
        label, number = kind.groups()
        for place, line in _lines(path, _HMDB51_LINE, "name.avi 1"):
            part = _HMDB51_FLAGS[line["flag"]]
            _set_part(parts.setdefault((label, line["name"]), {}), f"split{number}", part, place)
    return [
        Annotated((name,), label, _hmdb51_film(label, name), tuple((split, part) for split, part in of.items() if part))
        for (label, name), of in parts.items()
    ]


def _hmdb51_film(label: str, name: str) -> str:
    match = re.fullmatch(_HMDB51_NAME.format(label=re.escape(label)), name)
    return match["film"] if match else ""


def _set_part(parts: dict[str, str], split: str, part: str, place: str) -> None:
    """Notes a video's part of a split. Raises StageError where another line says otherwise."""
    if parts.setdefault(split, part) != part:
        raise StageError(
            f"{place}: the video is {part or 'unused'} here and {parts[split] or 'unused'} in another line"
        )


def _kinetics(place: Path) -> list[Annotated]:
    """CSV or JSON of the releases 400, 600 and 700; in a folder that has both, which say the same, the CSV are read.

    Releases share most of their clips. One that several files annotate is a video once, as the first of them by name
    has it. Files are named `<YouTube id>_<start>_<end>`, in six digits, or by the id alone. Videos without a label are
    left out: whoever trains on them without labels lists them by another layout.
    """
    paths = [place]
    if place.is_dir():
        there = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        of = {kind: [path for path in there if path.suffix.lower() == kind] for kind in (".csv", ".json")}
        paths = of[".csv"] or of[".json"]
        if not paths:
            raise StageError(f"{place}: no annotations (*.csv or *.json) are there; give them as `annotations`")
    videos: dict[tuple[str, int, int], Annotated] = {}
    for path in paths:
        read = _kinetics_json if path.suffix.lower() == ".json" else _kinetics_csv
        for youtube_id, label, start, end, part in read(path):
            clip = youtube_id, start, end
            names = f"{youtube_id}_{start:06d}_{end:06d}", f"{youtube_id}_{start}_{end}", youtube_id
            use = _KINETICS_PARTS.get(part[:3].lower())
            if label:
                videos.setdefault(clip, Annotated(names, label, youtube_id, (("split1", use),) if use else ()))
    if not videos:
        raise StageError(f"{place}: no video in the annotations has a label; give those of a part that has labels")
    return list(videos.values())


_LARGEST_JSON = 2**28  # bytes: 268 for each of a million videos

_Row = tuple[str, str, int, int, str]  # id, label, start, end in seconds, part


def _kinetics_csv(path: Path) -> Iterator[_Row]:
    for number, row in read_table(path, {"youtube_id", "time_start", "time_end"}).rows:
        try:
            times = int(float(row["time_start"])), int(float(row["time_end"]))
        except (ValueError, OverflowError):
            raise StageError(
                f"{path}, line {number}: time_start and time_end must be seconds, not {row['time_start']!r} and "
                f"{row['time_end']!r}; mend or remove the line"
            ) from None
        yield row["youtube_id"], row.get("label", ""), *times, row.get("split") or path.stem


def _kinetics_json(path: Path) -> Iterator[_Row]:
    try:
        if not 0 < path.stat().st_size <= _LARGEST_JSON:  # for it is in memory as a whole
            raise ValueError(f"{path.stat().st_size} bytes; it may have up to {_LARGEST_JSON}")
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8-sig"))
        for youtube_id, entry in entries.items():
            annotation = entry["annotations"]
            start, end = (int(float(time)) for time in annotation["segment"])
            yield youtube_id, annotation.get("label", "").strip(), start, end, entry.get("subset", path.stem)
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StageError(f"{path}: not the JSON of a Kinetics release ({error!r})") from error


def _lists(folder: Path, name: re.Pattern[str], example: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """The split files of a folder, in order, with what their names say. Raises StageError where there is none."""
    lists = [
        (path, match)
        for path in sorted(folder.iterdir())
        if (match := name.fullmatch(path.name)) and not path.name.startswith(".")
    ]
    if not lists:
        raise StageError(f"{folder}: no split files ({example}, ...) are there; give their folder as `annotations`")
    yield from lists


def _lines(path: Path, pattern: re.Pattern[str], example: str) -> Iterator[tuple[str, re.Match[str]]]:
    """The lines of a list, each with its place. Raises StageError with the place of one that is not like `example`."""
    for number, line in read_lines(path):
        match = pattern.fullmatch(line)
        if match is None:
            raise StageError(f"{path}, line {number}: {line!r} is not like {example!r}; mend or remove the line")
        yield f"{path}, line {number}", match


_READERS = {"ucf101": _ucf101, "hmdb51": _hmdb51, "kinetics": _kinetics}
