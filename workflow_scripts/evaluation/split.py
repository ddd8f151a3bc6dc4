"""One split of a dataset as every protocol sees it: the videos that all of them can use, and those left out.

A table compares runs only if all of them saw the same videos. So a video is used when each stage file that is
given (frames, sketches) has it with status `ok`; one that a stage could not process is left out with its reason
and counted. A video that a stage file does not know at all is an error: the files then belong to different data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow_scripts import artifacts
from workflow_scripts.stage import StageError


@dataclass(frozen=True)
class Split:
    """The usable videos of one split, as video_id -> label in the order of the ids, and those left out.

    `classes` are all labels of the split, sorted; `left_out` maps video_id to the reason.
    """

    train: dict[str, str]
    test: dict[str, str]
    classes: list[str]
    left_out: dict[str, str]

    def targets(self, labels: Mapping[str, str]) -> np.ndarray:
        """The class indices (n,) int64 of `labels`, `train` or `test`."""
        index = {label: i for i, label in enumerate(self.classes)}
        return np.array([index[label] for label in labels.values()], dtype=np.int64)


def read_split(splits: Path, split: int, *status_of: Mapping[str, str]) -> Split:
    """Reads split number `split` of splits.tsv and keeps the videos that are `ok` for every stage in `status_of`.

    Each of `status_of` maps video_id to its status (`ok`, or why it cannot be used) and must know all videos.
    Raises StageError if the split is not there, a video is unknown to a stage, no video is left to use, or those to
    train on are of a single class.
    """
    rows = [row for row in artifacts.read_columns(splits) if row["split"] == str(split)]
    if not rows:
        raise StageError(f"{splits} has no split {split}")
    for statuses in status_of:
        require_known(sorted(row["video_id"] for row in rows), statuses, splits)
    parts: dict[str, dict[str, str]] = {"train": {}, "test": {}}
    left_out: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row["video_id"]):
        video_id = row["video_id"]
        reasons = [statuses[video_id] for statuses in status_of if statuses[video_id] != "ok"]
        if reasons:
            left_out[video_id] = reasons[0]
        else:
            parts[row["part"]][video_id] = row["label"]
    for part, videos in parts.items():
        if not videos:
            raise StageError(f"split {split} of {splits} has no usable {part} video ({len(left_out)} left out)")
    if len(set(parts["train"].values())) < 2:
        raise StageError(f"split {split} of {splits} has a single class to train on; a classifier needs two")
    return Split(parts["train"], parts["test"], sorted({row["label"] for row in rows}), left_out)


def require_known(video_ids: Sequence[str], known: Mapping[str, str], what: Path) -> None:
    """Raises StageError naming the videos that `what` lists and `known` lacks."""
    missing = [video_id for video_id in video_ids if video_id not in known]
    if missing:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise StageError(
            f"{len(missing)} of the {len(video_ids)} videos in {what} are in none of the given files ({names}); "
            "rerun the stages from the same index"
        )


def read_statuses(encodings: Sequence[Path]) -> dict[str, str]:
    """The status of every video in the encoding shards."""
    statuses: dict[str, str] = {}
    for path in encodings:
        with artifacts.read_hdf5(path) as file:
            statuses.update(zip(file["video_id"].asstr()[:], file["status"].asstr()[:], strict=True))
    return statuses


def l2_normalised(features: np.ndarray) -> np.ndarray:
    """The rows of `features` (n, d) at unit length; a zero row stays zero."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)
