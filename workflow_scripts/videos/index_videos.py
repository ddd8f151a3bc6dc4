"""The index of a dataset: every file with an id, what its header says, a status and a shard.

Writes `index.tsv` (a row for every file, for people and the report) and beside it what the stages take:
`shards/{shard}.tsv` (the readable videos of a shard), `sample.tsv` (the videos of the codebook), `splits.tsv`,
`unread.tsv` (what the splits lack, for it cannot be read) and `totals.json` (what the readable videos add up to). Those
are rewritten only when their content changes, so that a new video touches its own shard's list and no other, and
Snakemake, which compares times, runs that shard alone.
`passed_over.tsv` counts the files below the root that are no videos by their suffix, and lists links that repeat.
Where an official dataset's annotations name videos that are not there, `missing.tsv` lists them; they are no failures.
Where there are no splits, `no_splits.txt` says why; such a dataset can be trained on.
"""

import dataclasses
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import idt_tools
from idt_tools.reading import raise_if_of_the_system
from workflow_scripts.ground.artifacts import read_columns, read_json, remove, write_columns, write_json, write_text
from workflow_scripts.ground.identity import digest, shard_of, video_id
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.work_keys import keys_by_video
from workflow_scripts.videos.folders import Walk
from workflow_scripts.videos.listing import Listed, list_videos
from workflow_scripts.videos.official import Annotated
from workflow_scripts.videos.settings import OFFICIAL, READING, VERSIONS, DatasetSettings, ReadingSettings
from workflow_scripts.videos.splits import make_splits, unread_rows

log = logging.getLogger(__name__)

COLUMNS = (
    "video_id path label group scene split n_frames fps width height estimated_frames seconds bytes mtime_ns status"
    " reason shard"
).split()

ABSENT = {"bytes": 0, "mtime_ns": 0}


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
    """Lists, probes and shards the videos of `dataset` and writes `index` and its companions beside it.

    The sample of `sample_videos` ids is drawn once, from the first index, and kept until `resample`, so that adding
    videos does not change the codebook (paper 4.2 draws 3,500). Files are probed once: only those whose size or
    time changed are read again. Where the system cannot read some just now, the others are probed and no index is
    written (store.UnreadVideos). Raises StageError where there is nothing to index, two videos share an id, or more
    than `max_failed_fraction` cannot be read.
    """
    folder = index.parent
    root, listed, missing, walked = list_videos(dataset, settings, folder / "generated")
    log.info("videos: %d files listed in %s", len(listed), root)
    by_id = {video_id(video.path): video for video in listed}
    if len(by_id) < len(listed):
        raise StageError(f"datasets.{dataset}: two files have the same id (a hash collision); rename one of them")

    stats: dict[str, dict[str, int]] = {}

    def key(name: str) -> str:
        stats[name] = _stat(root / by_id[name].path)
        return digest(VERSIONS["index_videos"], stats[name], reading.max_frame_side)

    def probe(name: str) -> Result:
        if stats[name] == ABSENT:
            return Result("missing", "the dataset names this file, but it is not there")
        return _probe(root / by_id[name].path, reading)

    keys, unread = keys_by_video(by_id, key)
    rows: list[dict[str, Any]] = []
    for name, result in process_shard(
        folder / ".store" / "probes",
        keys,
        probe,
        stage="videos",
        threads=threads,
        max_failed_fraction=max_failed_fraction,
        unread=unread,
    ):
        rows.append(_row(name, root, by_id[name], stats[name], result, shard_of(name, settings.shards)))
    usable = [row for row in rows if row["status"] == "ok"]

    _write_shards(folder / "shards", usable)
    splits = _write_splits(folder, usable, settings, seed)
    _write_unread(folder / "unread.tsv", rows, missing, settings, splits)
    _freeze_sample(folder / "sample.tsv", [row["video_id"] for row in usable], seed, sample_videos, resample)
    _write_totals(folder / "totals.json", usable)
    _write_missing(folder / "missing.tsv", missing)
    _write_passed_over(folder / "passed_over.tsv", walked)
    write_columns(index, rows, COLUMNS)  # last: its being there says that all is


def _stat(path: Path) -> dict[str, int]:
    """Size and time of a file, by which a change is noticed; `ABSENT` for one that is not there.

    Raises ReadingFailed where the system does not tell.
    """
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise_if_of_the_system(path, error)
        return ABSENT  # its name leads nowhere, such as a link to itself
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _probe(path: Path, reading: ReadingSettings) -> Result:
    try:
        info = idt_tools.probe_video(path, max_frame_side=reading.max_frame_side)
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    return Result(attributes=dataclasses.asdict(info))


def _row(name: str, root: Path, video: Listed, stat: dict[str, int], result: Result, shard: str) -> dict[str, Any]:
    """The row of a video. Its n_frames and fps are empty where only decoding tells, and estimated_frames stands in."""
    header = dict(result.attributes)
    if header:
        n_frames, fps = header["n_frames"], float(header["fps"])
        header |= {"estimated_frames": n_frames, "seconds": round(int(n_frames) / fps, 3) if fps else ""}
        header |= {} if header["exact"] else {"n_frames": "", "fps": ""}
    return {
        "video_id": name,
        "path": (root / video.path).as_posix(),
        "label": video.label,
        "group": video.group,
        "scene": video.scene,
        "split": _split_text(video.splits),
        **header,
        **stat,
        "status": result.status,
        "reason": result.reason,
        "shard": shard,
    }


