"""The hours of the networks of each of the paper's tables, from the measured speed of some networks."""

import functools
from typing import Any

from benchmarks.pretraining import flops_of_a_clip
from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.evaluation.evaluations import table_runs
from workflow_scripts.operations.estimate.extrapolate import Size
from workflow_scripts.operations.estimate.kernels import NetworkSeconds
from workflow_scripts.operations.estimate.networks import network_lines
from workflow_scripts.operations.estimate.survey import Survey
from workflow_scripts.pretraining.settings import PretrainingSettings

# The numbers of videos in the paper (4.1, 4.7) and of the datasets' authors. Kinetics-600 adds to Kinetics-400.
KINETICS_400, KINETICS, UCF101, HMDB51 = 235_000, 370_000, 13_320, 6_766


def speed_of(networks: list[dict[str, Any]], settings: PretrainingSettings) -> NetworkSeconds:
    """The seconds per clip of a network: as measured, or those of the most similar measured network times the FLOPs."""

    def unlike(network: dict[str, Any]) -> tuple[bool, bool, bool]:
        shape = settings.depth, settings.crop_size, settings.clip_length
        differs = zip((network["depth"], network["size"], network["frames"]), shape, strict=True)
        depth, size, frames = (one != other for one, other in differs)
        return depth, size, frames

    nearest = min(networks, key=unlike)
    factor = _flops(settings.depth, settings.width, settings.clip_length, settings.crop_size)
    factor /= _flops(nearest["depth"], nearest["width"], nearest["frames"], nearest["size"])
    return NetworkSeconds(nearest["trained"] * factor, nearest["forward"] * factor)


@functools.cache
def _flops(depth: int, width: float, frames: int, size: int) -> float:
    return flops_of_a_clip(PretrainingSettings(depth=depth, width=width, crop_size=size), frames)


def table_hours(config: dict[str, Any], tables: list[str], networks: list[dict[str, Any]]) -> tuple[int, float, float]:
    """The number of trainings that `tables` need, their hours, and those of the evaluations."""
    only_these = {
        **config,
        "evaluation": {**config["evaluation"], "runs": table_runs(config, tables), "protocols": []},
        "report": {**config["report"], "tables": {name: config["report"]["tables"][name] for name in tables}},
    }
    folders = {"kinetics400": KINETICS_400, "kinetics600": KINETICS - KINETICS_400}
    rows = [{"path": f"{folder}/video.mp4"} for folder, n in folders.items() for _ in range(n // 1000)]
    sizes = {"kinetics": KINETICS, "ucf101": UCF101, "hmdb51": HMDB51}
    surveyed = {name: (Survey(Size(n, 0, 0), rows, []), Size(n, 0, 0)) for name, n in sizes.items()}
    lines = network_lines(only_these, surveyed, cores=1, speed=lambda settings, _: speed_of(networks, settings))
    trained = [line.hours.value for _, line in lines if line.stage == "pretraining"]
    return len(trained), sum(trained), sum(line.hours.value for _, line in lines) - sum(trained)


def print_hours(part: Any) -> None:
    """Prints a row per table, and one of all tables, whose runs count once. `part` is a `gpu_parts.Part`.

    Raises LookupError if no network was measured.
    """
    networks = part.rates.get("networks", [])
    if not networks:
        raise LookupError("no training step could be measured")
    shapes = ", ".join("R3D-{depth} on {frames} x {size} x {size}".format(**network) for network in networks)
    print(f"One seed, without loading, K-means and IDT. Measured: {shapes}; other networks count by their operations.")
    config = read_config([REPOSITORY / "configs/paper.yaml"])
    tables = list(config["report"]["tables"])
    for name, these in [*((name, [name]) for name in tables), ("all, each run once", tables)]:
        n_runs, trained, evaluated = table_hours(config, these, networks)
        part.row(name, n_runs, f"{trained:,.1f}", f"{evaluated:,.1f}", f"{(trained + evaluated) / 24:,.2f}")
