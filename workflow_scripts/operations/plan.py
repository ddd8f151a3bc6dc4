"""The plan that a run prints at its start: its trainings and evaluations, with known durations.

Snakemake counts jobs, most of which are short, so its percentage says little about the remaining time.
"""

from collections import defaultdict
from collections.abc import Collection, Sized
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow_scripts.configuration import paths
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
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.ground.durations import in_words
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detectors import DETECTORS

RESULTS = Path("results")
SHOWN = 12  # trainings


def plan(config: dict[str, Any], pending: Collection[str], report: bool, tables: Collection[str]) -> list[str]:
    """The trainings and evaluations that are still to do, a line each.

    Args:
        config: The resolved config.
        pending: Outputs that exist and will be made again.
        report: Whether the report is made, which needs all evaluations of the section `evaluation`.
        tables: The tables that are made.
    """
    lines = _trainings(config, [*(evaluated_runs(config) if report else []), *table_runs(config, tables)], pending)
    requested = [*(evaluations(config) if report else []), *table_evaluations(config, tables)]
    lines += _evaluations(config, requested, pending)
    return lines and ["Plan (made again if inputs change):", *(f"  {line}" for line in lines)]


def missing_detectors(config: dict[str, Any]) -> list[str]:
    """A sentence per detector that is not installed and that still has to detect persons.

    The persons of pretraining.dataset are detected. For the first descriptors, so are those of the datasets on which
    the runs of IDT are evaluated. Networks need no persons.
    """
    sentences = []
    pretrained = config["pretraining"]["dataset"]
    idt_datasets = {evaluation.dataset for evaluation in all_evaluations(config) if evaluation.run in IDT_RUNS}
    for name, descriptors in config["descriptors"].items():
        detector = detector_of(config, name)
        if detector == "none" or DETECTORS[detector].is_installed:
            continue
        is_of_idt_runs = name == next(iter(config["descriptors"]))
        described = {pretrained, *(idt_datasets if is_of_idt_runs else [])}
        if not all(_has_persons(dataset, detector) for dataset in described):
            sentences.append(
                f"config: descriptors.{name}.boxes: {descriptors['boxes']} is not installed; install it (README, "
                f'"Your own videos"), or set descriptors.{name}.boxes to hog or none'
            )
    return sentences


def _has_persons(dataset: str, detector: str) -> bool:
    """Whether the persons of all shards of a dataset are detected."""
    folder = RESULTS / dataset / "persons" / detector
    shards = [path.stem for path in (RESULTS / dataset / "videos" / "shards").glob("*.tsv")]
    return bool(shards) and all((folder / f"{shard}.h5").exists() for shard in shards)


def _is_to_do(output: Path, pending: Collection[str]) -> bool:
    return not output.exists() or str(output) in pending


def _split_numbers(dataset: str) -> set[int]:
    """The numbers of a dataset's splits; empty if they are not known yet."""
    with suppress(OSError, KeyError, ValueError, StageError):
        return set(read_json(RESULTS / dataset / "videos" / "splits.json")["numbers"])
    return set()


def _trainings(config: dict[str, Any], runs: list[str], pending: Collection[str]) -> list[str]:
    """A line per training that these runs need, with its duration if known."""
    lines = []
    for run in needed_runs(config, runs):
        if run not in config["pretraining"]["runs"]:
            continue
        epochs = run_values(config, run)["epochs"]
        for seed in config["pretraining"]["seeds"]:
            model = Path(paths.MODEL.format(run=run, seed=seed))
            if _is_to_do(model, pending):
                duration = _training_duration(model, run, config["pretraining"]["dataset"])
                lines.append(f"train {run}, seed {seed}: {epochs} epoch{'s' * (epochs != 1)}{duration}")
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more trainings"]
    return lines


def _evaluations(config: dict[str, Any], requested: list[Evaluation], pending: Collection[str]) -> list[str]:
    """A line per dataset for features, and per dataset and protocol: the number of models and the duration."""
    numbers = {evaluation.dataset: _split_numbers(evaluation.dataset) for evaluation in requested}
    models: dict[tuple[str, str], set[tuple[str, int]]] = defaultdict(set)
    seconds: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    without_features: set[Evaluation] = set()

    def add(evaluation: Evaluation, durations: list[float | None]) -> None:
        models[evaluation.dataset, evaluation.protocol].add((evaluation.run, evaluation.seed))
        seconds[evaluation.dataset, evaluation.protocol] += durations
        if PROTOCOLS[evaluation.protocol].input == "features" and _is_to_do(_features(evaluation), pending):
            without_features.add(evaluation._replace(protocol="", splits=()))

    for evaluation in requested:
        if not numbers[evaluation.dataset]:  # None means the other splits, whose number is unknown
            add(evaluation, [_estimated(evaluation.protocol, evaluation.run, evaluation.dataset), None])
    known = [evaluation for evaluation in requested if numbers[evaluation.dataset]]
    for name, evaluation in result_files(config, known, numbers.__getitem__).items():
        if _is_to_do(Path(name), pending):
            add(evaluation, [_seconds(Path(name), evaluation.protocol, evaluation.run, evaluation.dataset)])
    lines = []
    for dataset in numbers:
        networks = [evaluation for evaluation in without_features if evaluation.dataset == dataset]
        if networks:
            duration = _total([_seconds(_features(network), "features", network.run, dataset) for network in networks])
            lines.append(f"compute features of {dataset}: {_count(networks)}{duration}")
    return lines + [
        f"evaluate on {dataset}, {protocol}: {_count(evaluated)} on each split{_total(seconds[dataset, protocol])}"
        for (dataset, protocol), evaluated in models.items()
    ]


def _features(evaluation: Evaluation) -> Path:
    return Path(paths.FEATURES.format(run=evaluation.run, seed=evaluation.seed, dataset=evaluation.dataset))


def _count(models: Sized) -> str:
    return f"{len(models)} model{'s' * (len(models) != 1)}"


def _total(seconds: list[float | None]) -> str:
    """The duration of these jobs as text; empty if no duration is known."""
    known = [number for number in seconds if number is not None]
    if not known:
        return ""
    return f", {'about' if len(known) == len(seconds) else 'at least'} {in_words(sum(known))}"


def _training_duration(model: Path, run: str, dataset: str) -> str:
    """The duration of a training as text: that of the last run or of `make estimate`; empty if neither is known."""
    if (seconds := _last_time(model)) is not None:
        return f", {in_words(seconds)} the last time"
    if (seconds := _estimated("pretraining", run, dataset)) is not None:
        return f", about {in_words(seconds)} (make estimate)"
    return ""


def _seconds(output: Path, stage: str, run: str, dataset: str) -> float | None:
    """The seconds of the job that makes `output`: those of the last run or of `make estimate`."""
    return _last_time(output) or _estimated(stage, run, dataset)


def _last_time(output: Path) -> float | None:
    """The seconds that a job took the last time, from its benchmark file."""
    with suppress(OSError, KeyError, ValueError, IndexError, StageError):
        benchmark = Path(paths.benchmark(str(output)))
        return float(read_columns(benchmark)[-1]["s"])
    return None


def _estimated(stage: str, run: str, dataset: str) -> float | None:
    """The seconds that `make estimate` found for one job of the stages pretraining, finetune or features."""
    with suppress(OSError, KeyError, ValueError, StageError):
        for row in read_columns(RESULTS / "estimate" / "cost.tsv"):
            if (row["stage"], row["of"], row["dataset"]) == (stage, run, dataset):
                return 3600 * float(row["hours_value"]) / float(row["jobs"])
    return None
