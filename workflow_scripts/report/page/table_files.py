"""The page's tables with all methods, as TSV files: accuracies, and agreement of clusters with labels."""

from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.report.page.accuracies import FewShot, MethodTable
from workflow_scripts.report.page.agreements import SCORES, Agreement, Words
from workflow_scripts.report.page.spread import Spread
from workflow_scripts.videos.tables import write_table

_OTHER_METRICS = [name for name in METRICS if name != "accuracy"]
_SHARES = [*_OTHER_METRICS, "interval_low", "interval_high", "of_supervised"]  # only of all shots
_OF_CELL = ["n_splits", "splits", "n_train", "n_test", "n_left_out", "chance", "config_digests"]  # also of few shots
METHOD_COLUMNS = [
    *("run", "method", "dataset", "protocol", "shots", "accuracy", "sd", "interval_low", "interval_high"),
    *(*_OTHER_METRICS, "n_values", "n_seeds", "n_splits", "splits", "n_train", "n_test", "n_left_out"),
    *("chance", "of_supervised", "config_digests"),
]
CLUSTER_COLUMNS = "run method label score value sd n_values n_seeds n_videos n_clusters".split()


def _of_spread(spread: Spread, name: str) -> dict[str, Any]:
    return {name: spread.mean, "sd": spread.sd, "n_values": spread.n, "n_seeds": spread.n_seeds}


def _write(path: Path, rows: list[dict[str, Any]], columns: list[str], shares: list[str]) -> None:
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    table[shares] = table[shares].map(lambda share: f"{share:.6f}", na_action="ignore")
    write_table(path, table)


def write_method_table(
    table: MethodTable, few_shot: list[FewShot], baselines: dict[str, dict[str, Any]], path: Path
) -> None:
    """Writes a row per method, dataset, protocol and number of labelled videos per class (`shots`: 1, ..., all).

    The columns are as in `MethodTable`; `method` is the title, and the accuracy is the mean of `n_values` values. For
    fewer shots than all, `n_train` is the training part, from which that many videos per class are drawn.

    Args:
        table: The accuracies with all labels.
        few_shot: The accuracies with few labels.
        baselines: Name and accuracy of a baseline, by dataset.
        path: Output, TSV.
    """
    fewer = {(few.dataset, few.protocol): few for few in few_shot}
    rows: list[dict[str, Any]] = []
    for column in table.columns:
        for method in table.methods:
            cell = table.cell(method.run, column)
            accuracy = table.accuracy(method.run, column)
            if cell is None or accuracy is None:
                continue
            dataset, protocol = column
            row = {"run": method.run, "method": method.title, "dataset": dataset, "protocol": protocol}
            row |= {name: cell[name] for name in _OF_CELL}
            few = fewer.get(column)
            for shots in few.shots if few else []:
                if shots != "all" and (spread := few and few.cells.get((method.run, shots))):
                    rows.append(row | {"shots": shots} | _of_spread(spread, "accuracy"))
            rows.append(row | {name: cell[name] for name in _SHARES} | {"shots": "all"})
            rows[-1] |= _of_spread(accuracy, "accuracy")
    for dataset, baseline in sorted(baselines.items()):
        row = {"run": "baseline", "method": baseline["name"], "dataset": dataset}
        rows.append(row | {"accuracy": float(baseline["accuracy"])})
    _write(path, rows, METHOD_COLUMNS, ["accuracy", "sd", "chance", *_SHARES])


def write_cluster_table(agreements: list[Agreement], words: Words, path: Path) -> None:
    """Writes a row per clustering, kind of label (see `Words`) and score (NMI, AMI); `sd` as in `Spread`."""
    rows = [
        {"run": row.name, "method": row.title, "label": label, "score": score, "n_videos": row.n_videos}
        | {"n_clusters": row.n_clusters}
        | _of_spread(spread, "value")
        for row in agreements
        for label, spreads in zip(words, (row.motion, row.place), strict=True)
        for score, spread in zip(SCORES, spreads or (), strict=False)
    ]
    _write(path, rows, CLUSTER_COLUMNS, ["value", "sd"])
