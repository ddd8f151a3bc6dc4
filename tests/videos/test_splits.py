"""Splits of a dataset: disjoint parts, each class in training, stability when a video is added, errors."""

from collections import Counter
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos import splits as splits_module
from workflow_scripts.videos.splits import natural_key

Rows = list[dict[str, str]]


def row(number: int, label: str = "wave", group: str = "", **parts: str) -> dict[str, str]:
    """Returns a video. `parts` are split<N>="train" or "test", as its dataset defines them."""
    return {"video_id": f"video-{number}", "label": label, "group": group, **parts}


def make_splits(rows: Rows, kind: str, **options: Any) -> Rows:
    """Returns the splits of these videos, with the numbers of splits as texts."""
    videos = pd.DataFrame(rows, columns=["video_id", "label", "group"], dtype=object)
    parts = [
        (int(name.removeprefix("split")), video["video_id"], part)
        for video in rows
        for name, part in video.items()
        if name.startswith("split")
    ]
    table = pd.DataFrame(parts, columns=["split", "video_id", "part"])
    splits = splits_module.make_splits(videos, table, kind, **options).astype({"split": str})
    return splits[["split", "video_id", "part", "label", "group"]].to_dict("records")


# Videos with distinct ids and one of four labels.
datasets = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from("abcd")), unique_by=lambda x: x[0]).map(
    lambda pairs: [row(number, label) for number, label in pairs]
)


def has_a_class_of_two(rows: Rows) -> bool:
    return bool(rows) and max(Counter(r["label"] for r in rows).values()) >= 2


def part_of(splits: Rows, split: str = "1") -> dict[str, str]:
    return {r["video_id"]: r["part"] for r in splits if r["split"] == split}


@settings(deadline=None)
@given(datasets.filter(has_a_class_of_two), st.integers(0, 5), st.floats(0.05, 0.95), st.integers(1, 3))
def test_make_splits_random_is_stratified(rows: Rows, seed: int, fraction: float, n_splits: int) -> None:
    splits = make_splits(rows, "random", seed=seed, test_fraction=fraction, n_splits=n_splits)
    assert len(splits) == n_splits * len(rows)
    assert len({(r["split"], r["video_id"]) for r in splits}) == len(splits)  # one part each: disjoint
    for split in range(1, n_splits + 1):
        for label, n in Counter(r["label"] for r in rows).items():
            parts = Counter(r["part"] for r in splits if r["label"] == label and r["split"] == str(split))
            assert parts["train"] >= 1
            assert (parts["test"] >= 1) == (n > 1)
            assert abs(parts["test"] - fraction * n) <= 1


@settings(deadline=None)
@given(datasets.filter(has_a_class_of_two), st.integers(10_001, 20_000), st.sampled_from("abcde"))
def test_make_splits_random_after_adding_a_video(rows: Rows, number: int, label: str) -> None:
    before = part_of(make_splits(rows, "random", seed=1))
    after = part_of(make_splits([row(number, label), *rows], "random", seed=1))
    moved = [r for r in rows if before[r["video_id"]] != after[r["video_id"]]]
    assert len(moved) <= 1
    assert all(r["label"] == label for r in moved)


@settings(deadline=None)
@given(datasets.filter(has_a_class_of_two), st.randoms())
def test_make_splits_random_of_shuffled_rows(rows: Rows, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(rows, len(rows))
    assert make_splits(rows, "random", seed=2) == make_splits(shuffled, "random", seed=2)


def test_make_splits_random_differs_by_split_and_seed() -> None:
    rows = [row(number, "ab"[number % 2]) for number in range(40)]
    splits = make_splits(rows, "random", seed=1, n_splits=2)
    assert part_of(splits, "1") != part_of(splits, "2")
    assert part_of(splits, "1") != part_of(make_splits(rows, "random", seed=2))
    assert Counter(part_of(splits).values()) == {"test": 12, "train": 28}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), min_size=2, max_size=40))
def test_make_splits_leave_one_group_out(pairs: list[tuple[int, str]]) -> None:
    rows = [row(number, label, group=f"seq{group}") for number, (group, label) in enumerate(pairs)]
    groups = sorted({group for group, _ in pairs})
    if len(groups) < 2:
        with pytest.raises(StageError, match="two groups"):
            make_splits(rows, "leave_one_group_out", seed=0)
        return
    splits = make_splits(rows, "leave_one_group_out", seed=0)
    for number, group in enumerate(groups, start=1):  # numeric order of the names, not alphabetic
        tested = {video_id for video_id, part in part_of(splits, str(number)).items() if part == "test"}
        assert tested == {r["video_id"] for r in rows if r["group"] == f"seq{group}"}
    assert len(splits) == len(groups) * len(rows)


def test_make_splits_column() -> None:
    rows = [
        row(1, split1="train", split2="test", split10="test"),
        row(2, split1="test", split2="train", split10="train"),
        row(3),
    ]
    splits = make_splits(rows, "column", seed=0)
    assert [(r["split"], r["video_id"], r["part"]) for r in splits] == [
        ("1", "video-1", "train"),
        ("1", "video-2", "test"),
        ("2", "video-1", "test"),
        ("2", "video-2", "train"),
        ("10", "video-1", "test"),
        ("10", "video-2", "train"),
    ]


def test_make_splits_column_with_groups_and_unlabelled_videos() -> None:
    rows = [row(1, group="film", split1="train"), row(2, "run", split1="test"), row(3, "")]
    assert make_splits(rows, "column", seed=0) == [
        {"split": "1", "video_id": "video-1", "part": "train", "label": "wave", "group": "film"},
        {"split": "1", "video_id": "video-2", "part": "test", "label": "run", "group": ""},
    ]
    with pytest.raises(StageError, match="a label for every video in a split, but 1 have none"):
        make_splits([*rows, row(4, "", split1="train")], "column", seed=0)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([], "random", "no usable video"),
        ([row(1, ""), row(2)], "random", "label for every video in a split, but 1 have none \\(video-1\\)"),
        ([row(1), row(2)], "leave_one_group_out", "group for every video, but 2 have none"),
        ([row(1, group="a"), row(2, group="a")], "leave_one_group_out", "two groups"),
        ([row(1), row(2)], "column", "no column split"),
        ([row(1, split1="train"), row(2)], "column", "split 1: no usable video is in the test part"),
        ([row(1, "a"), row(2, "b")], "random", "at least two usable videos"),
        ([row(1), row(2)], "official", "unknown"),
    ],
)
def test_make_splits_errors(rows: Rows, kind: str, message: str) -> None:
    with pytest.raises(StageError, match=message) as error:
        make_splits(rows, kind, seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{"test_fraction": 0.0}, {"test_fraction": 1.0}, {"n_splits": 0}])
def test_make_splits_bad_settings(options: dict[str, float]) -> None:
    with pytest.raises(StageError):
        make_splits([row(1), row(2)], "random", seed=0, **options)  # type: ignore[arg-type]


def test_natural_key_orders_numbers() -> None:
    names = ["set10", "set2", "10", "9", "set", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "set", "set2", "set10"]
