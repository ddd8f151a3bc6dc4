"""The evaluations that a config requests: which run, on which splits of which dataset, by which protocol."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from workflow_scripts.configuration.paths import RESULT
from workflow_scripts.evaluation.label_leakage import only_split
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.settings import lineage


class Evaluation(NamedTuple):
    """The evaluation of a run by a protocol on `splits` of a dataset; no splits: on all of them."""

    run: str
    seed: int
    dataset: str
    protocol: str
    splits: tuple[int, ...] = ()


def evaluated_runs(config: dict[str, Any]) -> list[str]:
    """The runs in `evaluation.runs`; all runs if it is empty."""
    return list(config["evaluation"]["runs"]) or ["scratch", *config["pretraining"]["runs"], "idt"]


def table_runs(config: dict[str, Any], tables: Iterable[str] | None = None) -> list[str]:
    """The runs in the rows of `tables`, which are names in `report.tables`; default: all tables."""
    entries = config["report"]["tables"]
    return [
        row["run"]
        for table in (entries if tables is None else tables)
        for row in entries[table]["rows"]
        if "run" in row
    ]


def needed_runs(config: dict[str, Any], runs: Iterable[str] | None = None) -> list[str]:
    """The runs and those that they start from, which come first. Default: the runs of `evaluation` and all tables."""
    if runs is None:
        runs = [*evaluated_runs(config), *table_runs(config)]
    trainings = config["pretraining"]["runs"]
    return list(dict.fromkeys(name for run in runs for name in reversed(lineage(trainings, run) or [run])))


def evaluations(config: dict[str, Any]) -> Iterator[Evaluation]:
    """The evaluations that the section `evaluation` requests."""
    section = config["evaluation"]
    return _evaluations(config, evaluated_runs(config), section["datasets"], section["protocols"], section["splits"])


def table_evaluations(config: dict[str, Any], tables: Iterable[str] | None = None) -> Iterator[Evaluation]:
    """The evaluations that `tables` need, which are names in `report.tables`; default: all tables."""
    entries = config["report"]["tables"]
    for table in entries if tables is None else tables:
        entry = entries[table]
        datasets = entry["datasets"] or config["evaluation"]["datasets"]
        yield from _evaluations(config, table_runs(config, [table]), datasets, [entry["protocol"]], entry["splits"])


def all_evaluations(config: dict[str, Any]) -> Iterator[Evaluation]:
    """The evaluations that the section `evaluation` and the tables request."""
    yield from evaluations(config)
    yield from table_evaluations(config)


def result_files(
    config: dict[str, Any], requested: Iterable[Evaluation], split_numbers: Callable[[str], Collection[int]]
) -> dict[str, Evaluation]:
    """The result files of the requested evaluations.

    Args:
        config: The resolved config.
        requested: The evaluations.
        split_numbers: Returns the numbers of a dataset's splits.

    Returns:
        The evaluation of each result file.

    Raises:
        StageError: A run is trained or evaluated on a split that the dataset does not have.
    """
    requested = list(requested)
    numbers = {dataset: split_numbers(dataset) for dataset in dict.fromkeys(each.dataset for each in requested)}
    return {
        RESULT.format(**{**evaluation._asdict(), "split": split}): evaluation
        for evaluation in requested
        for split in evaluated_splits(config, evaluation, numbers[evaluation.dataset])
    }


def evaluated_splits(config: dict[str, Any], evaluation: Evaluation, numbers: Collection[int]) -> list[int]:
    """Those of the dataset's splits `numbers` that the evaluation is on. Raises StageError like `result_files`."""
    known = ", ".join(map(str, sorted(numbers))) or "none"
    if unknown := ", ".join(str(number) for number in evaluation.splits if number not in numbers):
        raise StageError(f"config: splits: {evaluation.dataset} has no split {unknown}; it has {known}")
    run, dataset, only = evaluation.run, evaluation.dataset, only_split(config, evaluation.run, evaluation.dataset)
    if only is not None and only not in numbers:
        raise StageError(
            f"config: pretraining.runs.{run}: subset: split{only} names no split of {dataset}; it has {known}"
        )
    return [number for number in sorted(numbers) if is_evaluated_on(config, evaluation, number)]


def is_evaluated_on(config: dict[str, Any], evaluation: Evaluation, split: int) -> bool:
    """Whether the evaluation is on this split of its dataset."""
    only = only_split(config, evaluation.run, evaluation.dataset)
    return only in (None, split) and (not evaluation.splits or split in evaluation.splits)


def _evaluations(
    config: dict[str, Any], runs: list[str], datasets: list[str], protocols: list[str], splits: Iterable[int] = ()
) -> Iterator[Evaluation]:
    seeds = config["pretraining"]["seeds"]
    for run in runs:
        for seed in seeds[:1] if run in IDT_RUNS else seeds:  # IDT is not random: another seed gives the same result
            for dataset in datasets:
                for protocol in ["svm"] if run in IDT_RUNS else protocols:
                    yield Evaluation(run, seed, dataset, protocol, tuple(splits))
