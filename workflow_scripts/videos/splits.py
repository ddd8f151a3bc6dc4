"""Train and test parts of a labelled dataset: one group left out, the manifest's own columns, or at random.

Evaluation (paper 4.1, 4.2) trains a classifier on a split's train part and reports accuracy on its test part.
Three layouts:

- `leave_one_group_out`: one split per group (a sequence, a person, a recording), which is the test part;
  splits are numbered from 1 in the natural order of the group names ("set2" before "set10").
- `column`: every column `split` (split 1) or `split<N>` (split N) of the index says `train` or `test` for
  each video; any other value leaves the video out of that split.
- `random`: stratified by label. Within a class the videos are ordered by a hash of (seed, split, video_id),
  and the first round(test_fraction x n) of them, at least one and never all, are the test part; a class of
  one video is trained on. Adding a video therefore changes nothing in the other classes and moves at most
  one other video of its own class (the one at the boundary); none at all could be promised only by giving
  up the exact proportions.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import StageError

Row = dict[str, str]

_WHY_LABELS = "evaluation needs a label for every video that is in a split"


def make_splits(
    rows: Sequence[Mapping[str, str]],
    layout: str,
    *,
    seed: int,
    test_fraction: float = 0.3,
    n_splits: int = 1,
) -> list[Row]:
    """The splits of a dataset, as the rows of splits.tsv.

    rows: the index rows of the usable videos; keys video_id and label, and group (leave_one_group_out) or
    split/split<N> (column).
    layout: "leave_one_group_out", "column" or "random".
    seed, test_fraction (0..1, exclusive), n_splits: used by "random" alone.

    Returns rows split (1-based, as text), video_id, part ("train" or "test"), label and group (the recording that the
    video is of, or empty); ordered by split, then video_id; the parts of a split are disjoint and neither is empty.
    Raises StageError when labels, groups or columns are missing, or a split would have an empty part.
    """
    if not rows:
        raise StageError("there is no usable video to split into train and test")
    if layout == "leave_one_group_out":
        parts = _leave_one_group_out(rows)
    elif layout == "column":
        parts = _columns(rows)
    elif layout == "random":
        parts = _random(rows, seed, test_fraction, n_splits)
    else:
        raise StageError(
            f"splits {layout!r} is not known; use one of leave_one_group_out, column, random for this dataset"
        )
    described = {row["video_id"]: {"label": row["label"], "group": row.get("group") or ""} for row in rows}
    return [
        {"split": str(split), "video_id": video_id, "part": part, **described[video_id]}
        for split, part_of in sorted(parts.items())
        for video_id, part in sorted(part_of.items())
    ]


def unread_rows(rows: Iterable[Mapping[str, str]], splits: Sequence[Mapping[str, str]], *, by_group: bool) -> list[Row]:
    """The parts that videos which cannot be read have in `splits`: rows split, video_id, part, label, status.

    rows: video_id, label, group, status and split<N> of these videos; splits: what `make_splits` gave of the others;
    by_group: whether each split leaves one group out, else the columns split<N> say the parts. A video without a label
    has none.
    """
    tested = {row["split"]: row["group"] for row in splits if row["part"] == "test"}
    unread = []
    for row in rows:
        if by_group:
            parts = {split: "test" if row["group"] == group else "train" for split, group in tested.items()}
        else:
            parts = {str(number): part for number, part in parts_in(row).items() if str(number) in tested}
        about = {name: row[name] for name in ("video_id", "label", "status")}
        unread += [{"split": split, "part": part, **about} for split, part in parts.items() if row["label"]]
    return sorted(unread, key=lambda row: (int(row["split"]), row["video_id"]))


def parts_in(row: Mapping[str, str]) -> dict[int, str]:
    """Split number -> train or test, as the columns `split` and `split<N>` of a row say; other values are passed."""
    parts = {}
    for column, value in row.items():
        match, part = re.fullmatch(r"split(\d*)", column), (value or "").strip().lower()
        if match and part in ("train", "test"):
            parts[int(match[1] or 1)] = part
    return parts


def _leave_one_group_out(rows: Sequence[Mapping[str, str]]) -> dict[int, dict[str, str]]:
    _require(rows, "label", _WHY_LABELS)
    _require(rows, "group", "leave_one_group_out needs a group for every video")
    groups = sorted({row["group"] for row in rows}, key=natural_key)
    if len(groups) < 2:
        raise StageError(f"leave_one_group_out needs at least two groups, and all videos are of {groups[0]!r}")
    return {
        number: {row["video_id"]: "test" if row["group"] == group else "train" for row in rows}
        for number, group in enumerate(groups, start=1)
    }


def _columns(rows: Sequence[Mapping[str, str]]) -> dict[int, dict[str, str]]:
    parts: dict[int, dict[str, str]] = {}
    for column in sorted({name for row in rows for name in row}, key=natural_key):
        match = re.fullmatch(r"split(\d*)", column)
        if match is None:
            continue
        part_of = {row["video_id"]: (row.get(column) or "").strip().lower() for row in rows}
        part_of = {video_id: part for video_id, part in part_of.items() if part in ("train", "test")}
        if not part_of:  # a column that no video uses, as `split` beside `split1`, `split2`
            continue
        number = int(match[1] or 1)
        if number in parts:
            raise StageError(f"two columns describe split {number} (one is {column!r}); remove one of them")
        missing = {"train", "test"} - set(part_of.values())
        if missing:
            raise StageError(f"column {column!r} marks no usable video as {missing.pop()}")
        parts[number] = part_of
    if not parts:
        raise StageError("no column split or split<N> marks a video as train or test; add one, or choose other splits")
    used = {video_id for part_of in parts.values() for video_id in part_of}
    _require([row for row in rows if row["video_id"] in used], "label", _WHY_LABELS)
    return parts


def _random(
    rows: Sequence[Mapping[str, str]], seed: int, test_fraction: float, n_splits: int
) -> dict[int, dict[str, str]]:
    if not 0 < test_fraction < 1:
        raise StageError(f"test_fraction must be between 0 and 1, not {test_fraction}")
    if n_splits < 1:
        raise StageError(f"n_splits must be at least 1, not {n_splits}")
    _require(rows, "label", _WHY_LABELS)
    classes: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        classes[row["label"]].append(row["video_id"])
    parts: dict[int, dict[str, str]] = {}
    for split in range(1, n_splits + 1):
        part_of: dict[str, str] = {}
        for members in classes.values():
            ordered = sorted(members, key=lambda video_id: identity.digest(seed, "split", split, video_id))
            n_test = min(max(int(test_fraction * len(ordered) + 0.5), 1), len(ordered) - 1)
            part_of |= {video_id: "test" for video_id in ordered[:n_test]}
            part_of |= {video_id: "train" for video_id in ordered[n_test:]}
        if "test" not in part_of.values():
            raise StageError("random splits need a class with at least two usable videos")
        parts[split] = part_of
    return parts


def _require(rows: Iterable[Mapping[str, str]], column: str, why: str) -> None:
    without = [row["video_id"] for row in rows if not row.get(column)]
    if without:
        names = ", ".join(without[:3]) + (", ..." if len(without) > 3 else "")
        raise StageError(f"{why}, and {len(without)} have none ({names})")


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """A sort key that orders the numbers within names as numbers: "set2" before "set10"."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", text) if piece]
