"""The command `idt` tracks videos, draws and encodes their trajectories, finds people, and describes result files.

idt extract VIDEO [VIDEO ...] -o OUT [--boxes BOXES] [--format h5|text] [--threads N] [--force]
idt show VIDEO -o OUT.mp4|OUT.png [--boxes BOXES]
idt encode VIDEO [VIDEO ...] --codebook CODEBOOK.h5 [-o OUT.h5] [--boxes BOXES] [--threads N] [--force]
idt boxes FILE.h5 [FILE.h5 ...] -o FOLDER [--index INDEX.tsv]
idt boxes VIDEO [VIDEO ...] --detector NAME -o FOLDER [--stride N] [--threads N] [--force]
idt inspect FILE.h5 [FILE.h5 ...]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .commands.arguments import parse_arguments
from .commands.boxes import export_boxes
from .commands.detect import detect_boxes
from .commands.encode import encode_videos
from .commands.exit_code import exit_code
from .commands.extract import extract_videos
from .commands.files import CommandError
from .commands.inspect import inspect_file
from .commands.show import show_video
from .printable import PrintableParser, print_safely
from .video import VideoError

ONE_BOXES = (
    "FILE.bb as the original extractor reads, FILE.h5 or FILE.h5:GROUP with a dataset `boxes` (n, 6), or FILE.json, "
    "results in COCO's format (image_id: the frame's number from 0; category_id 1: a person)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns its exit code: 0, 1 with a line per failure on stderr, or 130 after Ctrl-C."""
    options = vars(parse_arguments(command_parser(), arguments))
    run = options.pop("run")  # returns the number of failures, or None
    return exit_code(lambda: 1 if run(**options) else 0, (CommandError, VideoError, ValueError, OSError))


def _boxes(files: list[Path], output: Path, detector: str | None, index: Path | None, **options: Any) -> int:
    if detector is None:
        return export_boxes(files, output, index)
    if index:
        raise CommandError("--index names the videos of HDF5 files; leave it out with --detector")
    return detect_boxes(files, output, detector, **options)


def _inspect(files: list[Path]) -> int:
    n_failed = 0
    for place in files:
        try:
            inspect_file(place)
        except CommandError as error:
            print_safely(f"error: {error}", sys.stderr)
            n_failed += 1
    return n_failed


