"""What a run will cost: core-hours, disk, files and memory of every stage of every dataset (`make estimate`).

In: the config, the datasets' videos. Out: a table on the terminal and in results/estimate/cost.md, its numbers in
results/estimate/cost.tsv. A pilot of some videos goes through all CPU stages (`pilot`); its rates times the size that
the dataset's headers tell (`survey`) make the lines (`breakdown`). Nothing of the run itself is touched.
"""

import logging
import os
from pathlib import Path
from typing import Any

from idt_tools.printable import say
from workflow_scripts.configuration.datasets import dataset_values, used_datasets
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.durations import in_words
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.operations.estimate.breakdown import NOT_ASKED, lines_of, longest
from workflow_scripts.operations.estimate.extrapolate import NOTHING, Line, Range, Size, fitting_shards
from workflow_scripts.operations.estimate.pilot import (
    ESTIMATES,
    detectors,
    fisher_features,
    pilot_folder,
    run_pilot,
    section,
)
from workflow_scripts.operations.estimate.survey import REPOSITORY, Survey, as_if, survey
from workflow_scripts.persons.detectors import make_detector

log = logging.getLogger(__name__)

MEANINGS = {
    "configfile": "one config or several, as for snakemake; none: the demo",
    "videos": "videos of each dataset that are tried (50)",
    "threads": "videos that are tried at a time (1)",
    "cores": "cores that the wall time is told for (0: this machine's)",
    "as_if_videos": "as if pretraining.dataset had so many videos",
    "as_if_seconds": "... of so many seconds each",
    "as_if_fps": "... at so many frames a second (30)",
    "as_if_size": "... of WIDTHxHEIGHT pixels, such as 340x256",
    "training": "also try steps of the networks (on)",
}
RECOMMENDED_STRIDE = 3  # the longest that keeps 0.95 of the people's area, as IoU: benchmarks/persons_stride.py


def total(lines: list[Line], keep: str) -> tuple[Line, int]:
    """A dataset's sum, with its trajectories kept as `keep` (all or sample) says, and its number of files."""
    counted = [line for line in lines if line.note != NOT_ASKED]
    counted = [line for line in counted if line.stage != "trajectories" or line.note.startswith(f"keep: {keep}")]
    hours, artifacts, stores = NOTHING, NOTHING, NOTHING
    for line in counted:
        hours, artifacts, stores = hours + line.hours, artifacts + line.artifacts, stores + line.stores
    memory = max(line.memory for line in counted)
    return Line("total", "", hours, artifacts, stores, memory, note=f"keep: {keep}"), sum(
        line.files for line in counted
    )


def _number(value: float) -> str:
    """Three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else "< 0.001" if 0 < value < 0.001 else f"{value:.3g}"


def _with_interval(estimate: Range, factor: float) -> str:
    if not estimate.value:
        return ""
    value, low, high = (_number(part * factor) for part in (estimate.value, estimate.low, estimate.high))
    return value if low == high else f"{value} ({low}-{high})"


def _cells(line: Line, files: int, dataset_total: bool = False) -> list[str]:
    return [
        line.stage,
        line.of,
        _with_interval(line.hours, 1),
        _with_interval(line.artifacts, 1e-9),
        _number(line.stores.value / 1e9) if line.stores.value else "",
        f"{files:,}",
        _number(line.memory / 1e9) if line.memory else "",
        "" if dataset_total else _number(line.hours.value * 60 / line.jobs),
        line.note,
    ]


def table(lines: list[Line]) -> list[str]:
    """The lines and their sums, to be read as well on a terminal as by Markdown."""
    head = ["stage", "of", "core-hours (95 %)", "disk, GB (95 %)", "store, GB", "files", "memory, GB", "min/job", ""]
    rows = [head, *(_cells(line, line.files) for line in lines)]
    rows += [_cells(*total(lines, keep), dataset_total=True) for keep in ("all", "sample")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    padded = ([text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows)
    return [f"| {' | '.join(row)} |" for row in padded]


def numbers(dataset: str, line: Line) -> dict[str, Any]:
    """A line for the table of numbers: hours of one core and bytes."""
    ranges = {"hours": line.hours, "artifacts": line.artifacts, "stores": line.stores}
    spread = {f"{name}_{end}": getattr(part, end) for name, part in ranges.items() for end in ("value", "low", "high")}
    about = {"stage": line.stage, "of": line.of, "note": line.note, "files": line.files, "jobs": line.jobs}
    return {"dataset": dataset, **about, "memory": line.memory, **spread}


def remarks(lines: list[Line], cores: int, stride: int) -> list[str]:
    """What the table does not say by itself; `stride`: that of the persons stage."""
    slow, summed = longest(lines), total(lines, "all")[0]
    fewest, most = (fitting_shards(slow.hours.value, minutes) for minutes in (60, 15))
    sentences = [
        f"On {cores} cores: {in_words(3600 * summed.hours.value / cores)}, if all of them always have work.",
        f"The longest stage is {slow.stage} {slow.of}: {fewest} to {most} shards make its jobs 60 to 15 minutes long; "
        f"the table has {slow.jobs}.",
        "Stores are second copies by which a stopped or changed run goes on; `make clean-stores` frees them.",
        "With keep: sample, the jobs of encoding track the videos whose trajectories are not kept.",
        "The networks' training and judging is below the table.",
    ]
    for line in lines:
        if line.stage == "persons" and line.of != "files" and stride < RECOMMENDED_STRIDE:
            hours, fewer = line.hours.value, line.hours.value * stride / RECOMMENDED_STRIDE
            sentences.append(
                f"persons.stride: {RECOMMENDED_STRIDE} brings persons {line.of} from {_number(hours)} hours towards "
                f"{_number(fewer)} (decoding stays), and keeps 0.95 of the people's area (README)."
            )
    return sentences


def usable_detectors(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The detectors of people that the config asks for and that can work here; and what the others say."""
    usable, sentences = [], []
    for detector in detectors(config):
        try:
            if detector != "files":  # which finds nobody, and reads who was found
                make_detector(detector, section(config, "persons"))
            usable.append(detector)
        except StageError as error:
            sentences.append(f"Persons by {detector} are not in the table: {error}.")
    return usable, sentences


