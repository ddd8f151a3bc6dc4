"""The numbers of a table of the paper: the paper's, ours, and their differences."""

from typing import Any

import pandas as pd

from workflow_scripts.report.page.accuracies import origins, shot_accuracies, totals_of_a_seed
from workflow_scripts.report.page.spread import spread_table
from workflow_scripts.report.settings import TableSettings

COLUMNS = (
    "method run dataset protocol shots paper ours sd difference paper_of_supervised of_supervised chance "
    "n_seeds n_splits splits n_train n_test n_listed config_digests"
).split()

Place = tuple[str, str]  # a column: dataset, and the number of shots, empty where all videos are trained on
_PLACE = ["run", "dataset"]


def places_of(table: TableSettings, evaluations: pd.DataFrame) -> list[Place]:
    """The datasets, and in few-shot tables their numbers of shots: those of the paper and those of our results."""
    places = {
        (dataset, shots) for row in table.rows for dataset in row.get("paper", {}) for shots in _of_paper(row, dataset)
    }
    for dataset, of_draws in zip(evaluations["dataset"], evaluations["shots"], strict=True):
        places |= {(dataset, shots) for shots in of_draws or [""]}
    order = list(dict.fromkeys(dataset for row in table.rows for dataset in row.get("paper", {})))
    order += sorted({dataset for dataset, _ in places} - set(order))
    return sorted(places, key=lambda place: (order.index(place[0]), place[1] == "all", place[1].zfill(4)))


def _of_paper(row: dict[str, Any], dataset: str, key: str = "paper") -> dict[str, float]:
    """The paper's numbers for a row and a dataset, by number of shots."""
    numbers = row.get(key, {}).get(dataset, {})
    return {str(shots): number for shots, number in numbers.items()} if isinstance(numbers, dict) else {"": numbers}


def numbers_of(table: TableSettings, places: list[Place], evaluations: pd.DataFrame) -> pd.DataFrame:
    """The paper's numbers and ours.

    Args:
        table: The table of the paper.
        places: The columns of the table, from `places_of`.
        evaluations: The table of `read_evaluations`.

    Returns:
        A row for each row of the table and place, in this order, with COLUMNS. Accuracies are in percent, and NaN if
        unknown.
    """
    ours = _ours(evaluations)
    row_of = {row["run"]: row for row in reversed(table.rows) if "run" in row}
    lines = []
    for row in table.rows:
        supervised = row_of.get(row.get("supervised", table.supervised))
        for dataset, shots in places:
            run, paper = row.get("run", ""), _of_paper(row, dataset).get(shots)
            line = {"method": row["method"], "run": run, "dataset": dataset, "shots": shots, "paper": paper}
            line |= ours.get((run, dataset, shots), {})
            fraction = _of_paper(row, dataset, "paper_of_supervised").get(shots)
            if supervised is not None:
                whole = ours.get((supervised["run"], dataset, shots), {}).get("ours")
                if whole and "ours" in line:
                    line["of_supervised"] = 100 * line["ours"] / whole
                paper_whole = _of_paper(supervised, dataset).get(shots)
                if fraction is None and "run" in row and paper is not None and paper_whole:
                    fraction = 100 * paper / paper_whole
            lines.append(line | {"paper_of_supervised": fraction})
    numbers = pd.DataFrame(lines, columns=COLUMNS, dtype=object)
    numbers["difference"] = pd.to_numeric(numbers["ours"]) - pd.to_numeric(numbers["paper"])
    return numbers


def _ours(evaluations: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Our columns of COLUMNS, by run, dataset and number of shots."""
    draws = pd.concat([evaluations.assign(shots=""), shot_accuracies(evaluations)], ignore_index=True)
    draws["accuracy"] *= 100
    ours = spread_table(draws, [*_PLACE, "shots"], "accuracy").rename(columns={"mean": "ours"}).drop(columns="n")
    groups = evaluations.groupby(_PLACE)
    of_run = groups.agg(protocol=("protocol", "first"), chance=("chance", "first"), n_splits=("split", "nunique"))
    of_run["chance"] *= 100
    of_run = of_run.join(totals_of_a_seed(evaluations, _PLACE)).join(origins(evaluations, _PLACE))
    ours = ours.join(of_run, on=_PLACE)
    return {(*map(str, place),): dict(ours.loc[place].items()) for place in ours.index}  # type: ignore[misc]
