"""The statuses of the videos in an artifact of the pipeline."""

from pathlib import Path

from idt_tools.video_statuses import video_statuses
from workflow_scripts.ground.artifacts import read_hdf5


def shard_statuses(path: Path) -> list[tuple[str, str, str]]:
    """Returns (video, status, reason) of each video of a shard. Raises StageError if the file is damaged."""
    with read_hdf5(path) as file:
        return video_statuses(file)