def device_in_words() -> str:
    """The device that the networks are measured on."""
    import torch  # here: the pilot's processes import this module, and its memory would count as the stages'

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "this machine's CPU"


def estimate_cost(
    configfile: list[Path],
    videos: int = 50,
    threads: int = 1,
    cores: int = 0,
    as_if_videos: int | None = None,
    as_if_seconds: float | None = None,
    as_if_fps: float = 30.0,
    as_if_size: str = "",
    training: bool = True,
) -> None:
    """Prints what a run of the config will cost, and writes it to results/estimate/cost.md and cost.tsv.

    `configfile`: as for snakemake; none is the demo. `videos` of each dataset are tried, by `threads` processes; the
    wall time is told for `cores` (0: this machine's). `as_if_*` ask for pretraining.dataset as if it had so many
    videos, of so many seconds at `as_if_fps`, of WIDTHxHEIGHT pixels. `training`: also try steps of the networks.
    Raises StageError where a dataset has no video that can be read, or too few trajectories for a codebook.
    """
    if videos < 1 or threads < 1:
        raise StageError("a pilot needs at least one video and one thread (--videos, --threads)")
    config = read_config(configfile)
    pretrained = config["pretraining"]["dataset"]
    is_as_if = as_if_videos is not None or as_if_seconds is not None or bool(as_if_size)
    usable, missing = usable_detectors(config)
    cells: list[dict[str, Any]] = []
    text: list[str] = []
    sizes: dict[str, tuple[Survey, Size]] = {}
    for dataset in [pretrained] if is_as_if else used_datasets(config):
        surveyed = survey(config, dataset)
        size = as_if(surveyed.size, as_if_videos, as_if_seconds, as_if_fps, as_if_size)
        rows = surveyed.rows[:videos]
        log.info("%s: a pilot of %d videos, %d at a time", dataset, len(rows), threads)
        fisher = fisher_features(config, dataset)
        folder = pilot_folder(config, dataset, usable, fisher)
        costs, codebooks = run_pilot(rows, folder, config, usable, fisher, threads)
        shards = 0 if is_as_if else int(dataset_values(config, dataset, str(REPOSITORY))["shards"])
        lines = lines_of(config, dataset, surveyed, size, costs, codebooks, shards)
        sentences = remarks(lines, cores or os.cpu_count() or 1, config["persons"]["stride"])
        text += [
            f"{dataset}{', as if it had' if is_as_if else ':'} {size.videos:,.0f} videos, {size.frames:,.0f} frames of "
            f"{size.pixels / size.frames:,.0f} pixels; measured on {len(rows)} videos, {threads} at a time",
            "",
            *table(lines),
            "",
            *(f"- {remark}" for remark in [*sentences, *missing]),
            "",
        ]
        sizes[dataset] = surveyed, size
        cells += [numbers(dataset, line) for line in lines]
    if training:
        # Here, for torch: see `device_in_words`
        from workflow_scripts.operations.estimate.networks import network_lines, network_text

        networks = network_lines(config, sizes, cores or os.cpu_count() or 1)
        text += [*network_text([line for _, line in networks], device_in_words()), ""] if networks else []
        cells += [numbers(dataset, line) for dataset, line in networks]
    say("\n".join(text))
    write_text(ESTIMATES / "cost.md", "\n".join(text))
    write_columns(ESTIMATES / "cost.tsv", cells, list(cells[0]))
    log.info("The table is in %s, its numbers (hours, bytes) in %s.", ESTIMATES / "cost.md", ESTIMATES / "cost.tsv")


if __name__ == "__main__":
    command_line(estimate_cost, meanings=MEANINGS)
