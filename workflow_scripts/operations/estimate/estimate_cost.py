"""`dtc estimate`: the cost of a run: core-hours, disk, files and memory of every stage of every dataset.

Inputs: the config, the datasets' videos. Outputs: a table on the terminal and in results/estimate/cost.md, and its
numbers in results/estimate/cost.tsv. A pilot runs some videos through all CPU stages (`pilot`). A line (`breakdown`) is
a rate of the pilot times the size of the dataset, which `survey` takes from the headers of the videos. The command
does not change the run's own files.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from idt_tools.printable import print_safely
from workflow_scripts.configuration.datasets import dataset_values, used_datasets
from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.estimate.breakdown import lines_of, longest
from workflow_scripts.operations.estimate.cost_table import cost_frame, cost_table, remarks
from workflow_scripts.operations.estimate.extrapolate import Line, Size
from workflow_scripts.operations.estimate.persons import network_hours
from workflow_scripts.operations.estimate.pilot import (
    ESTIMATES,
    detectors,
    fisher_features,
    pilot_folder,
    run_pilot,
    section,
)
from workflow_scripts.operations.estimate.survey import SizeOverride, Survey, survey
from workflow_scripts.persons.detectors import DETECTORS, make_detector

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetCost:
    """The lines of a dataset of `size`, measured on `n_pilot` of its videos."""

    surveyed: Survey
    size: Size
    n_pilot: int
    lines: list[Line]


def estimate_cost(
    configfile: list[Path],
    *,
    videos: int = 50,
    threads: int = 1,
    cores: int = 0,
    size_override: SizeOverride = SizeOverride(),  # noqa: B008 - it is frozen
    training: bool = True,
) -> None:
    """Prints the cost of a run of the config, and writes it to results/estimate/cost.md and cost.tsv.

    Args:
        configfile: Config files, as for snakemake; an empty list means the demo.
        videos: Videos of each dataset in the pilot.
        threads: Processes of the pilot.
        cores: Cores for the wall time; 0: this machine's.
        size_override: A size of pretraining.dataset to estimate instead of the sizes of all datasets.
        training: Whether to measure steps of the networks too.

    Raises:
        StageError: No video of a dataset can be read, or a dataset has too few trajectories for a codebook.
    """
    if videos < 1 or threads < 1:
        raise StageError("a pilot needs at least one video and one thread (--videos, --threads)")
    config = read_config(configfile)
    cores = cores or os.cpu_count() or 1
    usable, missing = usable_detectors(config)
    networks = [detector for detector in detectors(config) if DETECTORS[detector].is_network]
    text: list[str] = []
    lines: list[tuple[str, Line]] = []
    costs: dict[str, DatasetCost] = {}
    for dataset in [config["pretraining"]["dataset"]] if size_override.is_set else used_datasets(config):
        cost = costs[dataset] = dataset_cost(config, dataset, usable, size_override, videos, threads)
        text += [
            f"{dataset}{', as if it had' if size_override.is_set else ':'} {cost.size.videos:,.0f} videos, "
            f"{cost.size.frames:,.0f} frames of {cost.size.pixels / cost.size.frames:,.0f} pixels; "
            f"measured on {cost.n_pilot} videos, {threads} at a time",
            "",
            *cost_table(cost.lines),
            "",
            *(f"- {remark}" for remark in [*remarks(cost.lines, cores, config["persons"]["stride"]), *missing]),
            "",
        ]
        lines += [(dataset, line) for line in cost.lines]
        for detector in networks:
            table, of_network = network_hours(config["persons"], detector, cost.size, longest(cost.lines).jobs)
            text += table
            lines += [(dataset, line) for line in of_network]
    if training:
        # imports torch: see device_in_words
        from workflow_scripts.operations.estimate.networks import network_lines, network_text

        trainings = network_lines(config, {name: (cost.surveyed, cost.size) for name, cost in costs.items()}, cores)
        text += [*network_text(trainings, device_in_words(), cores), ""] if trainings else []
        lines += trainings
    print_safely("\n".join(text))
    write_text(ESTIMATES / "cost.md", "\n".join(text))
    write_frame(ESTIMATES / "cost.tsv", cost_frame(lines))
    log.info("The table is in %s, its numbers (hours, bytes) in %s.", ESTIMATES / "cost.md", ESTIMATES / "cost.tsv")


def dataset_cost(
    config: dict[str, Any], dataset: str, usable: list[str], size_override: SizeOverride, videos: int, threads: int
) -> DatasetCost:
    """The cost of the stages of a dataset, by a pilot of at most `videos` videos with the `usable` detectors."""
    surveyed = survey(config, dataset)
    size, rows = size_override.apply(surveyed.size), surveyed.rows[:videos]
    log.info("%s: a pilot of %d videos, %d at a time", dataset, len(rows), threads)
    fisher = fisher_features(config, dataset)
    folder = pilot_folder(config, dataset, usable, fisher)
    costs, codebooks = run_pilot(rows, folder, config, usable, fisher, threads)
    shards = 0 if size_override.is_set else int(dataset_values(config, dataset, str(REPOSITORY))["shards"])
    return DatasetCost(surveyed, size, len(rows), lines_of(config, dataset, surveyed, size, costs, codebooks, shards))


def write_frame(path: Path, table: pd.DataFrame) -> None:
    """Writes a table to a file that `read_columns` reads."""
    write_columns(path, [dict(zip(table.columns, row, strict=True)) for row in table.values.tolist()], [*table.columns])


def usable_detectors(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The detectors of the config that the pilot can run here, and a sentence for each that it cannot, but networks."""
    usable, sentences = [], []
    for detector in detectors(config):
        if DETECTORS[detector].is_network:
            continue
        try:
            if DETECTORS[detector].place:
                make_detector(detector, section(config, "persons"))
            usable.append(detector)
        except StageError as error:
            sentences.append(f"The table lacks the persons of {detector}: {error}.")
    return usable, sentences


def device_in_words() -> str:
    """The device that the networks are measured on."""
    import torch  # not at the top: the pilot's processes import this module, and would count torch's memory

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "this machine's CPU"
