"""Train and test parts of a labelled dataset.

Evaluation (paper 4.1, 4.2) trains a classifier on the train part of a split and reports the accuracy on its test part.
A dataset has one of three kinds of splits:

- `leave_one_group_out`: one split per group (a sequence, a person, a recording). The group is the test part. Splits are
  numbered from 1 in the natural order of the groups' names ("set2" before "set10").
- `column`: the dataset assigns each video to the train part, the test part or no part of each split.
- `random`: stratified by label. The videos of a label are ordered by a hash of (seed, split, video_id). The first
  round(test_fraction x n) of them are the test part: at least one, and never all. The only video of a label is in the
  train part. A new video changes nothing for other labels, and moves at most one other video of its own label.
"""

import re

import numpy as np
import pandas as pd

from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import StageError

_WHY_LABELS = "evaluation needs a label for every video in a split"


def make_splits(
    videos: pd.DataFrame,
    parts: pd.DataFrame,
    kind: str,
    *,
    seed: int,
    test_fraction: float = 0.3,
    n_splits: int = 1,
) -> pd.DataFrame:
    """Returns the splits of a dataset.

    Args:
        videos: The usable videos: columns video_id, label and group.
        parts: The splits that the dataset itself defines: columns split (a number), video_id and part (train or test).
        kind: `leave_one_group_out`, `column` or `random`.
        seed: Seed of random splits.
        test_fraction: Share of each label's videos in the test part of a random split, between 0 and 1.
        n_splits: Number of random splits.

    Returns:
        A table with the columns split, video_id, part, label and group, sorted by split and video_id. Both parts of a
        split have videos, and no video is in both.

    Raises:
        StageError: Labels, groups or parts are missing, or a part of a split would be empty.
    """
    if videos.empty:
        raise StageError("there is no usable video to split into train and test")
    if kind == "leave_one_group_out":
        splits = _leave_one_group_out(videos)
    elif kind == "column":
        splits = _columns(videos, parts)
    elif kind == "random":
        splits = _random(videos, seed, test_fraction, n_splits)
    else:
        raise StageError(f"splits {kind!r} is unknown; use leave_one_group_out, column or random for this dataset")
    described = splits.merge(videos[["video_id", "label", "group"]], on="video_id")
    return described.sort_values(["split", "video_id"], ignore_index=True)


def unread_parts(unread: pd.DataFrame, parts: pd.DataFrame, splits: pd.DataFrame, *, by_group: bool) -> pd.DataFrame:
    """Returns the parts of `splits` to which unreadable videos belong.

    Args:
        unread: The videos that cannot be read or have no file: columns video_id, label, group and status.
        parts: The splits that the dataset itself defines, as in `make_splits`.
        splits: The splits of the usable videos, from `make_splits`.
        by_group: Whether each split leaves one group out. Otherwise `parts` holds the part of each video.

    Returns:
        A table with the columns split, video_id, part, label and status. Videos without a label are in no part.
    """
    labelled = unread[unread["label"] != ""]
    if by_group:
        tested = splits[splits["part"] == "test"].drop_duplicates("split")[["split", "group"]]
        rows = labelled.merge(tested, how="cross", suffixes=("", "_tested"))
        rows["part"] = np.where(rows["group"] == rows["group_tested"], "test", "train")
    else:
        rows = parts[parts["split"].isin(splits["split"])].merge(labelled, on="video_id")
    return rows.sort_values(["split", "video_id"])[["split", "video_id", "part", "label", "status"]]


def _leave_one_group_out(videos: pd.DataFrame) -> pd.DataFrame:
    _require(videos, "label", _WHY_LABELS)
    _require(videos, "group", "leave_one_group_out needs a group for every video")
    groups = sorted(videos["group"].unique(), key=natural_key)
    if len(groups) < 2:
        raise StageError(f"leave_one_group_out needs at least two groups, but all videos have {groups[0]!r}")
    return pd.concat(
        _split(number, videos["video_id"], (videos["group"] == group).to_numpy())
        for number, group in enumerate(groups, start=1)
    )


def _columns(videos: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    used = parts[parts["video_id"].isin(videos["video_id"])]
    if used.empty:
        raise StageError("no column split or split<N> marks a video as train or test; add one, or choose other splits")
    for number, split in used.groupby("split"):
        if missing := {"train", "test"} - set(split["part"]):
            raise StageError(f"split {number}: no usable video is in the {missing.pop()} part")
    _require(videos[videos["video_id"].isin(used["video_id"])], "label", _WHY_LABELS)
    return used


def _random(videos: pd.DataFrame, seed: int, test_fraction: float, n_splits: int) -> pd.DataFrame:
    if not 0 < test_fraction < 1:
        raise StageError(f"test_fraction must be between 0 and 1, not {test_fraction}")
    if n_splits < 1:
        raise StageError(f"n_splits must be at least 1, not {n_splits}")
    _require(videos, "label", _WHY_LABELS)
    n = videos.groupby("label")["video_id"].transform("size").to_numpy()
    n_test = np.minimum(np.maximum((test_fraction * n + 0.5).astype(int), 1), n - 1)
    if not n_test.any():
        raise StageError("random splits need a label with at least two usable videos")
    splits = []
    for number in range(1, n_splits + 1):
        order = videos["video_id"].map(lambda name, split=number: identity.digest(seed, "split", split, name))
        rank = order.groupby(videos["label"]).rank(method="first").to_numpy()
        splits.append(_split(number, videos["video_id"], rank <= n_test))
    return pd.concat(splits)


def _split(number: int, video_ids: pd.Series, in_test: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"split": number, "video_id": video_ids, "part": np.where(in_test, "test", "train")})


def _require(videos: pd.DataFrame, column: str, reason: str) -> None:
    without = videos.loc[videos[column] == "", "video_id"]
    if len(without):
        names = ", ".join(without[:3]) + (", ..." if len(without) > 3 else "")
        raise StageError(f"{reason}, but {len(without)} have none ({names})")


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Returns a sort key that orders the numbers within names as numbers: "set2" before "set10"."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", text) if piece]
