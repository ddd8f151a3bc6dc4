"""The page's first tables: the datasets and the trained networks."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.report.methods import Method
from workflow_scripts.report.page.inputs import Run, records
from workflow_scripts.report.page.spread import Spread, spreads

_COUNTED = {"n_labels": "label", "n_groups": "group", "n_scenes": "scene"}


def dataset_rows(videos: pd.DataFrame, failures: pd.DataFrame, missing: dict[str, int]) -> list[dict[str, Any]]:
    """The table of the datasets.

    Args:
        videos: The table of `read_videos`.
        failures: The table of `read_failures`.
        missing: The counts of `read_missing`.

    Returns:
        A row per dataset, by name: its videos, failures, missing videos, numbers of different labels, and seconds.
    """
    groups = videos.groupby("dataset")
    rows = pd.DataFrame({"n_videos": groups.size(), "seconds": groups["seconds"].sum()})
    n_failed = failures.groupby("dataset").size()
    rows["n_failed"] = n_failed.reindex(rows.index, fill_value=0)
    rows["n_missing"] = pd.Series(missing, dtype=int).reindex(rows.index, fill_value=0)
    for name, column in _COUNTED.items():
        rows[name] = groups[column].agg(lambda values: len(set(values) - {""}))
    return records(rows.rename_axis("name").reset_index())


@dataclass(frozen=True)
class RunRow:
    """A pretraining run of the overview; `seconds` of training per seed, without the run that it starts from."""

    method: Method
    n_videos: int
    n_epochs: int
    seconds: Spread


def run_rows(runs: list[Run], methods: list[Method]) -> list[RunRow]:
    """One row per run, all its seeds together, in the order of the methods."""
    columns = {"run": "name", "seed": "seed", "n_videos": "n_videos", "n_epochs": "n_epochs", "seconds": "seconds"}
    table = pd.DataFrame(
        [{name: getattr(run, key) for name, key in columns.items()} for run in runs], columns=[*columns]
    )
    seconds, most = spreads(table, ["run"], "seconds"), table.groupby("run")[["n_videos", "n_epochs"]].max()
    return [
        RunRow(method, most["n_videos"][method.run], most["n_epochs"][method.run], seconds[method.run])
        for method in methods
        if method.run in seconds
    ]
