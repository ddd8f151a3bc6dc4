"""The status of each video, as an HDF5 file of results records it."""

import h5py

from .attributes import read_attributes
from .untrusted_hdf5 import TEXT, checked_array, hard_links


def video_statuses(group: h5py.Group) -> list[tuple[str, str, str]]:
    """Returns (video, status, reason) of each video in `group`.

    A video is a row of the datasets `video_id` (or `video`), `status` and `reason`, or a group with the attributes
    `status` and `reason`. Raises ValueError if a dataset is damaged.
    """
    members = dict(hard_links(group))
    video = "video_id" if "video_id" in members else "video"
    if {video, "reason"} <= members.keys() and isinstance(members.get("status"), h5py.Dataset):
        columns = [checked_array(group, name, TEXT).tolist() for name in (video, "status", "reason")]
        return list(zip(*columns, strict=True))
    groups = {name: read_attributes(member) for name, member in members.items() if isinstance(member, h5py.Group)}
    return [
        (name, str(attributes["status"]), str(attributes.get("reason", "")))
        for name, attributes in groups.items()
        if "status" in attributes
    ]
