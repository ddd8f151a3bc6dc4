"""The size of a dataset and the videos for its pilot, from the index or from the headers of some videos."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import idt_tools
from workflow_scripts.configuration.datasets import dataset_values
from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.configuration.stage_settings import stage_settings
from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.estimate.extrapolate import Size
from workflow_scripts.operations.estimate.pilot import ESTIMATES
from workflow_scripts.pretraining.settings import in_folder, parts_of_subset, split_of_subset
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.layouts.layout import Listed
from workflow_scripts.videos.listing import list_videos
from workflow_scripts.videos.settings import DatasetSettings

HEADERS = 500  # the most videos whose headers are read


@dataclass(frozen=True)
class Survey:
    """The size of a dataset, the videos for a pilot, and the seconds that reading a header took."""

    size: Size
    rows: list[dict[str, str]]  # rows of the index of readable videos, in random order
    header_seconds: list[float]  # of some of the videos
    root: Path = Path()  # the dataset's root
    listed: tuple[Listed, ...] = ()  # all videos of the dataset


def survey(config: dict[str, Any], dataset: str) -> Survey:
    """Lists a dataset and reads the headers of `HEADERS` random videos. If there is an index, the size is the index's.

    Raises StageError if no video can be read.
    """
    folder = ESTIMATES / dataset
    values = dataset_values(config, dataset, str(REPOSITORY))
    settings = stage_settings("videos", values, "DatasetSettings")
    root, listing = list_videos(dataset, settings, folder / "generated")
    listed = listing.videos
    drawn = sorted(listed, key=lambda video: digest(config["seed"], "pilot", video.path))[:HEADERS]
    manifest, index = folder / "headers.csv", folder / "headers" / "index.tsv"
    folder.mkdir(parents=True, exist_ok=True)
    # File names need not be UTF-8, and may begin with a blank.
    with open(manifest, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
            [["path", "label"], *([video.path, video.label] for video in drawn)]
        )
    headers = DatasetSettings(layout="manifest", root=str(root), manifest=str(manifest), shards=1)
    reading = stage_settings("videos", config["videos"], "ReadingSettings")
    index_videos(dataset, index, headers, config["seed"], max_failed_fraction=1.0, reading=reading)
    rows = sorted(read_columns(index), key=lambda row: digest(config["seed"], "pilot", row["video_id"]))
    usable = [row for row in rows if row["status"] == "ok"]
    if not usable:
        raise StageError(f"datasets.{dataset}: none of {len(rows)} videos can be read, for example {rows[0]['path']}")
    totals, scale = Path(f"results/{dataset}/videos/totals.json"), 1.0
    if not totals.exists():
        totals, scale = index.parent / "totals.json", len(listed) / len(drawn)
    sums = read_json(totals)
    size = Size(sums["videos"] * scale, sums["frames"] * scale, sums["pixels"] * scale)
    return Survey(size, usable, [_header_seconds(row) for row in usable[:20]], root, tuple(listed))


def videos_of_subset(surveyed: Survey, size: Size, subset: str) -> float:
    """The number of videos in a run's `subset` of a dataset of `size`.

    For a folder, it is the folder's share of the headers that were read. For a split that is not drawn yet, it is the
    number of all videos.
    """
    folder, number = parts_of_subset(subset)
    split = split_of_subset(subset)
    if split is None:
        share = sum(in_folder(row["path"], folder, surveyed.root) for row in surveyed.rows) / len(surveyed.rows)
    else:
        share = sum((split, "train") in video.splits for video in surveyed.listed) / len(surveyed.listed) or 1.0
    n_videos = share * size.videos
    return n_videos if number is None else min(number, n_videos)


def _header_seconds(row: dict[str, str]) -> float:
    started = time.process_time()
    idt_tools.probe_video(row["path"])
    return time.process_time() - started


def size_of(row: dict[str, str]) -> Size:
    """The size of a video, from its row of the index."""
    n_frames = int(row["estimated_frames"])
    return Size(1, n_frames, n_frames * int(row["width"]) * int(row["height"]))


@dataclass(frozen=True)
class SizeOverride:
    """A size to estimate instead of a dataset's own. Numbers that are not set are those of the dataset."""

    videos: int | None = None
    seconds: float | None = None
    fps: float = 30.0
    frame_size: str = ""  # WIDTHxHEIGHT

    @property
    def is_set(self) -> bool:
        return self.videos is not None or self.seconds is not None or bool(self.frame_size)

    def apply(self, size: Size) -> Size:
        """Replaces the numbers that are set in `size`. Raises StageError if the frame size is not WIDTHxHEIGHT."""
        if not self.is_set:
            return size
        n_videos = self.videos or size.videos
        frames = n_videos * (self.seconds * self.fps if self.seconds else size.frames / size.videos)
        if not self.frame_size:
            return Size(n_videos, frames, frames * size.pixels / size.frames)
        try:
            width, height = map(int, self.frame_size.lower().split("x"))
        except ValueError as error:
            raise StageError(f"--as-if-size must be WIDTHxHEIGHT, such as 340x256, not {self.frame_size!r}") from error
        return Size(n_videos, frames, frames * width * height)
