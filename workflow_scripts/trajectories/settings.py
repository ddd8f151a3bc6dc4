"""What can be chosen about the trajectories; the defaults are the original extractor's."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage, raised when the same frames give other trajectories.
VERSIONS = {"extract_shard": 3}

BYTES_PER_PIXEL = 1.3  # of trajectories for each pixel of each frame, roughly: 8 TB for Kinetics-400


@dataclass(frozen=True)
class TrajectoriesSettings:
    """Options of the tracker, as in `idt_tools.TrackerOptions`, and where else trajectories may come from."""

    max_side: int = setting(
        0,
        "Frames with a longer side are reduced to this before tracking. 0: never.",
        source="paper 4.8",
        unit="pixels",
        minimum=0,
    )
    rows: str = ""  # the folder `rows` of an entry of `descriptors`; empty: track


def keeps_all(keep: str, keep_gb: float, pixels: int) -> bool:
    """Whether the trajectories of all videos are kept, or the sampled videos' alone.

    `keep`: all, sample, or auto, which keeps all if that takes at most `keep_gb` gigabytes for `pixels`, the sum of
    width x height over all frames of the dataset.
    """
    return keep == "all" or (keep == "auto" and BYTES_PER_PIXEL * pixels <= keep_gb * 1e9)