def command_parser() -> argparse.ArgumentParser:
    """The parser of `idt`, with a subparser for each command."""
    parser: argparse.ArgumentParser = PrintableParser(
        prog="idt",
        description="Improved dense trajectories of videos: paths of points, and descriptors of the image around them.",
        epilog="examples:\n"
        "  idt extract video.mp4 -o trajectories.h5 --threads 2\n"
        "  idt extract videos/*.mp4 -o trajectories/ --threads 4\n"
        "  idt show video.mp4 -o trajectories.png\n"
        "  idt encode video.mp4 --codebook codebook.h5 -o sketch.h5\n"
        "  idt inspect trajectories.h5\n\n"
        "`idt COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_extract(commands)
    _add_show(commands)
    _add_encode(commands)
    _add_boxes(commands)
    _add_inspect(commands)
    return parser


def _add_extract(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "extract",
        help="write the trajectories of videos to files",
        description="Write the trajectories of each video to a file. Files are written whole or not at all, and\n"
        "existing files stay: type a stopped command again to continue it. A video that cannot be\n"
        "read does not stop the others: it has a line on stderr, and the exit code is 1.",
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
        help="for one video, the file to write, .h5 or .txt; for several videos, or with / at its end, a folder (made "
        "if needed) for the files <video's name without ending>.h5 or .txt",
    )
    command.add_argument(
        "--format",
        choices=("h5", "text"),
        help="h5: /info and /descriptors (float16); text: 436 columns, as the original extractor writes. "
        "Default: by the ending of OUT; h5 in a folder",
    )
    _add_several(
        command,
        "videos tracked at once, each by one thread, or some by two if fewer videos are left to track; default 1",
    )
    command.set_defaults(run=extract_videos)


def _add_show(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "show",
        help="draw a video's trajectories on its frames",
        description="Draw a video's trajectories: the path of each up to the frame in green, its current end in red.\n"
        "With --boxes, the area that the estimate of the camera's motion leaves out is blue.",
        epilog="example:\n  idt show video.mp4 -o trajectories.png --boxes people.bb",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("video", type=Path, metavar="VIDEO", help="anything that FFmpeg reads")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".mp4: a film; .png: a contact sheet"
    )
    command.add_argument("--boxes", type=Path, metavar="BOXES", help=f"people: {ONE_BOXES}")
    command.set_defaults(run=show_video)


def _add_encode(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "encode",
        help="turn videos into vectors of equal length",
        description="Track each video and compute its sketch with a codebook: a vector of 2,000 numbers for a video\n"
        "of any length. Without -o, the sketch of one video is printed. A video that cannot be encoded\n"
        "does not stop the others: it has a line on stderr, its status is in OUT, and the exit code is 1.",
        epilog="examples:\n"
        "  idt encode video.mp4 --codebook codebook.h5 -o sketch.h5\n"
        "  idt encode videos/*.mp4 --codebook codebook.h5 -o sketches.h5 --threads 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="anything that FFmpeg reads")
    command.add_argument("--codebook", type=Path, required=True, metavar="CODEBOOK", help="HDF5 file of a codebook")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the HDF5 file to write: video, sketch (n, 2000), n_trajectories, status, reason; existing sketches stay, "
        "and missing videos are added",
    )
    _add_several(command, "videos tracked at once, each by one thread; default 1")
    command.set_defaults(run=encode_videos)


def _add_several(command: argparse.ArgumentParser, threads: str) -> None:
    """Adds the arguments of the commands that track several videos. `threads` describes --threads."""
    command.add_argument(
        "--boxes",
        type=Path,
        metavar="BOXES",
        help=f"people to ignore in the estimate of the camera's motion; for one video {ONE_BOXES}; for several a "
        "folder of files named after the videos, .bb, .h5 or .json, or one HDF5 file with a group named after each",
    )
    command.add_argument("--threads", type=int, default=1, metavar="N", help=threads)
    command.add_argument("--force", action="store_true", help="overwrite existing results")


def _add_boxes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "boxes",
        help="write the people in videos as the original extractor's text",
        description="Write the boxes of each video as a file .bb for the original extractor: a line per frame,\n"
        "`frame x1 y1 x2 y2 score ...`. The boxes come from HDF5 files with a group per video or, with\n"
        "--detector, from a detector of persons. A video without boxes has a line on stderr, and the\n"
        "exit code is then 1.",
        epilog="examples:\n  idt boxes persons/*.h5 --index index.tsv -o people/\n"
        "  idt boxes videos/*.mp4 --detector hog -o people/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="HDF5 files with a group per video (dataset boxes, attributes n_frames, width, height); with --detector, "
        "videos",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="made if needed; its files are VIDEO_ID.bb or, with --detector, are named after the videos",
    )
    command.add_argument(
        "--detector",
        metavar="NAME",
        help="find the people in videos with this detector of an installed package",
    )
    command.add_argument(
        "--stride", type=int, default=1, metavar="N", help="with --detector: use every N-th frame; default 1"
    )
    command.add_argument("--threads", type=int, default=1, metavar="N", help="with --detector: videos at once")
    command.add_argument("--force", action="store_true", help="with --detector: overwrite existing files")
    command.add_argument(
        "--index",
        type=Path,
        metavar="INDEX",
        help="tab-separated table with the columns video_id (name of the group) and path; the files are then "
        "<the video's folder>/<its name>.bb, which --boxes finds",
    )
    command.set_defaults(run=_boxes)


def _add_inspect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "inspect",
        help="describe a file of results",
        description="Describe how an HDF5 file was made, the statuses of its videos, and its datasets: for example a\n"
        "file of `idt extract` or `idt encode`.",
        epilog="examples:\n  idt inspect trajectories.h5\n  idt inspect shard.h5:VIDEO_ID",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="an HDF5 file, or FILE.h5:GROUP for one video in it"
    )
    command.set_defaults(run=_inspect)


if __name__ == "__main__":
    sys.exit(main())
