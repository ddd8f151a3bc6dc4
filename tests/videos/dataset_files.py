"""Helpers of the tests of datasets: empty video files, and the lists and indexes of datasets."""

from pathlib import Path

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.layouts.layout import Annotated, Listed
from workflow_scripts.videos.listing import list_videos
from workflow_scripts.videos.settings import DatasetSettings


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def list_official(layout: str, root: Path, annotations: Path) -> tuple[list[Listed], list[Annotated]]:
    """Returns the videos of an official dataset, and the annotated videos without a file."""
    listing = list_videos("d", DatasetSettings(layout, str(root), annotations=str(annotations)), root)[1]
    return listing.videos, listing.missing


def index_rows(folder: Path, settings: DatasetSettings) -> list[dict[str, str]]:
    """Writes the index of a dataset into `folder` and returns its rows."""
    index_videos("d", folder / "index.tsv", settings)
    return read_columns(folder / "index.tsv")
