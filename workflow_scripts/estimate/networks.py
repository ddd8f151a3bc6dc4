"""What training and judging the networks will take by the clock, run by run, on this machine's device."""

from collections import Counter
from pathlib import Path
from typing import Any

from workflow_scripts import config as pipeline
from workflow_scripts.artifacts import read_columns
from workflow_scripts.durations import in_words
from workflow_scripts.estimate.extrapolate import NOTHING, Line, Range, Size
from workflow_scripts.estimate.kernels import NetworkSeconds, network_seconds
from workflow_scripts.estimate.survey import Survey, videos_of_subset
from workflow_scripts.evaluation.settings import IDT_RUNS

TRAINING_SHARE, OFFICIAL_SPLITS = 0.7, {"ucf101": 3, "hmdb51": 3}


def network_lines(config: dict[str, Any], surveyed: dict[str, tuple[Survey, Size]], threads: int) -> list[Line]:
    """A line for each training, and for each protocol by which its network is judged, in hours of all seeds.

    `surveyed` are the datasets that are known, by name; `threads`: of a CPU, at most.
    """
    pretrained, seeds = config["pretraining"]["dataset"], config["pretraining"]["seeds"]
    lines = []
    for run in pipeline.needed_runs(config):
        if run in IDT_RUNS:
            continue
        values = pipeline.run_values(config, run)
        settings = pipeline.settings("pretraining", values)
        rate = network_seconds(settings, threads)
        if run in config["pretraining"]["runs"] and pretrained in surveyed:
            n_clips = videos_of_subset(*surveyed[pretrained], str(values["subset"])) * settings.epochs
            lines.append(_line("pretraining", run, n_clips * rate.trained * len(seeds), len(seeds)))
        for dataset in {name: 0 for of, _, name, _ in pipeline.evaluations(config) if of == run and name in surveyed}:
            parts = _parts(config, dataset, surveyed[dataset][1].videos)
            for protocol in config["evaluation"]["protocols"]:
                seconds = sum(_judging(config["evaluation"], protocol, rate, *part) for part in parts)
                lines.append(_line(protocol, f"{run} {dataset}", seconds * len(seeds), len(seeds) * len(parts)))
    return lines


def _line(stage: str, of: str, seconds: float, jobs: int) -> Line:
    return Line(stage, of, Range.exactly(seconds / 3600), NOTHING, NOTHING, 0, jobs, "by the clock")


def _judging(section: dict[str, Any], protocol: str, rate: NetworkSeconds, n_train: float, n_test: float) -> float:
    """Seconds of a split: finetuning trains and then asks about clips of the test videos, few-shot asks about all."""
    if protocol == "few_shot":
        return rate.asked * section["clips"] * (n_train + n_test)
    epochs, held_out = section["finetune_epochs"], section["finetune_validation_fraction"] * n_train
    trained = (n_train - held_out) * epochs + (n_train * epochs if section.get("finetune_refit") else 0)
    return rate.trained * trained + rate.asked * (held_out * epochs + section["clips"] * n_test)


def _parts(config: dict[str, Any], dataset: str, n_videos: float) -> list[tuple[float, float]]:
    """Videos to train on and to test, of each split: from its table, or what is usual where that is not there."""
    table = Path(f"results/{dataset}/videos/splits.tsv")
    if table.exists() and (rows := read_columns(table)):
        counts = Counter((row["split"], row["part"]) for row in rows)
        return [(counts[split, "train"], counts[split, "test"]) for split in sorted({split for split, _ in counts})]
    described = config["datasets"][dataset]
    share = 1 - described["test_fraction"] if described["splits"] == "random" else TRAINING_SHARE
    n_splits = described["n_splits"] if described["splits"] == "random" else OFFICIAL_SPLITS.get(described["layout"], 1)
    return [(share * n_videos, (1 - share) * n_videos)] * n_splits


def network_text(lines: list[Line], device: str) -> list[str]:
    """The lines as people read them."""
    rows = [f"- {line.stage} {line.of}: {in_words(3600 * line.hours.value)}" for line in lines]
    total = in_words(3600 * sum(line.hours.value for line in lines))
    return [
        f"Networks on {device}, by the clock, all seeds and splits, without loading clips:",
        "",
        *rows,
        f"- all: {total}",
    ]
