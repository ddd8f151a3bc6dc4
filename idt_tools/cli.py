"""The command `idt`: trajectories of a video to a file, or drawn on its frames.

idt extract VIDEO -o OUT.h5 [--boxes FILE.h5|FILE.bb] [--format h5|text]
idt show VIDEO -o OUT.mp4|OUT.png [--boxes FILE.h5|FILE.bb]
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import drawing, trajectory_files
from .tracker import TrackerOptions, Trajectories, extract
from .video import VideoError, VideoInfo, probe_video, read_video


class CommandError(Exception):
    """What the user must know, in one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 1 after one line on stderr."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except (CommandError, VideoError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="idt", description="Improved dense trajectories of a video.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    extracting = commands.add_parser("extract", help="write a video's trajectories to a file")
    extracting.add_argument("-o", "--output", type=Path, required=True, help="file to write", metavar="OUT")
    extracting.add_argument(
        "--format",
        choices=("h5", "text"),
        default="h5",
        help="h5: /info and /descriptors (float16), the default; text: 436 columns, as the original extractor writes",
    )
    extracting.set_defaults(run=_extract)

    showing = commands.add_parser("show", help="draw a video's trajectories on its frames")
    showing.add_argument(
        "-o", "--output", type=Path, required=True, help=".mp4: a film; .png: a contact sheet", metavar="OUT"
    )
    showing.set_defaults(run=_show)

    for command in (extracting, showing):
        command.add_argument("video", type=Path, metavar="VIDEO")
        command.add_argument(
            "--boxes",
            type=Path,
            metavar="FILE",
            help="people, kept out of the estimate of the camera's motion: FILE.bb, FILE.h5 or FILE.h5:GROUP",
        )
    return parser


def _extract(chosen: argparse.Namespace) -> None:
    options = TrackerOptions()
    video, found, n_frames, _ = _track(chosen, options)
    if chosen.format == "text":
        trajectory_files.write_text(chosen.output, found)
    else:
        trajectory_files.write_hdf5(
            chosen.output,
            found,
            options,
            video=chosen.video.name,
            n_frames=n_frames,
            fps=video.fps,
            width=video.width,
            height=video.height,
        )
    print(f"{chosen.output}: {len(found)} trajectories of {n_frames} frames")


def _show(chosen: argparse.Namespace) -> None:
    if chosen.output.suffix not in (".mp4", ".png"):
        raise CommandError(f"{chosen.output}: the name must end in .mp4 (a film) or .png (a contact sheet)")
    video, found, n_frames, boxes = _track(chosen, TrackerOptions(record_points=True))
    frames = tqdm(read_video(chosen.video), desc="draw", total=n_frames, unit=" frames")
    pictures = drawing.draw_frames(frames, found, boxes)
    with trajectory_files.whole_file(chosen.output) as temporary:
        if chosen.output.suffix == ".mp4":
            drawing.write_film(temporary, pictures, video.fps)
        else:
            drawing.write_sheet(temporary, pictures, n_frames)
    print(f"{chosen.output}: {len(found)} trajectories of {n_frames} frames")


def _track(
    chosen: argparse.Namespace, options: TrackerOptions
) -> tuple[VideoInfo, Trajectories, int, np.ndarray | None]:
    """Header, trajectories, number of frames and boxes of the chosen video, with a progress bar."""
    if not chosen.output.parent.is_dir():
        raise CommandError(f"{chosen.output.parent}: there is no such folder to write to")
    boxes = trajectory_files.read_boxes(chosen.boxes) if chosen.boxes else None
    video = probe_video(chosen.video)
    with tqdm(desc="track", total=video.n_frames or None, unit=" frames") as progress:

        def frames() -> Iterator[np.ndarray]:
            for frame in read_video(chosen.video):
                yield frame
                progress.update()

        found = extract(frames(), boxes=boxes, options=options)
    return video, found, int(progress.n), boxes


if __name__ == "__main__":
    sys.exit(main())
