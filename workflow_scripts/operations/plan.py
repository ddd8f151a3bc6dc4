"""The plan that a run prints at its start: its trainings and evaluations, and their durations as far as known.

Snakemake counts jobs, most of which are short: it prints 81 % before most of the work is done.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow_scripts.configuration.datasets import detector_of
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.evaluation.evaluations import (
    Evaluation,
    all_evaluations,
    evaluated_runs,
    evaluations,
    needed_runs,
    result_files,
    table_evaluations,
    table_runs,
)
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.ground.durations import in_words
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detectors import DETECTORS

RESULTS = Path("results")
SHOWN = 12  # trainings


def plan(config: dict[str, Any], pending: Collection[str], report: bool, tables: Collection[str]) -> list[str]:
    """Lines with the trainings and evaluations that are still to come.

    `report`: whether the report is made, which needs all that `evaluation` names; `tables`: the tables that are made;
    `pending`: outputs that are there and will be made again.
    """
    runs = [*(evaluated_runs(config) if report else []), *table_runs(config, tables)]
    lines = []
    for run in needed_runs(config, runs):
        if run not in config["pretraining"]["runs"]:
            continue
        epochs = run_values(config, run)["epochs"]
        for seed in config["pretraining"]["seeds"]:
            model = RESULTS / "pretraining" / run / f"seed{seed}" / "model.pt"
            if _to_do(model, pending):
                duration = _known(model.parent, run, config["pretraining"]["dataset"])
                lines.append(f"train {run}, seed {seed}: {epochs} epoch{'s' * (epochs != 1)}{duration}")
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more trainings"]
    wanted = [*(evaluations(config) if report else []), *table_evaluations(config, tables)]
    lines += _judging(config, wanted, pending)
    return lines and ["Plan (made anew where inputs change):", *(f"  {line}" for line in lines)]


def missing_detectors(config: dict[str, Any]) -> list[str]:
    """A sentence for each detector that is not installed here and that still has to find people.

    People are found on pretraining.dataset and, by the first descriptors, where the runs of IDT are judged: networks
    need no people.
    """
    sentences = []
    pretrained = config["pretraining"]["dataset"]
    judged_by_idt = {one.dataset for one in all_evaluations(config) if one.run in IDT_RUNS}
    for name, descriptors in config["descriptors"].items():
        detector = detector_of(config, name)
        if detector == "none" or DETECTORS[detector].is_installed:
            continue
        is_of_idt_runs = name == next(iter(config["descriptors"]))
        described = {pretrained, *(judged_by_idt if is_of_idt_runs else [])}
        if not all(_persons_found(dataset, detector) for dataset in described):
            sentences.append(
                f"config: descriptors.{name}.boxes: {descriptors['boxes']} is not installed here; install it (README, "
                f'"Your own videos"), or set descriptors.{name}.boxes to hog or none'
            )
    return sentences


def _persons_found(dataset: str, detector: str) -> bool:
    """Whether the persons of all shards of a dataset are there."""
    folder = RESULTS / dataset / "persons" / detector
    shards = [path.stem for path in (RESULTS / dataset / "videos" / "shards").glob("*.tsv")]
    return bool(shards) and all((folder / f"{shard}.h5").exists() for shard in shards)


def _to_do(output: Path, pending: Collection[str]) -> bool:
    return not output.exists() or str(output) in pending


def _split_numbers(dataset: str) -> set[int]:
    """The numbers of a dataset's splits; none where they are not known yet."""
    with suppress(OSError, KeyError, ValueError, StageError):
        return set(read_json(RESULTS / dataset / "videos" / "splits.json")["numbers"])
    return set()


def _judging(config: dict[str, Any], wanted: Iterable[Evaluation], pending: Collection[str]) -> list[str]:
    """A line for each dataset and protocol: how many models are yet to be judged on it, and how long that takes."""
    numbers = {one.dataset: _split_numbers(one.dataset) for one in wanted}
    models: dict[tuple[str, str], set[tuple[str, int]]] = defaultdict(set)
    seconds: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for one in wanted:
        if not numbers[one.dataset]:
            models[one.dataset, one.protocol].add((one.run, one.seed))
            split = _estimated(one.protocol, one.run, one.dataset)
            seconds[one.dataset, one.protocol] += [split, None]  # the number of splits is not known
    known = [one for one in wanted if numbers[one.dataset]]
    for name, one in result_files(config, known, numbers.__getitem__).items():
        if _to_do(Path(name), pending):
            models[one.dataset, one.protocol].add((one.run, one.seed))
            known_seconds = _last_time(Path(name)) or _estimated(one.protocol, one.run, one.dataset)
            seconds[one.dataset, one.protocol].append(known_seconds)
    return [
        f"judge on {dataset}, {protocol}: {len(judged)} model{'s' * (len(judged) > 1)} on each split"
        f"{_in_all(seconds[dataset, protocol])}"
        for (dataset, protocol), judged in models.items()
    ]


def _in_all(seconds: list[float | None]) -> str:
    """The duration of these jobs as text; empty if that of no job is known."""
    known = [number for number in seconds if number is not None]
    if not known:
        return ""
    return f", {'about' if len(known) == len(seconds) else 'at least'} {in_words(sum(known))}"


def _known(folder: Path, run: str, dataset: str) -> str:
    """The duration of a training as text: of the last time, or by `make estimate`; empty if neither is known."""
    if (seconds := _last_time(folder)) is not None:
        return f", {in_words(seconds)} the last time"
    if (seconds := _estimated("pretraining", run, dataset)) is not None:
        return f", about {in_words(seconds)} by make estimate"
    return ""


def _last_time(output: Path) -> float | None:
    """The seconds that a job took the last time, from its benchmark file."""
    with suppress(OSError, KeyError, ValueError, IndexError, StageError):
        benchmark = RESULTS / "benchmarks" / output.relative_to(RESULTS).with_suffix(".tsv")
        return float(read_columns(benchmark)[-1]["s"])
    return None


def _estimated(stage: str, run: str, dataset: str) -> float | None:
    """The seconds of one job by `make estimate`."""
    with suppress(OSError, KeyError, ValueError, StageError):
        for row in read_columns(RESULTS / "estimate" / "cost.tsv"):
            if (row["stage"], row["of"], row["dataset"]) == (stage, run, dataset):
                return 3600 * float(row["hours_value"]) / float(row["jobs"])
    return None
