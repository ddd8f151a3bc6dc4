"""Which runs are compared with each other: each comparison has its own tables, and its row in the figures."""

from dataclasses import dataclass
from typing import Any

from workflow_scripts.report.inputs import Clustering, Evaluation, Run, Video
from workflow_scripts.report.methods import Method
from workflow_scripts.report.tables import Agreement, FewShot, MethodTable, agreements, few_shot_tables, method_table
from workflow_scripts.stage import StageError


@dataclass(frozen=True)
class Comparison:
    """Methods side by side and their results; `title` is empty where all methods are in one comparison."""

    title: str
    methods: list[Method]
    runs: list[Run]
    accuracies: MethodTable
    few_shot: list[FewShot]
    agreements: list[Agreement]


def comparisons_of(
    wanted: list[dict[str, Any]],
    methods: list[Method],
    runs: list[Run],
    evaluations: list[Evaluation],
    clusterings: list[Clustering],
    videos: list[Video],
) -> list[Comparison]:
    """The comparisons that the settings want, their methods in that order, and one of the methods that are in none.

    The clusterings in the IDT space are part of each. Raises StageError for a run of which there are no results.
    """
    known = {method.run: method for method in methods}
    groups = [(entry["title"], entry["runs"]) for entry in wanted]
    for title, names in groups:
        if missing := sorted(set(names) - set(known)):
            raise StageError(f"report.comparisons: {title!r} names runs without results: {', '.join(missing)}")
    if others := [name for name in known if not any(name in names for _, names in groups)]:
        groups.append(("Other runs" if groups else "", others))
    comparisons = []
    for title, names in groups or [("", [])]:
        chosen = [known[name] for name in names]
        comparisons.append(
            Comparison(
                title=title,
                methods=chosen,
                runs=[run for run in runs if run.name in names],
                accuracies=method_table(evaluations, chosen),
                few_shot=few_shot_tables(evaluations, chosen),
                agreements=agreements(clusterings, videos, chosen),
            )
        )
    return comparisons
