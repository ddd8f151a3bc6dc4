"""A folder per label: the first folder of a video's path below the root is its label."""

from pathlib import Path

from workflow_scripts.videos.folders import walk
from workflow_scripts.videos.layouts.layout import Listed, Listing


def read(root: Path, _: object) -> Listing:
    """Returns the videos below `root`. A video in `root` itself has no label."""
    walked = walk(root)
    paths = [path.relative_to(root) for path in walked.videos]
    videos = [Listed(path.as_posix(), path.parts[0] if len(path.parts) > 1 else "") for path in paths]
    return Listing(videos, walked=walked)
