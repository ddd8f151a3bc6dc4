"""The wall-clock time of the training and evaluation of each run's network on this machine's device."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from workflow_scripts.configuration.runs import run_values, training_threads
from workflow_scripts.configuration.stage_settings import stage_settings
from workflow_scripts.evaluation.evaluations import Evaluation, all_evaluations, evaluated_splits, needed_runs
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.durations import in_words
from workflow_scripts.operations.estimate.extrapolate import NOTHING, Line, Range, Size
from workflow_scripts.operations.estimate.kernels import NetworkSeconds, network_seconds
from workflow_scripts.operations.estimate.survey import Survey, videos_of_subset
from workflow_scripts.pretraining.loading_rate import loading_cores
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.videos.layouts import LAYOUTS

TRAINING_SHARE = 0.7  # fraction of the videos that official splits train on

Part = tuple[float, float]  # videos of a split to train on, and to test


def network_lines(
    config: dict[str, Any],
    surveyed: dict[str, tuple[Survey, Size]],
    cores: int,
    speed: Callable[[PretrainingSettings, int], NetworkSeconds] | None = None,
) -> list[tuple[str, Line]]:
    """The cost of each training, and of the finetuning and the features of its network.

    Args:
        config: The resolved config.
        surveyed: The survey and the size of each dataset, by name. Other datasets are left out.
        cores: The most cores of a CPU to use.
        speed: Returns the speed of a network on so many cores. None: `network_seconds` measures it.

    Returns:
        Lines with their dataset, in hours of all seeds. The protocols linear and knn have no lines: they take little
        time once there are features.
    """
    speed = speed or network_seconds
    pretrained, seeds = config["pretraining"]["dataset"], config["pretraining"]["seeds"]
    batch = config["evaluation"]["finetune_batch_size"]
    evaluations = dict.fromkeys(each._replace(seed=seeds[0]) for each in all_evaluations(config))
    lines = []
    for run in needed_runs(config):
        if run in IDT_RUNS:
            continue
        values = run_values(config, run)
        settings = stage_settings("pretraining", values)
        if run in config["pretraining"]["runs"] and pretrained in surveyed:
            rate = speed(settings, min(cores, training_threads(config, run)))
            n_clips = videos_of_subset(*surveyed[pretrained], str(values["subset"])) * settings.epochs
            line = _line("pretraining", run, n_clips * rate.trained * len(seeds), len(seeds))
            lines.append((pretrained, replace(line, loading_cores=_loading_cores(values, rate))))
        parts_of: dict[tuple[str, str], dict[int, Part]] = {}
        for evaluation in evaluations:
            if evaluation.run == run and evaluation.dataset in surveyed:
                parts = _parts(config, evaluation, surveyed[evaluation.dataset][1].videos)
                stage = "features" if PROTOCOLS[evaluation.protocol].input == "features" else evaluation.protocol
                parts_of.setdefault((evaluation.dataset, stage), {}).update(parts)
        for (dataset, stage), parts in parts_of.items():
            threads = min(cores, training_threads(config, run, batch))
            rate = speed(replace(settings, batch_size=batch), threads)
            if stage == "features":  # one file serves all splits
                seconds = [rate.forward * config["evaluation"]["clips"] * max(map(sum, parts.values()))]
            else:
                seconds = [_finetuning(config["evaluation"], rate, *part) for part in parts.values()]
            line = _line(stage, run, sum(seconds) * len(seeds), len(seconds) * len(seeds))
            trains = stage != "features"
            lines.append((dataset, replace(line, loading_cores=_loading_cores(values, rate) if trains else 0)))
    return lines


def _loading_cores(values: dict[str, Any], rate: NetworkSeconds) -> float:
    return loading_cores(1 / rate.trained, values["clip_length"], values["short_side"])


def _line(stage: str, of: str, seconds: float, jobs: int) -> Line:
    return Line(stage, of, Range.exactly(seconds / 3600), NOTHING, NOTHING, 0, jobs, hours_of="device")


def _finetuning(section: dict[str, Any], rate: NetworkSeconds, n_train: float, n_test: float) -> float:
    """The seconds of a split: the training, and a forward pass of the test videos' clips."""
    epochs, held_out = section["finetune_epochs"], section["finetune_validation_fraction"] * n_train
    trained = (n_train - held_out) * epochs + (n_train * epochs if section["finetune_refit"] else 0)
    return rate.trained * trained + rate.forward * (held_out * epochs + section["clips"] * n_test)


def _parts(config: dict[str, Any], evaluation: Evaluation, n_videos: float) -> dict[int, Part]:
    """The numbers of training and test videos by split: from splits.tsv, or by the layout if it does not exist yet."""
    dataset = evaluation.dataset
    table = Path(f"results/{dataset}/videos/splits.tsv")
    if table.exists() and (rows := read_columns(table)):
        counts = Counter((int(row["split"]), row["part"]) for row in rows)
        parts = {split: (float(counts[split, "train"]), float(counts[split, "test"])) for split, _ in counts}
    else:
        settings = stage_settings("videos", config["datasets"][dataset], "DatasetSettings")
        is_random = settings.kind_of_splits == "random"
        share = 1 - settings.test_fraction if is_random else TRAINING_SHARE
        n_splits = settings.n_splits if is_random else max(1, LAYOUTS[settings.layout].n_official_splits)
        parts = {1 + split: (share * n_videos, (1 - share) * n_videos) for split in range(n_splits)}
    return {split: parts[split] for split in evaluated_splits(config, evaluation, parts)}


def network_text(lines: list[tuple[str, Line]], device: str, cores: int) -> list[str]:
    """The lines with their datasets as text, and whether `cores` load the clips of each training fast enough."""
    rows = [f"- {line.stage} {line.of} on {dataset}: {in_words(3600 * line.hours.value)}" for dataset, line in lines]
    total = in_words(3600 * sum(line.hours.value for _, line in lines))
    return [
        f"Networks on {device}, wall-clock time of all seeds and splits, without loading clips:",
        "",
        *rows,
        f"- all: {total}",
        "",
        f"Loading of clips. A training on a GPU takes one of {cores} cores, and the others load:",
        "",
        *(_loading_text(dataset, line, cores) for dataset, line in lines if line.loading_cores),
    ]


def _loading_text(dataset: str, line: Line, cores: int) -> str:
    loading, needed = max(1, cores - 1), line.loading_cores
    text = f"- {line.stage} {line.of} on {dataset} learns as fast as {needed:.2g} cores load: it "
    if needed <= loading:
        return text + "does not wait for clips"
    return text + f"waits for clips and takes {needed / loading:.2g} x the time above; ask for {ceil(needed) + 1} cores"
