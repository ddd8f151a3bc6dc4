"""One split of a dataset: the videos that a protocol can use, and those left out.

A network needs frames, and an SVM on IDT needs encodings. A video is used if its status in these files is `ok`. Other
videos are left out and counted with the reason, so each record says how many videos of the test list it covers. A video
that is in none of the files is an error: the files belong to different data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workflow_scripts.ground import artifacts
from workflow_scripts.ground.stage import StageError


@dataclass(frozen=True)
class Split:
    """The usable videos of one split, and those left out. Each mapping is by video id, sorted."""

    train: dict[str, str]  # labels
    test: dict[str, str]  # labels
    classes: list[str]  # the labels of all usable videos, sorted
    left_out: dict[str, str] = field(default_factory=dict)  # test videos: why they cannot be tested
    unused: dict[str, str] = field(default_factory=dict)  # training videos: why they cannot be trained on
    groups: dict[str, str] = field(default_factory=dict)  # groups of the videos that have a group

    def targets(self, labels: Mapping[str, str]) -> np.ndarray:
        """The class indices (n,) int64 of `labels`, `train` or `test`."""
        index = {label: i for i, label in enumerate(self.classes)}
        return np.array([index[label] for label in labels.values()], dtype=np.int64)

    def recordings(self) -> np.ndarray:
        """The number (n_test,) int64 of the recording of each test video.

        A recording is a group, even across classes. A video without a group is a separate recording.
        """
        names = [
            ("group", self.groups[video_id]) if video_id in self.groups else ("video", video_id)
            for video_id in self.test
        ]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], dtype=np.int64)


def read_split(splits: Path, split: int, statuses: Mapping[str, str], unread: Path | None = None) -> Split:
    """Reads a split and keeps the videos whose status is `ok`.

    Args:
        splits: The dataset's splits.tsv.
        split: The number of the split.
        statuses: The status of each video of the splits: `ok`, or why it cannot be used.
        unread: Table of further videos of the splits, which could not be read or are missing. All are left out.

    Raises:
        StageError: There is no such split, a video has no status, no video can be used, or all training videos have
            one class.
    """
    rows = [row for row in artifacts.read_columns(splits) if row["split"] == str(split)]
    if not rows:
        raise StageError(f"{splits} has no split {split}")
    require_known(sorted({row["video_id"] for row in rows}), statuses, splits)
    parts: dict[str, dict[str, str]] = {"train": {}, "test": {}}
    unusable: dict[str, dict[str, str]] = {"train": {}, "test": {}}
    for row in sorted(rows, key=lambda row: row["video_id"]):
        video_id, part = row["video_id"], row["part"]
        if statuses[video_id] == "ok":
            parts[part][video_id] = row["label"]
        else:
            unusable[part][video_id] = statuses[video_id]
    for row in artifacts.read_columns(unread) if unread else []:
        if row["split"] == str(split):
            unusable[row["part"]][row["video_id"]] = row["status"]
    for part, videos in parts.items():
        if not videos:
            raise StageError(f"split {split} of {splits} has no usable {part} video ({len(unusable[part])} left out)")
    if len(set(parts["train"].values())) < 2:
        raise StageError(f"split {split} of {splits} has a single class to train on; a classifier needs two")
    classes = sorted({*parts["train"].values(), *parts["test"].values()})
    groups = {row["video_id"]: row["group"] for row in rows if row.get("group")}
    return Split(**parts, classes=classes, left_out=unusable["test"], unused=unusable["train"], groups=groups)


def require_known(video_ids: Sequence[str], known: Mapping[str, str], listing: Path) -> None:
    """Raises StageError if `known` lacks videos that `listing` lists, and names some."""
    missing = [video_id for video_id in video_ids if video_id not in known]
    if missing:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise StageError(
            f"{len(missing)} of the {len(video_ids)} videos in {listing} are in none of the given files ({names}); "
            "rerun the stages from the same index"
        )


def read_statuses(encodings: Sequence[Path]) -> dict[str, str]:
    """The status of every video in the encoding shards."""
    statuses: dict[str, str] = {}
    for path in encodings:
        with artifacts.read_hdf5(path) as file:
            statuses.update(zip(file["video_id"].asstr()[:], file["status"].asstr()[:], strict=True))
    return statuses
