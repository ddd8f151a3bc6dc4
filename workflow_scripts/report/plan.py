"""What a run is going to do, told at its start: its trainings and evaluations, and how long each takes where known.

Snakemake's own count is of jobs, most of which are short: it says 81 % before most of the work.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workflow_scripts import config as pipeline
from workflow_scripts.artifacts import read_columns
from workflow_scripts.durations import in_words

RESULTS = Path("results")
SHOWN = 12  # trainings


def plan(config: dict[str, Any], pending: Collection[str]) -> list[str]:
    """Lines that tell which trainings and evaluations are to come; `pending` are outputs known to be made again."""
    lines = []
    for run in pipeline.needed_runs(config):
        if run not in config["pretraining"]["runs"]:
            continue
        epochs = pipeline.run_values(config, run)["epochs"]
        for seed in config["pretraining"]["seeds"]:
            model = RESULTS / "pretraining" / run / f"seed{seed}" / "model.pt"
            if _to_do(model, pending):
                lines.append(f"train {run}, seed {seed}: {epochs} epochs{_known(config, 'pretraining', run, seed)}")
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more trainings"]
    asked = Counter((dataset, protocol) for _, _, dataset, protocol in _evaluations(config, pending))
    lines += [
        f"judge on {dataset}, {protocol}: {number} models on each split"
        for (dataset, protocol), number in asked.items()
    ]
    return lines and ["Plan (made anew where inputs change):", *(f"  {line}" for line in lines)]


def missing_detectors(config: dict[str, Any]) -> list[str]:
    """Sentences about detectors of people that persons are yet to be found by and that are not installed here."""
    sentences = []
    for name, features in config["features"].items():
        package = pipeline.detector(config, name)
        if package not in ("detectron2", "torchvision") or find_spec(package):
            continue
        shards = [
            (RESULTS / dataset / "persons" / package / path.name).with_suffix(".h5")
            for dataset in pipeline.used_datasets(config)
            for path in (RESULTS / dataset / "videos" / "shards").glob("*.tsv")
        ]
        if not shards or not all(shard.exists() for shard in shards):
            sentences.append(
                f"config: features.{name}.boxes: {features['boxes']} is not installed here; install it (README, "
                f'"Your own videos"), or set features.{name}.boxes to hog or none'
            )
    return sentences


def _to_do(output: Path, pending: Collection[str]) -> bool:
    return not output.exists() or str(output) in pending


def _evaluations(config: dict[str, Any], pending: Collection[str]) -> Iterator[tuple[str, int, str, str]]:
    """The evaluations of which a split's result is not there; where none is known yet, all."""
    for run, seed, dataset, protocol in pipeline.evaluations(config):
        table = RESULTS / dataset / "videos" / "splits.tsv"
        splits = {row["split"] for row in read_columns(table)} if table.exists() else set()
        folder = RESULTS / "evaluation" / run / f"seed{seed}" / dataset
        if not splits or any(_to_do(folder / f"split{split}" / f"{protocol}.json", pending) for split in splits):
            yield run, seed, dataset, protocol


def _known(config: dict[str, Any], stage: str, run: str, seed: int) -> str:
    """How long the job took the last time, or what `make estimate` says; empty where neither is there."""
    with suppress(OSError, KeyError, ValueError, IndexError):
        benchmark = RESULTS / "benchmarks" / stage / run / f"seed{seed}.tsv"
        return f", {in_words(float(read_columns(benchmark)[-1]['s']))} the last time"
    with suppress(OSError, KeyError, ValueError):
        for row in read_columns(RESULTS / "estimate" / "cost.tsv"):
            if row["stage"] == stage and row["of"] == run:
                seconds = 3600 * float(row["hours_value"]) / float(row["jobs"])
                return f", about {in_words(seconds)} by make estimate"
    return ""
