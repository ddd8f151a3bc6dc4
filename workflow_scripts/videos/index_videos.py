"""Writes the index of a dataset: the id, header values, status and shard of each video.

The output is `index.tsv` (a row per video, for people and the report) and, beside it, the inputs of the stages:

- `shards/{shard}.tsv`: the readable videos of a shard, with the columns of the index
- `sample.tsv`: the videos to which the codebook is fitted
- `splits.tsv`: the part of each video in each split
- `splits.json`: the numbers of the splits, or the reason why there are none
- `unread.tsv`: the videos of the splits that cannot be read
- `totals.json`: sums over the readable videos
- `passed_over.tsv`: files below the root whose suffix is not that of a video, and links to folders that were read
- `missing.tsv`: the videos that the annotations name and that have no file; they do not count as failed

A file beside the index is rewritten only if its content changes, because Snakemake compares times. A new video changes
only the list of its own shard, so only the jobs of that shard run again. A dataset without splits can be used for
training.
"""

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import idt_tools
from idt_tools.reading import raise_if_of_the_system
from workflow_scripts.ground.artifacts import remove
from workflow_scripts.ground.identity import digest, shard_of, video_id
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.work_keys import keys_by_video
from workflow_scripts.videos import tables
from workflow_scripts.videos.folders import Walk
from workflow_scripts.videos.layouts import LAYOUTS
from workflow_scripts.videos.layouts.layout import Annotated, Listed, Listing, Parts
from workflow_scripts.videos.listing import list_videos
from workflow_scripts.videos.settings import READING, VERSIONS, DatasetSettings, ReadingSettings
from workflow_scripts.videos.splits import make_splits, unread_parts

log = logging.getLogger(__name__)

NO_FILE = {"bytes": 0, "mtime_ns": 0}


