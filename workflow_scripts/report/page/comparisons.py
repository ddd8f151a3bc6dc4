"""Groups of runs that are compared. Each has its own tables and its own row in the figures."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.configuration.runs import run_values
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.methods import Method
from workflow_scripts.report.page.accuracies import FewShot, MethodTable, few_shot_tables, method_table
from workflow_scripts.report.page.agreements import Agreement, agreements
from workflow_scripts.report.page.inputs import Clustering, Run

# The parameters along which methods can be compared, and the labels of their axes.
ALONG = {
    "clip_length": "frames per clip",
    "frame_interval": "frames from one frame of a clip to the next",
    "subset": "videos trained on",
    "k": "clusters, K",
    "m": "clusterings, m",
    "crop_size": "side of a clip, pixels",
    "depth": "layers of the network",
}


@dataclass(frozen=True)
class Comparison:
    """Methods side by side and their results; `title` is empty where all methods are in one comparison.

    along: a key of ALONG where the methods differ by a parameter, else empty; values: of that parameter, by run.
    """

    title: str
    methods: list[Method]
    runs: list[Run]
    accuracies: MethodTable
    few_shot: list[FewShot]
    agreements: list[Agreement]
    along: str
    values: dict[str, int]


def comparisons_of(
    entries: list[dict[str, Any]],
    methods: list[Method],
    runs: list[Run],
    evaluations: pd.DataFrame,
    clusterings: list[Clustering],
    videos: pd.DataFrame,
    config: dict[str, Any],
) -> list[Comparison]:
    """The comparisons of the settings, then one comparison of all other methods.

    Each includes the clusterings in the IDT space.

    Args:
        entries: The setting `comparisons`.
        methods: All methods that have results.
        runs: The trained models.
        evaluations: The table of `read_evaluations`.
        clusterings: The clusterings of runs and of IDT.
        videos: The table of `read_videos`.
        config: The resolved config, which has the parameters of the runs.

    Returns:
        The comparisons, their methods in the order of the setting.

    Raises:
        StageError: A comparison names a run that has no results.
    """
    method_of = {method.run: method for method in methods}
    groups = [(entry["title"], entry["runs"], entry.get("along", "")) for entry in entries]
    for title, names, _ in groups:
        if missing := sorted(set(names) - set(method_of)):
            raise StageError(f"report.comparisons: {title!r} names runs without results: {', '.join(missing)}")
    if others := [name for name in method_of if not any(name in names for _, names, _ in groups)]:
        groups.append(("Other runs" if groups else "", others, ""))
    comparisons = []
    for title, names, along in groups or [("", [], "")]:
        chosen = [method_of[name] for name in names]
        comparisons.append(
            Comparison(
                title=title,
                methods=chosen,
                runs=[run for run in runs if run.name in names],
                accuracies=method_table(evaluations, chosen),
                few_shot=few_shot_tables(evaluations, chosen),
                agreements=agreements(clusterings, videos, chosen),
                along=along,
                values=_values(along, chosen, runs, config) if along else {},
            )
        )
    return comparisons


def _values(along: str, methods: list[Method], runs: list[Run], config: dict[str, Any]) -> dict[str, int]:
    """The parameter's value of each network; for `subset`, the number of videos that it was trained on."""
    if along == "subset":
        return {run.name: run.n_videos for run in runs if run.name in {method.run for method in methods}}
    networks = [method.run for method in methods if method.run not in IDT_RUNS]
    return {run: int(run_values(config, run)[along]) for run in networks}
