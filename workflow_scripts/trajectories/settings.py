"""Settings of the trajectories. The defaults are those of the original extractor."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage. Increase it when the same frames give other trajectories.
VERSIONS = {"extract_shard": 4}

BYTES_PER_PIXEL = 1.3  # approximate bytes of trajectories per pixel of each frame: 8 TB for Kinetics-400


@dataclass(frozen=True)
class TrajectoriesSettings:
    """The size of the tracked frames, and a folder of existing trajectories."""

    max_side: int = setting(
        0,
        "Frames with a longer side are reduced to this length of the longer side before tracking. 0: never.",
        source="paper 4.8",
        unit="pixels",
        minimum=0,
    )
    rows: str = ""  # the folder `rows` of an entry of `descriptors`; empty: track the videos


def keeps_all(keep: str, keep_gb: float, pixels: int) -> bool:
    """Returns whether the trajectories of all videos are stored, not only those of the sampled videos.

    Args:
        keep: all, sample, or auto, which means all if they take at most `keep_gb`.
        keep_gb: The limit in gigabytes.
        pixels: The sum of width x height over all frames of the dataset.
    """
    return keep == "all" or (keep == "auto" and BYTES_PER_PIXEL * pixels <= keep_gb * 1e9)
