"""`idt show`: a video with its trajectories drawn on it, as a film or as a contact sheet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import drawing, trajectory_files
from ..person_boxes import boxes_by_frame
from ..printable import say
from ..tracker import TrackerOptions, stream
from ..video import probe_video
from ..whole_file import naming, whole_file
from .files import CommandError, check_output
from .progress import Progress


def show_video(video: Path, output: Path, boxes: Path | None = None) -> None:
    """Draw the trajectories of a video to `output`: .mp4, every frame, or .png, a contact sheet.

    Raises CommandError, VideoError, ValueError or OSError, each with one sentence.
    """
    if output.suffix not in (".mp4", ".png"):
        raise CommandError(f"{output}: the name must end in .mp4 (a film) or .png (a contact sheet)")
    place = boxes and trajectory_files.find_boxes(boxes, video, several=False)
    check_output(output, video, place and trajectory_files.split_group(place)[0])
    people = trajectory_files.read_boxes(place) if place else None
    header = probe_video(video)
    with Progress("track") as progress:
        counted = progress.count_frames(video)
        n_frames = counted.n_frames
        options = TrackerOptions(record_points=True)
        try:
            tracks = drawing.Tracks.of(stream(progress.frames(video, n_frames), people, options=options))
        except ValueError as error:  # frames that the tracker refuses
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
    say(f"{output}: {len(tracks)} trajectories of {n_frames} frames")
