"""What a layout is, and the lists of videos that its reader returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workflow_scripts.videos.folders import Walk

Parts = tuple[tuple[int, str], ...]  # (number of a split, train | test)


@dataclass(frozen=True)
class Listed:
    """A video of a dataset: `path` relative to the root, and what the dataset says about it (each may be empty)."""

    path: str
    label: str = ""
    group: str = ""
    scene: str = ""
    splits: Parts = ()


@dataclass(frozen=True)
class Annotated:
    """A video that annotations name. Its file has one of the `names` (without suffix); the likeliest comes first."""

    names: tuple[str, ...]
    label: str
    group: str = ""
    splits: Parts = ()


@dataclass(frozen=True)
class Listing:
    """The videos of a dataset.

    `missing` holds the videos that the annotations name and that have no file. `walked` says what else lies below the
    root, if the reader walked through it.
    """

    videos: list[Listed]
    missing: list[Annotated] = field(default_factory=list)
    walked: Walk = field(default_factory=Walk)


@dataclass(frozen=True)
class Layout:
    """A way in which the videos of a dataset lie on disk and their labels are written down."""

    meaning: str  # for the configuration's documentation
    read: Callable[[Path, Any], Listing]  # (root, value of the key `source`) -> the videos
    # Which key of the dataset's entry says more than `root`; with `generated` the videos have no root of their own.
    source: Literal["", "manifest", "annotations", "generated"] = ""
    source_meaning: str = ""  # completes "<source> must be ..."
    n_official_splits: int = 0  # splits that the annotations define, as a rule
    groups_within_labels: bool = False  # whether equal groups of two labels are different recordings
