"""What a reader must know of the runs of a table that no single value of the config says."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.config import run_values
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.report.departures import with_ancestors

WITHOUT_LABELS = ("instance", "local_aggregation")


def remarks(config: dict[str, Any], runs: Iterable[str], splits: dict[str, set[int]]) -> list[str]:
    """Sentences about these runs, judged on `splits`, numbers by dataset; config: resolved.

    Which runs saw the test videos without their labels, and which were trained on crops that had to be enlarged.
    """
    runs = list(runs)
    trained = with_ancestors(runs, config["pretraining"]["runs"])
    networks = {name: run_values(config, name) for name in trained}
    lines: dict[str, list[str]] = {}
    for dataset, numbers in splits.items():
        for name in (name for name in runs if name in trained):
            line = [name, *with_ancestors([name], config["pretraining"]["runs"])]
            seen = {_seen(config, networks[one], dataset, numbers) for one in line} - {""}
            if seen:
                most = "the test videos" if "the test videos" in seen else seen.pop()
                lines.setdefault(f"saw {most} of {dataset} in pretraining, without labels", []).append(name)
    if of_idt := [name for name in runs if name in IDT_RUNS]:
        what = "takes its PCA and mixture from a sample of the judged dataset, test videos included, without labels"
        lines[what] = of_idt
    for name, values in networks.items():
        smallest = int(values["short_side"] * 2 ** (-(values["scales"] - 1) / 4))
        if smallest < values["size"]:
            what = (
                f"learned from frames of {values['short_side']} pixels: training crops of {smallest} to "
                f"{values['short_side']} pixels became {values['size']}, and those that are enlarged are blurred"
            )
            lines.setdefault(what, []).append(name)
    return [f"{', '.join(names)}: {what}." for what, names in lines.items()]


def _seen(config: dict[str, Any], run: dict[str, Any], dataset: str, numbers: set[int]) -> str:
    """Which test videos of a dataset a training saw without labels; empty for none."""
    if run["objective"] not in WITHOUT_LABELS or not _overlap(config, config["pretraining"]["dataset"], dataset):
        return ""
    subset = str(run["subset"])
    if subset == "all":
        return "the test videos"
    if subset.startswith("split") and subset[5:].isdecimal():
        others = sorted(numbers - {int(subset[5:])})
        return f"test videos of split {', '.join(map(str, others))}" if others else ""
    return "some of the test videos"


def _overlap(config: dict[str, Any], one: str, other: str) -> bool:
    """Whether two datasets are the same, or one's folder of videos is in the other's."""
    if one == other:
        return True
    roots = [config["datasets"].get(name, {}).get("root") for name in (one, other)]
    if not all(roots):
        return False
    first, second = (Path(os.path.realpath(root)) for root in roots)
    return first.is_relative_to(second) or second.is_relative_to(first)
