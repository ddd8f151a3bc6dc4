"""Checkpoints that the config does not need."""

import os
from pathlib import Path
from typing import Any

from operations_config import CONFIG

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.operations.checkpoints import unneeded_checkpoints


def _make_folders(*names: str) -> list[Path]:
    """Makes folders of checkpoints. Each is newer than the one before."""
    folders = [Path("results") / name for name in names]
    for age, folder in enumerate(folders):
        folder.mkdir(parents=True)
        os.utime(folder, (1000 + age, 1000 + age))
    return folders


def test_unneeded_checkpoints_are_those_of_finished_trainings(config: dict[str, Any]) -> None:
    (first,) = _make_folders("pretraining/ir/seed0/checkpoints/1")
    assert unneeded_checkpoints(config, set()) == [], "without its inputs, the folder in use is unknown"
    assert unneeded_checkpoints(config, {Path("results/pretraining/ir/seed0/model.pt")}) == [first]


def test_unneeded_checkpoints_are_those_of_renamed_runs_and_removed_seeds(config: dict[str, Any]) -> None:
    folders = _make_folders(
        "pretraining/gone/seed0/checkpoints/2",
        "pretraining/ir/seed1/checkpoints/2",
        "evaluation/gone/seed0/b/split1/checkpoints/2",
        "evaluation/la/seed1/b/split1/checkpoints/2",
    )
    assert set(unneeded_checkpoints(config, set())) == set(folders)


def test_unneeded_checkpoints_spare_an_interrupted_evaluation_of_a_table(config: dict[str, Any]) -> None:
    for_table, other_split = _make_folders(
        "evaluation/ir/seed0/a/split2/checkpoints/1", "evaluation/ir/seed0/a/split1/checkpoints/1"
    )
    assert unneeded_checkpoints(config, set()) == [other_split, for_table]
    table = {"title": "One", "datasets": ["a"], "splits": [2], "rows": [{"method": "IR", "run": "ir"}]}
    assert unneeded_checkpoints(resolve({**CONFIG, "report": {"tables": {"t": table}}}), set()) == [other_split]


def test_unneeded_checkpoints_spare_the_newest_of_an_interrupted_evaluation(config: dict[str, Any]) -> None:
    split = "evaluation/la/seed0/b/split1"
    old, new = _make_folders(f"{split}/checkpoints/x", f"{split}/checkpoints/a")
    assert unneeded_checkpoints(config, set()) == [old]
    assert unneeded_checkpoints(config, {Path("results") / split / "finetune.json"}) == [new, old]
    Path("results/pretraining/la/seed0").mkdir(parents=True)
    Path("results/pretraining/la/seed0/model.pt").touch()  # newer: the network was trained again
    assert unneeded_checkpoints(config, set()) == [new, old]
