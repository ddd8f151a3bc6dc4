"""The accuracies by method: the paper's table 1 for these results, and its table 2 (few labels)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.report.methods import SCRATCH_KIND, Method
from workflow_scripts.report.page.inputs import records
from workflow_scripts.report.page.spread import Spread, spread_table, spreads

Column = tuple[str, str]  # dataset, protocol

_COLUMN = ["dataset", "protocol"]
_CELL = [*_COLUMN, "run"]


def origins(evaluations: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The provenance of the numbers in the TSV tables, by the columns `by`, as texts separated by blanks.

    `splits`: numbers of the splits; `n_train`: usable videos in the training part of each; `config_digests`: digests of
    the settings.
    """
    first = evaluations.drop_duplicates([*by, "split"], keep="last").sort_values("split")
    texts = first.astype({"split": str, "n_train": str}).groupby(by)[["split", "n_train"]].agg(" ".join)
    digests = evaluations.groupby(by)["config_digest"].agg(lambda digests: " ".join(sorted(set(digests))))
    return texts.rename(columns={"split": "splits"}).join(digests.rename("config_digests"))


def totals_of_a_seed(evaluations: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """`n_test` and `n_listed` summed over the splits of a seed, by the columns `by`."""
    groups = evaluations.groupby(by)
    return groups[["n_test", "n_listed"]].sum().div(groups["seed"].nunique(), axis=0).round().astype(int)


@dataclass(frozen=True)
class MethodTable:
    """The accuracies of some methods, with a cell for each evaluated dataset, protocol and run.

    `cells` is indexed by these three. Its columns, with fractions in 0..1:
    - `accuracy` (top-1), the mean over splits and seeds, with `sd`, `n` and `n_seeds` as in `Spread`;
    - the means of the other METRICS;
    - `interval_low` and `interval_high`, 95 % over the test videos of one split and seed: means of the bounds;
    - `chance`;
    - `n_splits`; `n_test` and `n_listed`, test videos evaluated and listed, summed over the splits of one seed;
    - `n_left_out`, the number of listed test videos that could not be used, the maximum over splits;
    - those of `origins`;
    - `of_supervised`, the fraction of the supervised accuracy;
    - `best`, the best network trained without labels, if its interval is above chance and above scratch.
    """

    methods: list[Method]
    cells: pd.DataFrame

    @property
    def columns(self) -> list[Column]:
        """The datasets and protocols, in the order of the page."""
        return list(dict.fromkeys(zip(*map(self.cells.index.get_level_values, _COLUMN), strict=True)))

    def cell(self, run: str, column: Column) -> dict[str, Any] | None:
        """A cell by column, with None for missing values; None if the run has no such evaluation."""
        return self._records.get((*column, run))

    @cached_property
    def _records(self) -> dict[tuple[str, ...], dict[str, Any]]:
        return dict(zip(self.cells.index, records(self.cells), strict=True))

    def column_cells(self, column: Column) -> pd.DataFrame:
        """The cells of one dataset and protocol."""
        return self.cells.loc[[key[:2] == column for key in self.cells.index]]

    def accuracy(self, run: str, column: Column) -> Spread | None:
        cell = self.cell(run, column)
        return Spread(cell["accuracy"], cell["sd"], cell["n"], cell["n_seeds"]) if cell else None

    def facts(self, column: Column) -> list[str]:
        """The numbers of splits, seeds and test videos behind a column, for its head."""
        cells = self.column_cells(column)
        tested, listed = cells["n_test"], cells["n_listed"]
        videos = _count(listed, "test video")
        return [
            _count(cells["n_splits"], "split"),
            _count(cells["n_seeds"], "seed"),
            videos if tested.equals(listed) else f"{_range(tested)} of {videos}",
        ]

    def chance(self, column: Column) -> float:
        """The chance level of a column (0..1)."""
        return float(self.column_cells(column)["chance"].mean())


def _range(numbers: "pd.Series[int]") -> str:
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low}–{high}"


def _count(numbers: "pd.Series[int]", noun: str) -> str:
    """`3 splits`, or `1–3 seeds` where methods differ."""
    return f"{_range(numbers)} {noun}{'' if numbers.max() == 1 else 's'}"


