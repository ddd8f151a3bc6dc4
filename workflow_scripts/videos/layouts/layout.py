"""The description of a layout, and the lists of videos that its reader returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from workflow_scripts.videos.folders import Walk

Parts = tuple[tuple[int, str], ...]  # (number of a split, train | test)


@dataclass(frozen=True)
class Listed:
    """A video of a dataset: its path relative to the root, and its annotations, each of which may be empty."""

    path: str
    label: str = ""
    group: str = ""
    scene: str = ""
    splits: Parts = ()


@dataclass(frozen=True)
class Annotated:
    """A video that annotations name. Its file has one of the `names` (without suffix), the most likely name first."""

    names: tuple[str, ...]
    label: str
    group: str = ""
    splits: Parts = ()


@dataclass(frozen=True)
class Listing:
    """The videos of a dataset, the annotated videos without a file, and the files below the root if listed."""

    videos: list[Listed]
    missing: list[Annotated] = field(default_factory=list)
    walked: Walk = field(default_factory=Walk)


@dataclass(frozen=True)
class Layout:
    """The arrangement of a dataset's videos and labels on disk."""

    meaning: str  # for the configuration's documentation
    read: Callable[..., Listing]  # (root, value of the key `source`) -> the videos; `generated` also takes threads
    # The key of the dataset's entry that the reader needs besides `root`. The videos of `generated` need no root.
    source: Literal["", "manifest", "annotations", "generated"] = ""
    source_meaning: str = ""  # for the configuration's documentation, and after "give" in an error
    n_official_splits: int = 0  # splits that the annotations usually define
    groups_within_labels: bool = False  # whether equal groups of two labels are different recordings
