"""Reads HMDB51's split files, `<class>_test_split<N>.txt`."""

import re
from pathlib import Path

from workflow_scripts.videos.layouts.annotations import matched_lines, set_part, split_lists
from workflow_scripts.videos.layouts.layout import Annotated

_LIST = re.compile(r"(?P<label>.+)_test_split(\d+)\.txt")
_LINE = re.compile(r"(?P<name>.+)\.\w+\s+(?P<flag>[012])")
# <film>_<action>_<visible parts>_<camera>_<n people>_<viewpoint>_<quality>_<number>
_NAME = r"(?P<film>.+)_{label}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+"
_FLAGS = {"0": "", "1": "train", "2": "test"}


def read_videos(folder: Path) -> list[Annotated]:
    """Returns the videos of the split files, which mark train with 1, test with 2 and neither with 0.

    The group of a video is the film in its name.
    """
    parts: dict[tuple[str, str], dict[int, str]] = {}  # by label and name
    for path, kind in split_lists(folder, _LIST, "brush_hair_test_split1.txt"):
        label, number = kind.groups()
        for place, line in matched_lines(path, _LINE, "name.avi 1"):
            part = _FLAGS[line["flag"]]
            set_part(parts.setdefault((label, line["name"]), {}), int(number), part, place)
    return [
        Annotated((name,), label, _film(label, name), tuple((split, part) for split, part in of.items() if part))
        for (label, name), of in parts.items()
    ]


def _film(label: str, name: str) -> str:
    match = re.fullmatch(_NAME.format(label=re.escape(label)), name)
    return match["film"] if match else ""