def method_table(evaluations: pd.DataFrame, methods: Sequence[Method]) -> MethodTable:
    """Table 1 of the paper for these results: mean over splits and seeds of each method, dataset and protocol.

    There is a fraction of the supervised accuracy if exactly one supervised run has the same dataset and protocol and
    its accuracy is at least twice chance. Near chance, the fraction means nothing.
    """
    order = {method.run: place for place, method in enumerate(methods)}
    evaluations = evaluations[evaluations["run"].isin(list(order))]
    groups = evaluations.groupby(_CELL)
    means = [name for name in METRICS if name != "accuracy"] + ["interval_low", "interval_high", "chance"]
    cells = spread_table(evaluations, _CELL, "accuracy").rename(columns={"mean": "accuracy"})
    cells = cells.join(groups[means].mean()).join(totals_of_a_seed(evaluations, _CELL))
    cells = cells.join(groups.agg(n_splits=("split", "nunique"), n_left_out=("n_left_out", "max")))
    cells = cells.join(origins(evaluations, _CELL))
    cells["of_supervised"] = _of_supervised(cells, [method.run for method in methods if method.supervised])
    learned = [method.run for method in methods if method.learned]
    cells["best"] = _best(cells, learned, [method.run for method in methods if method.kind == SCRATCH_KIND])
    places = {"protocol": {name: place for place, name in enumerate(PROTOCOLS)}, "run": order}
    cells = cells.sort_index(key=lambda level: level.map(places[level.name]) if level.name in places else level)
    evaluated = set(evaluations["run"])
    return MethodTable([method for method in methods if method.run in evaluated], cells)


def _of_supervised(cells: pd.DataFrame, supervised: list[str]) -> np.ndarray:
    """Each accuracy as a fraction of the accuracy of the only clearly supervised run of its column, else NaN."""
    clear = cells[cells.index.isin(supervised, level="run") & (cells["accuracy"] >= 2 * cells["chance"])]
    of_column = clear.groupby(level=_COLUMN)["accuracy"].agg(["first", "size"])
    only = of_column.loc[of_column["size"] == 1, "first"]
    return np.asarray(
        cells["accuracy"] / only.reindex(list(zip(*map(cells.index.get_level_values, _COLUMN), strict=True))).to_numpy()
    )


def _best(cells: pd.DataFrame, learned: list[str], scratch: list[str]) -> "pd.Series[bool]":
    """Whether a cell is the best of several `learned` runs, with an interval above chance and scratch."""
    runs = cells.index.get_level_values("run")
    compared = cells["accuracy"].where(runs.isin(learned))
    of_column = compared.groupby(level=_COLUMN)
    of_scratch = cells["accuracy"].where(runs.isin(scratch)).groupby(level=_COLUMN).transform("max").fillna(0.0)
    clear = cells["interval_low"] > np.maximum(cells["chance"], of_scratch)
    return clear & (of_column.transform("count") > 1) & (compared == of_column.transform("max"))


@dataclass(frozen=True)
class FewShot:
    """Accuracy against the number of labelled videos per class, on one dataset (paper, table 2)."""

    dataset: str
    protocol: str
    shots: list[str]  # "1", "5", ... "all"
    chance: float
    methods: list[Method]
    cells: dict[tuple[str, str], Spread]  # by run and shots: over draws, splits and seeds


def shot_accuracies(evaluations: pd.DataFrame) -> pd.DataFrame:
    """A row for each draw of labelled videos, with its `shots` and its `accuracy`; other columns stay."""
    draws = evaluations.drop(columns="accuracy")
    draws["shots"] = [list(shots.items()) for shots in draws["shots"]]
    draws = draws.explode("shots").dropna(subset="shots")
    draws["accuracy"] = [accuracies for _, accuracies in draws["shots"]]
    draws["shots"] = [shots for shots, _ in draws["shots"]]
    return draws.explode("accuracy").dropna(subset="accuracy").astype({"accuracy": float})


def few_shot_tables(evaluations: pd.DataFrame, methods: list[Method]) -> list[FewShot]:
    """One table per dataset and protocol that has few-shot results of one of these methods."""
    tables = []
    here = evaluations[evaluations["run"].isin([method.run for method in methods])]
    draws = shot_accuracies(here)
    for (dataset, protocol), of_table in draws.groupby(_COLUMN):
        cells = spreads(of_table, ["run", "shots"], "accuracy")
        runs = set(of_table["run"])
        tables.append(
            FewShot(
                dataset=str(dataset),
                protocol=str(protocol),
                shots=sorted(set(of_table["shots"]), key=lambda shots: (shots == "all", shots.zfill(9))),
                chance=float(here.loc[of_table.index.unique(), "chance"].mean()),
                methods=[method for method in methods if method.run in runs],
                cells=cells,
            )
        )
    return tables
