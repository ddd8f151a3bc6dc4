"""The lines of an estimate: the cost of each stage of a dataset."""

from dataclasses import replace
from typing import Any

from workflow_scripts.configuration.runs import run_values
from workflow_scripts.operations.estimate.extrapolate import (
    GROWS,
    NOTHING,
    Line,
    Range,
    Size,
    extrapolate,
    fitting_shards,
    shard_line,
)
from workflow_scripts.operations.estimate.pilot import Cost, configured_sides, short_sides
from workflow_scripts.operations.estimate.survey import Survey, size_of, videos_of_subset
from workflow_scripts.trajectories.settings import keeps_all

ROW = 250  # bytes of a video's row in index.tsv or a shard's list, roughly


def lines_of(
    config: dict[str, Any],
    dataset: str,
    surveyed: Survey,
    size: Size,
    costs: list[dict[str, Cost]],
    codebooks: dict[str, Cost],
    shards: int,
) -> list[Line]:
    """The cost of each stage of a dataset. Trajectories have two lines: for all videos, and for the sample.

    Args:
        config: The resolved config.
        dataset: The dataset's name.
        surveyed: The survey of the dataset's videos.
        size: The size to estimate.
        costs: Costs by stage, for each video of the pilot.
        codebooks: The costs of the codebooks, by stage.
        shards: Jobs per stage; 0: as many as needed for jobs of half an hour in the longest stage.
    """
    encoding = config["encoding"]
    pilot = [size_of(row) for row in surveyed.rows[: len(costs)]]
    sampled = min(encoding["sample_videos"] / size.videos, 1.0)
    lines = [_videos_line(surveyed, size)]
    names = [name for name in costs[0] if name.split("/")[0] != "frames"] + [f"frames/{n}" for n in short_sides(config)]
    for name in names:
        line = shard_line(name, [cost[name] for cost in costs], pilot, size)
        if line.stage == "trajectories":
            keeps = keeps_all(config["trajectories"]["keep"], config["trajectories"]["keep_gb"], int(size.pixels))
            lines.append(replace(line, keep="all", is_configured=keeps))
            line = replace(line, artifacts=line.artifacts * sampled, stores=line.stores * sampled)
            line = replace(line, keep="sample", is_configured=not keeps)
        if line.stage == "frames":
            line = replace(line, is_configured=int(line.of) in configured_sides(config))
        lines.append(line)
    shards = shards or fitting_shards(longest(lines).hours.value, 30)
    lines = [replace(line, jobs=shards) if line.stage in GROWS else line for line in lines]
    for name, cost in codebooks.items():
        # The number of EM steps is that of the pilot. The time of a step is proportional to the number of descriptors.
        growth = min(encoding["sample_videos"], size.videos) / len(costs)
        hours, content = Range.exactly(cost.seconds / 3600 * growth), Range.exactly(cost.artifact)
        memory = cost.memory + growth * len(costs) * encoding["sample_descriptors"] * 426 * (2 + 4)
        lines.append(Line("codebook", name.split("/")[1], hours, content, NOTHING, memory))
    if dataset == config["pretraining"]["dataset"]:
        lines += _clusters_lines(config, surveyed, size)
    return lines


def _videos_line(surveyed: Survey, size: Size) -> Line:
    seconds = extrapolate(surveyed.header_seconds, [1] * len(surveyed.header_seconds), size.videos)
    rows = Range.exactly(2 * ROW * size.videos)  # the index, and the shards' lists
    return Line("videos", "", seconds * (1 / 3600), rows, rows * 0.5, 0)


def _clusters_lines(config: dict[str, Any], surveyed: Survey, size: Size) -> list[Line]:
    """A line per file of clusters in the IDT space that a run or the report needs, as K-means would take."""
    from workflow_scripts.operations.estimate.kernels import kmeans_seconds  # imports torch: see `device_in_words`

    runs = {run: run_values(config, run) for run in ["scratch", *config["pretraining"]["runs"]]}
    requests = {
        (values["descriptors"], values["k"], values["m"], values["subset"])
        for run, values in runs.items()
        if run == "scratch" or values["clusters"] == "idt"
    }
    dimensions = config["encoding"]["sketch_dim"]
    rate = kmeans_seconds(dimensions)
    lines = []
    for descriptors, k, m, subset in sorted(requests, key=str):
        n = videos_of_subset(surveyed, size, str(subset))
        k = min(k, int(n))
        hours = rate * n * k * (config["clusters"]["iterations"] + 1) * m / 3600
        content = Range.exactly(m * (4 * n + 4 * k * dimensions))
        memory = 4 * n * dimensions * 2  # the sketches, and a copy of them in K-means
        lines.append(Line("clusters", f"{descriptors} k{k} m{m}", Range.exactly(hours), content, NOTHING, memory))
    return lines


def longest(lines: list[Line]) -> Line:
    """The stage with the most hours among those that process shards."""
    return max((line for line in lines if line.stage in GROWS), key=lambda line: line.hours.value)
