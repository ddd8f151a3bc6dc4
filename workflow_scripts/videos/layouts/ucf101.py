"""Reads UCF101's split files, `trainlist01.txt` .. `testlist03.txt`."""

import re
from pathlib import Path

from workflow_scripts.videos.layouts.annotations import matched_lines, set_part, split_lists
from workflow_scripts.videos.layouts.layout import Annotated

_LIST = re.compile(r"(train|test)list0*(\d+)\.txt")
_LINE = re.compile(r"(?P<label>[^/]+)/(?P<name>.+)\.\w+(?:\s+\d+)?")  # a train list adds the number of the class


def read_videos(folder: Path) -> list[Annotated]:
    """Returns the videos of the split files. The group of a video is the g01 .. g25 in its name."""
    parts: dict[tuple[str, str], dict[int, str]] = {}  # by label and name
    for path, kind in split_lists(folder, _LIST, "trainlist01.txt"):
        part, number = kind.groups()
        for place, line in matched_lines(path, _LINE, "Class/v_Class_g01_c01.avi"):
            set_part(parts.setdefault((line["label"], line["name"]), {}), int(number), part, place)
    return [Annotated((name,), label, _group(name), tuple(of.items())) for (label, name), of in parts.items()]


def _group(name: str) -> str:
    match = re.search(r"_(g\d+)_c\d+$", name)
    return match[1] if match else ""
