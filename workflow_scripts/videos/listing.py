"""Lists the videos of a dataset of any layout, without reading the video files."""

import fnmatch
from dataclasses import replace
from pathlib import Path

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts import LAYOUTS
from workflow_scripts.videos.layouts.layout import Listing
from workflow_scripts.videos.settings import DatasetSettings


def list_videos(
    dataset: str, settings: DatasetSettings, generated_root: Path, threads: int = 1
) -> tuple[Path, Listing]:
    """Returns the root of a dataset and its videos, sorted by path. Generates the videos of the layout `generated`.

    Args:
        dataset: Name of the dataset, for error messages.
        settings: The dataset's entry in the config.
        generated_root: Folder of the videos if the layout is `generated`.
        threads: Number of videos that are generated at once.

    Raises:
        StageError: The root, the manifest or the annotations cannot be read, or no video matches `include`.
    """
    layout = LAYOUTS[settings.layout]
    source = getattr(settings, layout.source, None)
    if layout.source == "generated":
        root = generated_root
        listing = layout.read(root, source, threads)
    else:
        root = Path(settings.root)
        if not root.is_dir():
            raise StageError(f"datasets.{dataset}.root: the folder {root} does not exist; create it or name another")
        listing = layout.read(root, source)
    if not listing.videos:
        named = "that the annotations name " if layout.source == "annotations" else ""
        raise StageError(f"datasets.{dataset}: no video {named}is in {settings.manifest or root}; give another root")
    included = [video for video in listing.videos if fnmatch.fnmatchcase(video.path, settings.include)]
    if not included:
        raise StageError(f"datasets.{dataset}: no video in {root} matches include: {settings.include!r}")
    return root, replace(listing, videos=sorted(included, key=lambda video: video.path))
