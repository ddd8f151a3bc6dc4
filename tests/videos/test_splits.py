"""Splits: disjoint parts, every class trained on, stable when a video is added, one-sentence errors."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.splits import make_splits, natural_key

Rows = list[dict[str, str]]


def row(number: int, label: str = "wave", **columns: str) -> dict[str, str]:
    return {"video_id": f"video-{number}", "label": label, **columns}


# Videos with distinct ids, each of one of a few classes.
datasets = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from("abcd")), unique_by=lambda x: x[0]).map(
    lambda pairs: [row(number, label) for number, label in pairs]
)


def has_a_class_of_two(rows: Rows) -> bool:
    return bool(rows) and max(Counter(r["label"] for r in rows).values()) >= 2


def part_of(splits: Rows, split: str = "1") -> dict[str, str]:
    return {r["video_id"]: r["part"] for r in splits if r["split"] == split}


@settings(deadline=None)
@given(datasets.filter(has_a_class_of_two), st.integers(0, 5), st.floats(0.05, 0.95), st.integers(1, 3))
def test_random_is_stratified(rows: Rows, seed: int, fraction: float, n_splits: int) -> None:
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
def test_random_is_stable_when_a_video_is_added(rows: Rows, number: int, label: str) -> None:
    before = part_of(make_splits(rows, "random", seed=1))
    after = part_of(make_splits([row(number, label), *rows], "random", seed=1))
    moved = [r for r in rows if before[r["video_id"]] != after[r["video_id"]]]
    assert len(moved) <= 1
    assert all(r["label"] == label for r in moved)


@settings(deadline=None)
@given(datasets.filter(has_a_class_of_two), st.randoms())
def test_random_does_not_depend_on_the_order_of_the_rows(rows: Rows, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(rows, len(rows))
    assert make_splits(rows, "random", seed=2) == make_splits(shuffled, "random", seed=2)


def test_random_splits_and_seeds_differ() -> None:
    rows = [row(number, "ab"[number % 2]) for number in range(40)]
    splits = make_splits(rows, "random", seed=1, n_splits=2)
    assert part_of(splits, "1") != part_of(splits, "2")
    assert part_of(splits, "1") != part_of(make_splits(rows, "random", seed=2))
    assert Counter(part_of(splits).values()) == {"test": 12, "train": 28}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), min_size=2, max_size=40))
def test_leave_one_group_out(pairs: list[tuple[int, str]]) -> None:
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


def test_column_reads_every_split_column_and_leaves_the_rest_unused() -> None:
    rows = [
        row(1, split="", split1="train", split2="test", split10="Test"),
        row(2, split="", split1="test", split2="train", split10="train"),
        row(3, split="", split1="", split2="0", split10="validation"),
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
    only = make_splits([row(1, split="train"), row(2, "run", split="test")], "column", seed=0)
    assert [(r["split"], r["label"]) for r in only] == [("1", "wave"), ("1", "run")]


def test_the_group_of_every_video_is_told_and_a_video_outside_all_splits_needs_no_label() -> None:
    rows = [row(1, split="train", group="film"), row(2, "run", split="test"), row(3, "", split="")]
    assert make_splits(rows, "column", seed=0) == [
        {"split": "1", "video_id": "video-1", "part": "train", "label": "wave", "group": "film"},
        {"split": "1", "video_id": "video-2", "part": "test", "label": "run", "group": ""},
    ]
    with pytest.raises(StageError, match="a label for every video that is in a split, and 1 have none"):
        make_splits([*rows, row(4, "", split="train")], "column", seed=0)


@pytest.mark.parametrize(
    ("rows", "layout", "message"),
    [
        ([], "random", "no usable video"),
        ([row(1, ""), row(2)], "random", "label for every video that is in a split, and 1 have none \\(video-1\\)"),
        ([row(1), row(2)], "leave_one_group_out", "group for every video, and 2 have none"),
        ([row(1, group="a"), row(2, group="a")], "leave_one_group_out", "two groups"),
        ([row(1), row(2)], "column", "no column split"),
        ([row(1, split="train"), row(2, split="other")], "column", "no usable video as test"),
        (
            [row(1, split="train", split1="test"), row(2, split="test", split1="train")],
            "column",
            "two columns",
        ),
        ([row(1, "a"), row(2, "b")], "random", "at least two usable videos"),
        ([row(1), row(2)], "official", "not known"),
    ],
)
def test_errors_are_one_sentence(rows: Rows, layout: str, message: str) -> None:
    with pytest.raises(StageError, match=message) as error:
        make_splits(rows, layout, seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{"test_fraction": 0.0}, {"test_fraction": 1.0}, {"n_splits": 0}])
def test_bad_settings(options: dict[str, float]) -> None:
    with pytest.raises(StageError):
        make_splits([row(1), row(2)], "random", seed=0, **options)  # type: ignore[arg-type]


def test_natural_key() -> None:
    names = ["set10", "set2", "10", "9", "set", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "set", "set2", "set10"]
