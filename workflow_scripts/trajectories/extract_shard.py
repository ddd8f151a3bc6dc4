"""Extracts Improved Dense Trajectories of the videos of a shard (paper 3.3; the tracker is `idt_tools`).

In: the shard's list of videos and, if persons are masked, their boxes. Out: an HDF5 file with a group per video:
`info` (n, 10) float32 and `descriptors` (n, 426) float16, with the columns in `idt_tools.columns`.
"""

from pathlib import Path

import numpy as np

from idt_tools import columns
from idt_tools.attributes import write_attributes
from idt_tools.half_precision import half
from idt_tools.tracked import Undescribed
from idt_tools.tracker import set_relative_time
from workflow_scripts.ground.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.work_keys import keys_by_video
from workflow_scripts.trajectories.describe_video import Video, shard_videos
from workflow_scripts.trajectories.settings import VERSIONS, TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

MEANING = {
    "info": ", ".join(columns.INFO),
    "descriptors": ", ".join(f"{name} {part.start}-{part.stop - 1}" for name, part in columns.CHANNELS.items()),
}


def extract_shard(
    videos: Path,
    output: Path,
    store: Path,
    settings: TrajectoriesSettings,
    boxes: Path | None = None,
    only: Path | None = None,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Extracts the trajectories of the videos in the list `videos` and writes them to `output`, sorted by id.

    A video without trajectories gets a group with a status, a reason and no rows.

    Args:
        videos: The list of the shard's videos.
        output: The HDF5 file that is written.
        store: The record file of the results of single videos, which are not computed again.
        settings: Settings of the trajectories.
        boxes: The persons stage's file of the same shard. Its persons do not count in the camera's motion.
        only: A table of the videos (column video_id) whose trajectories are extracted. None: all.
        threads: Number of videos that are processed at once.
        reading: Limits of the videos that are read.
    """
    listed = shard_videos(videos, settings, boxes, reading)
    if only:
        sampled = {row["video_id"] for row in read_columns(only)}
        listed = {name: video for name, video in listed.items() if name in sampled}
    keys, unread = keys_by_video(listed, lambda name: listed[name].key)
    parameters = {"settings": vars(settings), "persons": "masked" if boxes else "not masked"}
    results = process_shard(
        store, keys, lambda name: _extract(listed[name]), stage="trajectories", threads=threads, unread=unread
    )
    with write_hdf5(output, stage="trajectories", version=VERSIONS["extract_shard"], parameters=parameters) as file:
        for name, result in results:
            group = file.create_group(name)
            outcome = {"status": result.status, "reason": result.reason, "key": keys[name]}
            write_attributes(group, outcome | result.attributes)
            arrays = result.arrays or {"info": np.zeros((0, 10), "f4"), "descriptors": np.zeros((0, 426), "f2")}
            for part, names in (("info", columns.INFO), ("descriptors", columns.DESCRIPTORS)):
                rows = dataset(group, part, arrays[part], unit=columns.UNITS[part], meaning=MEANING[part])
                write_attributes(rows, {"columns": names})


def _extract(video: Video) -> Result:
    """Returns all trajectories of a video, with descriptors in half precision."""
    info, descriptors = [], []
    try:
        for block in video.trajectories():
            info.append(block.info)
            descriptors.append(half(block.descriptors))
    except Undescribed as error:
        return Result(error.status, error.reason, attributes={**video.size})
    arrays = {"info": np.concatenate(info), "descriptors": np.concatenate(descriptors)}
    if not video.rows:
        set_relative_time(arrays["info"], video.size["n_frames"])
    return Result(arrays=arrays, attributes={**video.size, "fps": video.fps})


if __name__ == "__main__":
    command_line(extract_shard)