def _write_splits(
    folder: Path, usable: list[dict[str, Any]], settings: DatasetSettings, seed: int
) -> list[dict[str, str]]:
    """The dataset's splits; where there can be none, a table without rows, and `no_splits.txt` says why."""
    unlabelled = sum(not row["label"] for row in usable)
    if unlabelled:
        log.info("videos: %d of %d readable videos have no label", unlabelled, len(usable))
    note = folder / "no_splits.txt"
    try:
        rows = _splits(usable, settings, seed)
        note.unlink(missing_ok=True)
    except StageError as error:
        rows = []
        log.info("videos: there are no splits, so nothing can be judged on these videos: %s", error)
        write_text(note, f"{error}\n")
    recordings = [row | {"group": _recording(row, settings)} for row in rows]
    _write_if_changed(folder / "splits.tsv", recordings, ["split", "video_id", "part", "label", "group"])
    return rows


def _recording(row: dict[str, str], settings: DatasetSettings) -> str:
    """The recording that a video is of, unique in the dataset: g01 of two classes of UCF101 are two recordings."""
    return f"{row['label']} {row['group']}" if settings.layout == "ucf101" and row["group"] else row["group"]


def _splits(usable: list[dict[str, Any]], settings: DatasetSettings, seed: int) -> list[dict[str, str]]:
    """The rows of splits.tsv. Raises StageError where the videos, their labels or groups give none."""
    if usable and not any(row["label"] for row in usable):
        raise StageError("its videos have no labels")
    layout = settings.kind_of_splits
    if layout == "official":
        if settings.layout not in OFFICIAL:
            raise StageError(f"the layout {settings.layout} has no official splits; choose others (datasets.*.splits)")
        layout = "column"
    described = [{name: row[name] for name in ("video_id", "label", "group")} for row in usable]
    rows = [about | _parts(row) for about, row in zip(described, usable, strict=True)]
    return make_splits(rows, layout, seed=seed, test_fraction=settings.test_fraction, n_splits=settings.n_splits)


def _write_unread(
    path: Path,
    rows: list[dict[str, Any]],
    missing: Sequence[Annotated],
    settings: DatasetSettings,
    splits: list[dict[str, str]],
) -> None:
    """The videos that the splits would have if they could be read, so that each accuracy says of how many it is.

    The id of a video that is not there is `label/name` by the annotations. Random splits are of usable videos alone.
    """
    lost = [
        {name: row[name] for name in ("video_id", "label", "group", "status")} | _parts(row)
        for row in rows
        if row["status"] != "ok"
    ]
    for video in missing:
        about = {"video_id": f"{video.label}/{video.names[0]}", "label": video.label, "group": video.group}
        lost.append(about | {"status": "missing"} | dict(video.splits))
    if settings.kind_of_splits == "random":
        lost = []
    unread = unread_rows(lost, splits, by_group=settings.splits == "leave_one_group_out")
    _write_if_changed(path, unread, ["split", "video_id", "part", "label", "status"])


def _parts(row: dict[str, Any]) -> dict[str, str]:
    """split<N> -> train or test, as the column `split` of the index has them."""
    parts: dict[str, str] = json.loads(row["split"] or "{}")
    return parts


def _split_text(splits: Sequence[tuple[str, str]]) -> str:
    """{"split1": "train"}, as JSON; empty where the video is in no split."""
    return json.dumps(dict(splits)) if splits else ""


def _write_if_changed(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Leaves a table with this content as it is, time included."""
    as_text = [{name: str(row.get(name, "")) for name in columns} for row in rows]
    if not path.exists() or read_columns(path) != as_text:
        write_columns(path, as_text, columns)


def _write_shards(folder: Path, rows: list[dict[str, Any]]) -> None:
    shards: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        shards.setdefault(row["shard"], []).append(row)
    for shard, videos in shards.items():
        _write_if_changed(folder / f"{shard}.tsv", videos, COLUMNS)
    for path in folder.glob("*.tsv"):
        if path.stem not in shards:
            remove(path)


def _write_totals(path: Path, rows: list[dict[str, Any]]) -> None:
    """Numbers of videos and frames, of pixels in all frames, of bytes, and the seconds they last, by their headers."""
    totals = {
        "videos": len(rows),
        "frames": sum(row["estimated_frames"] for row in rows),
        "pixels": sum(row["estimated_frames"] * row["width"] * row["height"] for row in rows),
        "seconds": round(sum(row["seconds"] or 0 for row in rows), 1),
        "bytes": sum(row["bytes"] for row in rows),
    }
    if not path.exists() or read_json(path) != totals:
        write_json(path, totals)


def _write_missing(path: Path, missing: Sequence[Annotated]) -> None:
    """Names, labels and splits of the annotated videos that are not there; no file where there is none."""
    if not missing:
        remove(path)
        return
    rows = [{"name": video.names[0], "label": video.label, "split": _split_text(video.splits)} for video in missing]
    _write_if_changed(path, rows, ["name", "label", "split"])


def _write_passed_over(path: Path, walked: Walk) -> None:
    """How many files below the root are no videos, by suffix, and the links to folders that are read already."""
    rows = [{"kind": "suffix", "name": suffix, "files": number} for suffix, number in sorted(walked.others.items())]
    rows += [{"kind": "link", "name": link, "files": ""} for link in walked.links]
    _write_if_changed(path, rows, ["kind", "name", "files"])


def _freeze_sample(path: Path, names: list[str], seed: int, size: int, resample: bool) -> None:
    """Keeps the sample that is there if it was drawn with the same seed and size, else draws it anew.

    Drawn are the `size` ids with the smallest hash of (seed, id): uniform, and independent of order and shards.
    """
    draw = digest(seed, size)
    if path.exists() and not resample:
        rows = read_columns(path)
        if rows and rows[0]["draw"] == draw:
            return
    chosen = sorted(sorted(names, key=lambda name: digest(seed, name))[:size])
    _write_if_changed(path, [{"video_id": name, "draw": draw} for name in chosen], ["video_id", "draw"])


if __name__ == "__main__":
    command_line(index_videos)
