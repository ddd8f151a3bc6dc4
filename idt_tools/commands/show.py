"""`idt show`: draws the trajectories of a video on its frames, as a film or as a contact sheet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import drawing, trajectory_files
from ..person_boxes import boxes_by_frame
from ..printable import print_safely
from ..tracker import TrackerOptions, stream
from ..video import probe_video
from ..whole_file import naming, whole_file
from .files import CommandError, check_output
from .progress import Progress


def show_video(video: Path, output: Path, boxes: Path | None = None) -> None:
    """Draws the trajectories of a video.

    Args:
        video: the video file.
        output: the file to write: a film of all frames (.mp4) or a contact sheet (.png).
        boxes: the person boxes (see `find_boxes`).

    Raises:
        CommandError, VideoError, ValueError, OSError: with one sentence for the user.
    """
    if output.suffix not in (".mp4", ".png"):
        raise CommandError(f"{output}: the name must end in .mp4 (a film) or .png (a contact sheet)")
    box_file = boxes and trajectory_files.find_boxes(boxes, video, several=False)
    check_output(output, video, box_file and trajectory_files.split_group(box_file)[0])
    people = trajectory_files.read_boxes(box_file) if box_file else None
    header = probe_video(video)
    with Progress("track") as progress:
        counted = progress.count_frames(video)
        n_frames = counted.n_frames
        options = TrackerOptions(record_points=True)
        try:
            tracks = drawing.Tracks.of(stream(progress.frames(video, n_frames), people, options=options))
        except ValueError as error:  # the tracker refuses a frame
            raise CommandError(f"{video}: {error}") from None
    with Progress("draw") as progress, whole_file(output) as file, naming(output):
        temporary = Path(str(file.name))
        frames: Iterator[np.ndarray] = progress.frames(video, n_frames)
        by_frame = boxes_by_frame(people)
        if output.suffix == ".mp4":
            drawing.write_film(
                temporary, frames, tracks, by_frame, header.fps if header.exact else counted.fps or header.fps
            )
        else:
            legend = "green: path so far, red: now" + (", blue: person mask" if people is not None else "")
            title = f"{video.name}: {len(tracks)} trajectories in {n_frames} frames\n{legend}"
            drawing.write_sheet(temporary, frames, n_frames, tracks, by_frame, title)
    print_safely(f"{output}: {len(tracks)} trajectories of {n_frames} frames")
