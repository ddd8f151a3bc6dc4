"""The index of a dataset: every file with an id, what its header says, a status and a shard.

Writes `index.tsv` (a row for every file, for people and the report) and beside it what the stages take:
`shards/{shard}.tsv` (the readable videos of a shard), `sample.tsv` (the videos the codebook is fitted on), `splits.tsv`
and `totals.json` (what the readable videos add up to). Those are rewritten only when their content changes, so that a
new video touches its own shard's list and no other, and Snakemake, which compares times, runs that shard alone.
Where an official dataset's annotations name videos that are not there, `missing.tsv` lists them; they are no failures.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import idt_tools
from workflow_scripts.artifacts import read_columns, read_json, remove, write_columns, write_json
from workflow_scripts.identity import digest, shard_of, video_id
from workflow_scripts.stage import StageError, command_line
from workflow_scripts.store import Result, process_shard
from workflow_scripts.videos.listing import Listed, list_videos
from workflow_scripts.videos.official import Annotated
from workflow_scripts.videos.settings import OFFICIAL, VERSION, DatasetSettings
from workflow_scripts.videos.splits import make_splits

log = logging.getLogger(__name__)

COLUMNS = "video_id path label group scene split n_frames fps width height bytes mtime_ns status reason shard".split()


def index_videos(
    dataset: str,
    index: Path,
    settings: DatasetSettings,
    seed: int = 0,
    sample_videos: int = 3500,
    resample: bool = False,
    max_failed_fraction: float = 0.1,
    threads: int = 1,
) -> None:
    """Lists, probes and shards the videos of `dataset` and writes `index` and its companions beside it.

    The sample of `sample_videos` ids is drawn once, from the first index, and kept until `resample`, so that adding
    videos does not change the codebook (paper 4.2 draws 3,500). Files are probed once: only those whose size or
    time changed are read again. Raises StageError where there is nothing to index, two videos share an id, or more
    than `max_failed_fraction` cannot be read.
    """
    folder = index.parent
    root, listed, missing = list_videos(dataset, settings, folder / "generated")
    log.info("videos: %d files listed in %s", len(listed), root)
    by_id = {video_id(video.path): video for video in listed}
    if len(by_id) < len(listed):
        raise StageError(f"datasets.{dataset}: two files have the same id (a hash collision); rename one of them")

    stats = {name: _stat(root / video.path) for name, video in by_id.items()}
    keys = {name: digest(VERSION, stat) for name, stat in stats.items()}

    def probe(name: str) -> Result:
        return _probe(root / by_id[name].path)

    rows: list[dict[str, Any]] = []
    for name, result in process_shard(
        folder / ".store" / "probes",
        keys,
        probe,
        stage="videos",
        threads=threads,
        max_failed_fraction=max_failed_fraction,
    ):
        rows.append(_row(name, root, by_id[name], stats[name], result, shard_of(name, settings.shards)))
    usable = [row for row in rows if row["status"] == "ok"]

    _write_shards(folder / "shards", usable)
    _write_if_changed(folder / "splits.tsv", _splits(usable, settings, seed), ["split", "video_id", "part", "label"])
    _freeze_sample(folder / "sample.tsv", [row["video_id"] for row in usable], seed, sample_videos, resample)
    _write_totals(folder / "totals.json", usable)
    _write_missing(folder / "missing.tsv", missing)
    write_columns(index, rows, COLUMNS)  # last: its being there says that all is


def _stat(path: Path) -> dict[str, int]:
    """Size and time of a file, by which a change is noticed; zeros for one that is not there."""
    try:
        stat = os.stat(path)
    except OSError:
        return {"bytes": 0, "mtime_ns": 0}
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _probe(path: Path) -> Result:
    if not path.exists():
        return Result("missing", "the dataset names this file, but it is not there")
    try:
        info = idt_tools.probe_video(path)
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    return Result(attributes={"n_frames": info.n_frames, "fps": info.fps, "width": info.width, "height": info.height})


def _row(name: str, root: Path, video: Listed, stat: dict[str, int], result: Result, shard: str) -> dict[str, Any]:
    return {
        "video_id": name,
        "path": (root / video.path).as_posix(),
        "label": video.label,
        "group": video.group,
        "scene": video.scene,
        "split": _split_text(video.splits),
        **result.attributes,
        **stat,
        "status": result.status,
        "reason": result.reason,
        "shard": shard,
    }


def _splits(rows: list[dict[str, Any]], settings: DatasetSettings, seed: int) -> list[dict[str, Any]]:
    """The dataset's splits; none where the videos have no labels, or Kinetics one part, as pretraining needs none."""
    if not any(row["label"] for row in rows):
        return []
    layout = settings.splits
    if layout == "auto":
        layout = "official" if settings.layout in OFFICIAL else "random"
    if layout == "official":
        if settings.layout not in OFFICIAL:
            raise StageError(f"the layout {settings.layout} has no official splits; choose others (datasets.*.splits)")
        if settings.layout == "kinetics" and len({row["split"] for row in rows} - {""}) < 2:
            return []
        layout = "column"
    columns = [row | dict(pair.split("=") for pair in row["split"].split()) for row in rows]
    return make_splits(columns, layout, seed=seed, test_fraction=settings.test_fraction, n_splits=settings.n_splits)


def _split_text(splits: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"{column}={part}" for column, part in splits)


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
        "frames": sum(row["n_frames"] for row in rows),
        "pixels": sum(row["n_frames"] * row["width"] * row["height"] for row in rows),
        "seconds": round(sum(row["n_frames"] / row["fps"] for row in rows if row["fps"]), 1),
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
