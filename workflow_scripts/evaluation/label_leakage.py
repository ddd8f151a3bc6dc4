"""Checks that no network has learned the labels of its test videos.

A supervised run that is evaluated on its own training dataset has learned the test labels, unless it is trained on the
training part of a split (`subset: splitN`) and evaluated only on that split. This holds for every run that starts from
it, too.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.settings import lineage, split_of_subset


def check_label_leakage(config: dict[str, Any], evaluated: Iterable[tuple[str, str]]) -> None:
    """Raises StageError if a run of `evaluated` (run, dataset) has learned the labels of its test videos."""
    trained_on = config["pretraining"]["dataset"]
    for run, dataset in evaluated:
        learned, only = _labels_learned(config, run), only_split(config, run, dataset)
        if not learned or not share_videos(config, trained_on, dataset):
            continue
        if only is not None and set(learned.values()) == {only}:
            continue
        which = dataset if dataset == trained_on else f"{dataset} (its root or list overlaps that of {trained_on})"
        by = ", ".join(f"pretraining.runs.{name}" for name in learned)
        raise StageError(
            f"config: the run {run} has learned labels of test videos of {which} in {by}. Do one of these: set subset: "
            f"split1, so that it is evaluated only on split 1 of {trained_on}; evaluate it on other videos; take {run} "
            "out of evaluation.runs and report.tables"
        )


def only_split(config: dict[str, Any], run: str, dataset: str) -> int | None:
    """The only split of a dataset that a run is evaluated on; None if it is evaluated on all splits.

    A run with `subset: splitN`, or one that starts from it, has seen test videos of all other splits.
    """
    if dataset != config["pretraining"]["dataset"]:
        return None
    names = lineage(config["pretraining"]["runs"], run)
    splits = [split for name in names if (split := _split_of(config, name)) is not None]
    return splits[0] if splits else None


def _value(config: dict[str, Any], run: str, key: str) -> Any:
    return config["pretraining"]["runs"][run].get(key, config["pretraining"].get(key))


def _split_of(config: dict[str, Any], run: str) -> int | None:
    """The split whose training part a run is trained on (`subset: splitN` or `splitN:NUMBER`)."""
    return split_of_subset(str(_value(config, run, "subset")))


def _labels_learned(config: dict[str, Any], run: str) -> dict[str, int | None]:
    """The trainings in which a run has learned labels, with the split that each is trained on (None: all videos)."""
    with_labels = [name for name, objective in OBJECTIVES.items() if objective.labels]
    return {
        name: _split_of(config, name)
        for name in lineage(config["pretraining"]["runs"], run)
        if _value(config, name, "objective") in with_labels and _value(config, name, "epochs") > 0
    }


def share_videos(config: dict[str, Any], one: str, other: str) -> bool:
    """Whether the datasets `one` and `other` may have videos in common, according to the config.

    This is so if one root is equal to or inside the other, if the manifest or the annotations are the same, or if both
    are generated from the same seed.
    """
    if one == other:
        return True
    first, second = config["datasets"][one], config["datasets"][other]
    if "generated" in (first["layout"], second["layout"]):
        return first["layout"] == second["layout"] and first["generated"]["seed"] == second["generated"]["seed"]
    roots = [os.path.realpath(values["root"]) for values in (first, second) if values["root"]]
    if len(roots) == 2 and os.path.commonpath(roots) in roots:
        return True
    lists = [_list_of(values) for values in (first, second)]
    return bool(lists[0]) and lists[0] == lists[1]


def _list_of(values: dict[str, Any]) -> str:
    """The real path of a dataset's manifest or annotations; empty if it has none."""
    name = values["manifest"] or values["annotations"]
    below = Path(values["root"]) / name
    return os.path.realpath(below if below.exists() else name) if name else ""
