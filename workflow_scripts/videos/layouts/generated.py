"""The videos that the project generates for its demo and its tests."""

from pathlib import Path
from typing import Any

from workflow_scripts.videos.layouts.layout import Listed, Listing


def read(root: Path, settings: dict[str, Any], threads: int = 1) -> Listing:
    """Returns the generated videos below `root`, after generating the missing ones in up to `threads` processes.

    The first group is the test part of split 1. No training video shows its place.
    """
    # Imported here: Snakemake reads the table of layouts at its start, and the generator imports OpenCV and PyAV.
    from workflow_scripts.synthetic.generate import generate_videos
    from workflow_scripts.synthetic.settings import GeneratedSettings

    rows = generate_videos(root, GeneratedSettings(**settings), threads)
    first = min(row["group"] for row in rows)
    return Listing(
        [
            Listed(row["path"], row["label"], row["group"], row["scene"], ((1, part),))
            for row in rows
            for part in ["test" if row["group"] == first else "train"]
        ]
    )