def index_videos(
    dataset: str,
    index: Path,
    settings: DatasetSettings,
    seed: int = 0,
    sample_videos: int = 3500,
    resample: bool = False,
    max_failed_fraction: float = 0.1,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Lists and probes the videos of a dataset, assigns them to shards, and writes `index` and the files beside it.

    Each file is probed once: the next run reads only files whose size or time changed.

    Args:
        dataset: Name of the dataset.
        index: Path of index.tsv.
        settings: The dataset's entry in the config.
        seed: Seed of the sample and of random splits.
        sample_videos: Size of the codebook's sample (paper 4.2: 3,500).
        resample: Whether to draw the sample again. Otherwise the first sample stays, so that new videos do not change
            the codebook.
        max_failed_fraction: Largest share of the videos that may be unreadable.
        threads: Number of files that are generated or probed at once.
        reading: Limits of the videos that are read.

    Raises:
        StageError: There is no video, two videos have the same id, or too many videos cannot be read.
        UnreadVideos: The system cannot read some files at the moment. The others are probed, but no index is written.
    """
    folder = index.parent
    root, listing = list_videos(dataset, settings, folder / "generated", threads)
    log.info("videos: %d files listed in %s", len(listing.videos), root)
    by_id = {video_id(video.path): video for video in listing.videos}
    if len(by_id) < len(listing.videos):
        raise StageError(f"datasets.{dataset}: two files have the same id (a hash collision); rename one of them")
    videos = _probe_all(folder, root, by_id, settings, max_failed_fraction, threads, reading)
    usable = videos[videos["status"] == "ok"]
    _write_shards(folder / "shards", usable)
    _write_splits(folder, videos, by_id, listing.missing, settings, seed)
    _update_sample(folder / "sample.tsv", list(usable["video_id"]), seed, sample_videos, resample)
    tables.update_json(folder / "totals.json", _totals(usable))
    tables.update_or_remove(folder / "missing.tsv", _missing(listing))
    tables.update_table(folder / "passed_over.tsv", _passed_over(listing.walked))
    tables.write_table(index, videos)  # the last file: if it exists, the others do too


def _probe_all(
    folder: Path,
    root: Path,
    by_id: dict[str, Listed],
    settings: DatasetSettings,
    max_failed_fraction: float,
    threads: int,
    reading: ReadingSettings,
) -> pd.DataFrame:
    """Probes the videos and returns the index: a row per video, sorted by id."""
    stats: dict[str, dict[str, int]] = {}

    def key(name: str) -> str:
        stats[name] = _stat(root / by_id[name].path)
        return digest(VERSIONS["index_videos"], stats[name], reading.max_frame_side)

    def probe(name: str) -> Result:
        if stats[name] == NO_FILE:
            return Result("missing", "the dataset names this file, but it does not exist")
        return _probe(root / by_id[name].path, reading)

    keys, unread = keys_by_video(by_id, key)
    results = process_shard(
        folder / ".store" / "probes",
        keys,
        probe,
        stage="videos",
        threads=threads,
        max_failed_fraction=max_failed_fraction,
        unread=unread,
    )
    rows = [
        _row(name, root, by_id[name], stats[name], result) | {"shard": shard_of(name, settings.shards)}
        for name, result in results
    ]
    return tables.frame_of(rows, tables.INDEX)


def _stat(path: Path) -> dict[str, int]:
    """Returns the size and time of a file, or `NO_FILE`. Raises ReadingFailed if the system cannot read them now."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return NO_FILE
    except OSError as error:
        raise_if_of_the_system(path, error)
        return NO_FILE  # the path leads nowhere, for example a link to itself
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _probe(path: Path, reading: ReadingSettings) -> Result:
    try:
        info = idt_tools.probe_video(path, max_frame_side=reading.max_frame_side)
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    return Result(attributes=dataclasses.asdict(info))


def _row(name: str, root: Path, video: Listed, stat: dict[str, int], result: Result) -> dict[str, Any]:
    """Returns the row of a video. If its header gives n_frames and fps inexactly, both are missing."""
    header: dict[str, Any] = dict(result.attributes)
    if header:
        n_frames, fps = header["n_frames"], float(header["fps"])
        header |= {"estimated_frames": n_frames, "seconds": round(int(n_frames) / fps, 3) if fps else None}
        header |= {} if header["exact"] else {"n_frames": None, "fps": None}
    return {
        "video_id": name,
        "path": (root / video.path).as_posix(),
        "label": video.label,
        "group": video.group,
        "scene": video.scene,
        "split": _parts_as_json(video.splits),
        **header,
        **stat,
        "status": result.status,
        "reason": result.reason,
    }


def _parts_as_json(parts: Parts) -> str:
    """Returns, for example, {"1": "train"}; empty text if the dataset assigns the video to no split."""
    return json.dumps(dict(parts)) if parts else ""


def _write_splits(
    folder: Path,
    videos: pd.DataFrame,
    by_id: dict[str, Listed],
    missing: list[Annotated],
    settings: DatasetSettings,
    seed: int,
) -> None:
    """Writes splits.tsv, splits.json and unread.tsv. Without splits the tables have no rows."""
    listed_parts = {name: video.splits for name, video in by_id.items()}
    missing_ids = [f"{video.label}/{video.names[0]}" for video in missing]
    parts = _parts_table(listed_parts | {name: video.splits for name, video in zip(missing_ids, missing, strict=True)})
    usable = videos[videos["status"] == "ok"]
    if unlabelled := int((usable["label"] == "").sum()):
        log.info("videos: %d of %d readable videos have no label", unlabelled, len(usable))
    reason = ""
    try:
        splits = _splits(usable, parts, settings, seed)
    except StageError as error:
        reason, splits = str(error), tables.frame_of([], tables.SPLITS)
        log.info("videos: there are no splits, so no model can be evaluated on these videos: %s", reason)
    numbers = [int(number) for number in splits["split"].unique()]
    tables.update_json(folder / "splits.json", {"numbers": numbers, "reason_for_none": reason})

    columns = ["video_id", "label", "group", "status"]
    rows = [(name, video.label, video.group, "missing") for name, video in zip(missing_ids, missing, strict=True)]
    missing_videos = pd.DataFrame(rows, columns=columns, dtype=object)
    unread = pd.concat([videos.loc[videos["status"] != "ok", columns], missing_videos])
    if settings.kind_of_splits == "random":  # drawn from the usable videos
        unread = unread[:0]
    unread_rows = unread_parts(unread, parts, splits, by_group=settings.splits == "leave_one_group_out")
    tables.update_table(folder / "unread.tsv", tables.frame_of(unread_rows, tables.UNREAD))

    if LAYOUTS[settings.layout].groups_within_labels:
        splits["group"] = np.where(splits["group"] == "", "", splits["label"] + " " + splits["group"])
    tables.update_table(folder / "splits.tsv", tables.frame_of(splits, tables.SPLITS))


def _parts_table(parts: dict[str, Parts]) -> pd.DataFrame:
    """Returns the splits that the dataset itself defines: columns split, video_id and part."""
    rows = [(number, name, part) for name, of_video in parts.items() for number, part in of_video]
    return pd.DataFrame(rows, columns=["split", "video_id", "part"], dtype=object).astype({"split": "int64"})


def _splits(usable: pd.DataFrame, parts: pd.DataFrame, settings: DatasetSettings, seed: int) -> pd.DataFrame:
    """Returns the splits of the usable videos. Raises StageError if the videos cannot be split."""
    if len(usable) and not (usable["label"] != "").any():
        raise StageError("its videos have no labels")
    kind = settings.kind_of_splits
    if kind == "official":
        if not LAYOUTS[settings.layout].n_official_splits:
            raise StageError(f"the layout {settings.layout} has no official splits; choose others (datasets.*.splits)")
        kind = "column"
    return make_splits(usable, parts, kind, seed=seed, test_fraction=settings.test_fraction, n_splits=settings.n_splits)


def _write_shards(folder: Path, usable: pd.DataFrame) -> None:
    shards = {str(shard): videos for shard, videos in usable.groupby("shard")}
    for shard, videos in shards.items():
        tables.update_table(folder / f"{shard}.tsv", videos)
    for path in folder.glob("*.tsv"):
        if path.stem not in shards:
            remove(path)


def _totals(videos: pd.DataFrame) -> dict[str, int | float]:
    """Returns the number of videos, and their frames, pixels of all frames, seconds and bytes by the headers."""
    frames = videos["estimated_frames"]
    return {
        "videos": len(videos),
        "frames": int(frames.sum()),
        "pixels": int((frames * videos["width"] * videos["height"]).sum()),
        "seconds": round(float(videos["seconds"].sum()), 1),
        "bytes": int(videos["bytes"].sum()),
    }


def _missing(listing: Listing) -> pd.DataFrame:
    """Returns the names, labels and splits of the annotated videos without a file."""
    rows = [
        {"name": video.names[0], "label": video.label, "split": _parts_as_json(video.splits)}
        for video in listing.missing
    ]
    return tables.frame_of(rows, tables.MISSING)


def _passed_over(walked: Walk) -> pd.DataFrame:
    """Returns the numbers of files by suffix that are not videos, and the links to folders that were read."""
    rows: list[dict[str, Any]] = [
        {"kind": "suffix", "name": suffix, "files": number} for suffix, number in sorted(walked.others.items())
    ]
    rows += [{"kind": "link", "name": str(link)} for link in walked.links]
    return tables.frame_of(rows, tables.PASSED_OVER)


def _update_sample(path: Path, names: list[str], seed: int, size: int, resample: bool) -> None:
    """Draws the sample if the file has no sample of this seed and size.

    The sample consists of the `size` ids with the smallest hashes of (seed, id). It is uniform, and depends neither on
    the order of the videos nor on the shards.
    """
    draw = digest(seed, size)
    if path.exists() and not resample:
        sample = tables.read_table(path, tables.SAMPLE)
        if len(sample) and sample["draw"][0] == draw:
            return
    drawn = sorted(sorted(names, key=lambda name: digest(seed, name))[:size])
    rows = [{"video_id": name, "draw": draw} for name in drawn]
    tables.update_table(path, tables.frame_of(rows, tables.SAMPLE))


if __name__ == "__main__":
    command_line(index_videos)
