"""The tables as files (TSV), all methods in one: accuracies in long form, and what the clusters agree with."""

from pathlib import Path
from typing import Any

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.report.page.tables import Agreement, FewShot, MethodTable, Spread, kind_of_label


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.6f}"


def _spread(spread: Spread, name: str) -> dict[str, Any]:
    return {name: _share(spread.mean), "sd": _share(spread.sd), "n_values": spread.n, "n_seeds": spread.n_seeds}


def write_method_table(
    table: MethodTable, few_shot: list[FewShot], baselines: dict[str, dict[str, Any]], path: Path
) -> None:
    """Writes a row per method, dataset, protocol and number of labelled videos per class (`shots`: 1, ..., all).

    Each metric of METRICS has a column. Shares are in 0..1; `sd` is that of the accuracy, as in `Spread`; the 95 %
    interval is that of a single split and seed, over its test videos: bounds are averaged over splits and seeds, of
    which it is no joint interval. `splits`, `n_train` (of which fewer shots take that many of a class) and
    `config_digests` are as `origin` says.
    """
    metrics = [name for name in METRICS if name != "accuracy"]
    names = [*"run method dataset protocol shots accuracy sd interval_low interval_high".split(), *metrics]
    names += "n_values n_seeds n_splits splits n_train n_test n_left_out chance of_supervised config_digests".split()
    fewer = {(run, few.dataset, shots): spread for few in few_shot for (run, shots), spread in few.cells.items()}
    rows: list[dict[str, Any]] = []
    for dataset, protocol in table.columns:
        for method in table.methods:
            cell = table.cells.get((method.run, (dataset, protocol)))
            if cell is None:
                continue
            row = {"run": method.run, "method": method.title, "dataset": dataset, "protocol": protocol}
            row |= {name: str(getattr(cell, name)) for name in ("n_splits", "n_test", "n_left_out")} | cell.origin
            chance = {"chance": _share(cell.chance)}
            shots = [few.shots for few in few_shot if few.dataset == dataset and protocol == "linear"]
            for shot in [shot for found in shots for shot in found if shot != "all"]:
                if spread := fewer.get((method.run, dataset, shot)):
                    rows.append(row | chance | {"shots": shot} | _spread(spread, "accuracy"))
            row |= {"shots": "all"}
            shares = {name: _share(cell.metrics.get(name)) for name in metrics}
            shares |= {"interval_low": _share(cell.interval[0]), "interval_high": _share(cell.interval[1])}
            shares |= {"of_supervised": _share(cell.of_supervised)}
            rows.append(row | chance | shares | _spread(cell.accuracy, "accuracy"))
    for dataset, baseline in sorted(baselines.items()):
        row = {"run": "baseline", "method": baseline["name"], "dataset": dataset}
        rows.append(row | {"accuracy": _share(baseline["accuracy"])})
    write_columns(path, rows, names)


def write_cluster_table(agreements: list[Agreement], path: Path) -> None:
    """Writes a row per clustering, kind of label (motion or class, scene) and score (NMI, AMI); `sd` as in `Spread`."""
    rows = [
        {"run": row.name, "method": row.title, "label": label, "score": score, "n_videos": row.n_videos}
        | {"n_clusters": row.n_clusters}
        | _spread(spread, "value")
        for row in agreements
        for label, scores in ((kind_of_label(agreements), row.motion), ("scene", row.scene))
        for score, spread in zip(("NMI", "AMI"), scores or (), strict=False)
    ]
    write_columns(path, rows, "run method label score value sd n_values n_seeds n_videos n_clusters".split())
