"""The costs of a dataset, extrapolated from a pilot's videos with rates per pixel, frame or video."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.ground.identity import rng
from workflow_scripts.operations.estimate.pilot import Cost

RESAMPLES = 1000  # bootstrap samples of the pilot's videos, for the interval
FILES_PER_JOB = 5  # artifact, log, outcome, benchmark, Snakemake's record; a store adds one

# The units to which the work of a stage, and its storage, are proportional: pixels of all frames, frames, or videos.
GROWS = {
    "persons": ("pixels", "frames"),
    "trajectories": ("pixels", "pixels"),
    "encoding": ("pixels", "videos"),
    "fisher_vectors": ("pixels", "videos"),
    "frames": ("pixels", "frames"),
}


@dataclass(frozen=True)
class Size:
    """The numbers of videos, of frames and of the pixels of all frames, of a dataset or a video."""

    videos: float
    frames: float
    pixels: float


@dataclass(frozen=True)
class Range:
    """An estimate with its 95 % interval, which covers only the random choice of the pilot's videos."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Range":
        """An estimate that does not depend on the choice of the pilot's videos."""
        return cls(value, value, value)

    def __mul__(self, factor: float) -> "Range":
        return Range(self.value * factor, self.low * factor, self.high * factor)


NOTHING = Range(0, 0, 0)


@dataclass(frozen=True)
class Line:
    """The cost of a stage of a dataset."""

    stage: str
    of: str  # the run, the descriptors, the detector or the short side
    hours: Range
    artifacts: Range  # bytes
    stores: Range  # bytes
    memory: float  # bytes that one job holds at most
    jobs: int = 1
    keep: str = ""  # of trajectories: "all" if those of all videos are stored, "sample" if only those of the sample are
    is_configured: bool = True  # false for an alternative, such as another size of frames
    hours_of: str = "core"  # hours of one core; "device": wall-clock hours of the device that runs networks
    loading_cores: float = 0  # of a training: cores that load clips as fast as the device learns from them

    @property
    def files(self) -> int:
        """The number of files of all jobs."""
        return self.jobs * (FILES_PER_JOB + (self.stores.value > 0))


def extrapolate(spent: Iterable[float], amounts: Iterable[float], total: float, seed: int = 0) -> Range:
    """The cost of `total`: `total` times the ratio of `spent` to `amounts`, each summed over the pilot's videos.

    Args:
        spent: The cost of each video of the pilot.
        amounts: The size of each video, in the unit of `total`.
        total: The size of the dataset.
        seed: Seed of the resamples.

    Returns:
        The cost with its bootstrap interval over the videos: percentiles 2.5 and 97.5 of 1000 resamples.

    Raises:
        ValueError: The amounts add up to 0.
    """
    values, sizes = np.array(list(spent), float), np.array(list(amounts), float)
    if not sizes.sum() > 0:
        raise ValueError("the headers of the pilot's videos count no frames, so nothing can be estimated")
    drawn = rng(seed, "bootstrap").integers(len(values), size=(RESAMPLES, len(values)))
    sums: NDArray[np.float64] = sizes[drawn].sum(axis=1)
    ratios = (values[drawn].sum(axis=1) / np.where(sums > 0, sums, np.inf)) * total
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Range(float(values.sum() / sizes.sum() * total), float(low), float(high))


def shard_line(name: str, costs: list[Cost], pilot: list[Size], dataset: Size) -> Line:
    """The line of a stage `noun/variant` that processes shards, from its costs for the pilot's videos."""
    noun, of = name.split("/")
    work, storage = GROWS[noun]

    def of_dataset(values: list[float], unit: str) -> Range:
        return extrapolate(values, (getattr(size, unit) for size in pilot), getattr(dataset, unit))

    return Line(
        noun,
        of,
        hours=of_dataset([cost.seconds / 3600 for cost in costs], work),
        artifacts=of_dataset([cost.artifact for cost in costs], storage),
        stores=of_dataset([cost.store for cost in costs], storage),
        memory=max(cost.memory for cost in costs),
    )


def fitting_shards(hours: float, minutes: float) -> int:
    """The number of shards for which each job of a stage of `hours` takes `minutes`."""
    return max(1, round(60 * hours / minutes))
