"""Splits: the usable videos, those left out, and the recordings."""

from typing import Any

import pytest

from workflow_scripts.evaluation.split import Split, read_split
from workflow_scripts.ground.stage import StageError


def test_read_split_leaves_out_unusable_videos_with_the_reason(dataset: Any) -> None:
    ok = dict.fromkeys([*dataset.train, *dataset.test, "bad-frames", "bad-sketch"], "ok")
    split = read_split(dataset.splits, 1, {**ok, "bad-frames": "unreadable", "bad-sketch": "not_finite"})
    assert split.train == dataset.train
    assert split.test == dataset.test
    assert split.left_out == {"bad-sketch": "not_finite"} and split.unused == {"bad-frames": "unreadable"}
    assert split.classes == ["across", "down"]
    assert split.targets(split.test).tolist() == [0, 1] * 8


def test_recordings_are_groups_even_across_classes() -> None:
    test = {"a": "run", "b": "run", "c": "walk", "d": "walk", "e": "walk"}
    split = Split({}, test, ["run", "walk"], groups={"a": "g1", "b": "g1", "c": "g1", "d": "g2", "x": "g1"})
    assert split.recordings().tolist() == [0, 0, 0, 1, 2]


def test_read_split_refuses_other_data(dataset: Any) -> None:
    known = dict.fromkeys([*dataset.train, *dataset.test], "ok")
    with pytest.raises(StageError, match=r"2 of the 42 videos .* \(bad-frames, bad-sketch\)"):
        read_split(dataset.splits, 1, known)
    with pytest.raises(StageError, match="no split 7"):
        read_split(dataset.splits, 7, known)
    lost = {**dict.fromkeys([*dataset.train, "bad-frames"], "ok"), **dict.fromkeys([*dataset.test, "bad-sketch"], "?")}
    with pytest.raises(StageError, match="no usable test video"):
        read_split(dataset.splits, 1, lost)
