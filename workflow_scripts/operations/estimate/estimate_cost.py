"""`dtc estimate`: what a run will cost: core-hours, disk, files and memory of every stage of every dataset.

In: the config, the datasets' videos. Out: a table on the terminal and in results/estimate/cost.md, its numbers in
results/estimate/cost.tsv. Some videos go through all CPU stages (`pilot`). Their rates times the size of the dataset,
which is read from the headers of its videos (`survey`), make the lines (`breakdown`). The run itself is not touched.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from idt_tools.printable import say
from workflow_scripts.configuration.datasets import dataset_values, used_datasets
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.estimate.breakdown import lines_of
from workflow_scripts.operations.estimate.cost_table import cost_frame, cost_table, remarks
from workflow_scripts.operations.estimate.extrapolate import Line, Size
from workflow_scripts.operations.estimate.pilot import (
    ESTIMATES,
    detectors,
    fisher_features,
    pilot_folder,
    run_pilot,
    section,
)
from workflow_scripts.operations.estimate.survey import REPOSITORY, AsIf, Survey, survey
from workflow_scripts.persons.detectors import DETECTORS, make_detector

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetCost:
    """The lines of a dataset of `size`, measured on `n_tried` of its videos."""

    surveyed: Survey
    size: Size
    n_tried: int
    lines: list[Line]


def estimate_cost(
    configfile: list[Path],
    *,
    videos: int = 50,
    threads: int = 1,
    cores: int = 0,
    as_if: AsIf = AsIf(),  # noqa: B008 - it is frozen
    training: bool = True,
) -> None:
    """Prints what a run of the config will cost, and writes it to results/estimate/cost.md and cost.tsv.

    Args:
        configfile: As for snakemake; an empty list means the demo.
        videos: Videos of each dataset to try.
        threads: Processes that try them.
        cores: Cores for the wall time; 0: this machine's.
        as_if: A size to estimate for pretraining.dataset alone, in place of those of all datasets.
        training: Whether to try steps of the networks.

    Raises:
        StageError: A dataset has no video that can be read, or too few trajectories for a codebook.
    """
    if videos < 1 or threads < 1:
        raise StageError("a pilot needs at least one video and one thread (--videos, --threads)")
    config = read_config(configfile)
    cores = cores or os.cpu_count() or 1
    usable, missing = usable_detectors(config)
    text: list[str] = []
    costs: dict[str, DatasetCost] = {}
    for dataset in [config["pretraining"]["dataset"]] if as_if.is_given else used_datasets(config):
        cost = costs[dataset] = dataset_cost(config, dataset, usable, as_if, videos, threads)
        text += [
            f"{dataset}{', as if it had' if as_if.is_given else ':'} {cost.size.videos:,.0f} videos, "
            f"{cost.size.frames:,.0f} frames of {cost.size.pixels / cost.size.frames:,.0f} pixels; "
            f"measured on {cost.n_tried} videos, {threads} at a time",
            "",
            *cost_table(cost.lines),
            "",
            *(f"- {remark}" for remark in [*remarks(cost.lines, cores, config["persons"]["stride"]), *missing]),
            "",
        ]
    lines = [(dataset, line) for dataset, cost in costs.items() for line in cost.lines]
    if training:
        from workflow_scripts.operations.estimate.networks import network_lines, network_text  # see device_in_words

        networks = network_lines(config, {name: (cost.surveyed, cost.size) for name, cost in costs.items()}, cores)
        text += [*network_text(networks, device_in_words()), ""] if networks else []
        lines += networks
    say("\n".join(text))
    write_text(ESTIMATES / "cost.md", "\n".join(text))
    _write_frame(ESTIMATES / "cost.tsv", cost_frame(lines))
    log.info("The table is in %s, its numbers (hours, bytes) in %s.", ESTIMATES / "cost.md", ESTIMATES / "cost.tsv")


def dataset_cost(
    config: dict[str, Any], dataset: str, usable: list[str], as_if: AsIf, videos: int, threads: int
) -> DatasetCost:
    """What the stages of a dataset will take, by a pilot of at most `videos` videos; `usable`: detectors of persons."""
    surveyed = survey(config, dataset)
    size, rows = as_if.of(surveyed.size), surveyed.rows[:videos]
    log.info("%s: a pilot of %d videos, %d at a time", dataset, len(rows), threads)
    fisher = fisher_features(config, dataset)
    folder = pilot_folder(config, dataset, usable, fisher)
    costs, codebooks = run_pilot(rows, folder, config, usable, fisher, threads)
    shards = 0 if as_if.is_given else int(dataset_values(config, dataset, str(REPOSITORY))["shards"])
    return DatasetCost(surveyed, size, len(rows), lines_of(config, dataset, surveyed, size, costs, codebooks, shards))


def _write_frame(path: Path, table: pd.DataFrame) -> None:
    write_columns(path, [dict(zip(table.columns, row, strict=True)) for row in table.values.tolist()], [*table.columns])


def usable_detectors(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The detectors of persons that the config asks for and that work here, and a sentence for each of the others."""
    usable, sentences = [], []
    for detector in detectors(config):
        try:
            if DETECTORS[detector].place:
                make_detector(detector, section(config, "persons"))
            usable.append(detector)
        except StageError as error:
            sentences.append(f"Persons by {detector} are not in the table: {error}.")
    return usable, sentences


def device_in_words() -> str:
    """The device that the networks are measured on."""
    import torch  # here: the pilot's processes import this module, and its memory would count as the stages'

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "this machine's CPU"
