"""The statuses of the videos in an artifact of the pipeline."""

from pathlib import Path

import h5py

from idt_tools.attributes import read_attributes
from idt_tools.untrusted_hdf5 import TEXT, checked_array
from workflow_scripts.ground.artifacts import read_hdf5


def video_statuses(group: h5py.Group) -> list[tuple[str, str, str]]:
    """Returns (video, status, reason) of each video, from datasets of `group` or from attributes of its groups."""
    video = "video_id" if "video_id" in group else "video"
    if {video, "status", "reason"} <= group.keys() and isinstance(group["status"], h5py.Dataset):
        columns = [checked_array(group, name, TEXT).tolist() for name in (video, "status", "reason")]
        return list(zip(*columns, strict=True))
    members = ((name, read_attributes(member)) for name, member in group.items() if isinstance(member, h5py.Group))
    return [
        (name, str(attributes["status"]), str(attributes.get("reason", "")))
        for name, attributes in members
        if "status" in attributes
    ]


def shard_statuses(path: Path) -> list[tuple[str, str, str]]:
    """Returns (video, status, reason) of each video of a shard. Raises StageError if the file is damaged."""
    with read_hdf5(path) as file:
        return video_statuses(file)
