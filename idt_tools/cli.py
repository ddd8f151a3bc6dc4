"""The command `idt`: trajectories of videos to files, or drawn on a video's frames.

idt extract VIDEO [VIDEO ...] -o OUT [--boxes BOXES] [--format h5|text] [--threads N] [--force]
idt show VIDEO -o OUT.mp4|OUT.png [--boxes BOXES]
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from .commands.extract import extract_videos
from .commands.files import CommandError, sentence
from .commands.show import show_video
from .video import VideoError

ONE_BOXES = "FILE.bb as the original extractor reads, FILE.h5 or FILE.h5:GROUP with a dataset `boxes` (n, 6)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0; 1 after a line on stderr for each thing that failed; 130 on Ctrl-C."""
    chosen = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: any name of a file can be printed
    try:
        return chosen.run(chosen)
    except (CommandError, VideoError, ValueError, OSError) as error:
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; the files that are there are whole, and the same command goes on", file=sys.stderr)
        return 130


def _extract(chosen: argparse.Namespace) -> int:
    failed = extract_videos(
        chosen.videos,
        chosen.output,
        boxes=chosen.boxes,
        format=chosen.format,
        threads=chosen.threads,
        force=chosen.force,
    )
    return 1 if failed else 0


def _show(chosen: argparse.Namespace) -> int:
    show_video(chosen.video, chosen.output, chosen.boxes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="idt",
        description="Improved dense trajectories of videos: where points move, and how it looks there.",
        epilog="examples:\n"
        "  idt extract video.mp4 -o trajectories.h5\n"
        "  idt extract videos/*.mp4 -o trajectories/ --threads 4\n"
        "  idt show video.mp4 -o trajectories.png\n\n"
        "`idt COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_extract(commands)
    _add_show(commands)
    return parser


def _add_extract(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "extract",
        help="write the trajectories of videos to files",
        description="Write the trajectories of each video to a file of its own. A file is written whole or not at\n"
        "all, and one that is there already is kept: a run that was stopped goes on when it is typed\n"
        "again. A video that cannot be read stops no other: it has its line on stderr, and the exit\n"
        "code is 1.",
        epilog="examples:\n"
        "  idt extract video.mp4 -o trajectories.h5 --boxes people.bb\n"
        "  idt extract videos/*.mp4 -o trajectories/ --boxes people/ --threads 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="anything that FFmpeg reads")
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="for one video, the file to write, .h5 or .txt; for several, or ending in /, a folder (made where it is "
        "not there) for files named after the videos: <video's name without ending>.h5 or .txt",
    )
    command.add_argument(
        "--boxes",
        type=Path,
        metavar="BOXES",
        help=f"people, kept out of the estimate of the camera's motion; for one video {ONE_BOXES}; for several a "
        "folder of files named after the videos, .bb or .h5, or one HDF5 file with a group named after each",
    )
    command.add_argument(
        "--format",
        choices=("h5", "text"),
        help="h5: /info and /descriptors (float16); text: 436 columns, as the original extractor writes. "
        "Default: by OUT's ending; h5 in a folder",
    )
    command.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="videos tracked at once, each by one thread; default 1: a job takes no more cores than it was given",
    )
    command.add_argument("--force", action="store_true", help="write anew what is there already")
    command.set_defaults(run=_extract)


def _add_show(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "show",
        help="draw a video's trajectories on its frames",
        description="Draw a video's trajectories: the path of each so far in green, where it is now in red; with\n"
        "--boxes, in blue, the area that the estimate of the camera's motion leaves out.",
        epilog="example:\n  idt show video.mp4 -o trajectories.png --boxes people.bb",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("video", type=Path, metavar="VIDEO", help="anything that FFmpeg reads")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".mp4: a film; .png: a contact sheet"
    )
    command.add_argument("--boxes", type=Path, metavar="BOXES", help=f"people: {ONE_BOXES}")
    command.set_defaults(run=_show)


if __name__ == "__main__":
    sys.exit(main())
