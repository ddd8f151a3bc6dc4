"""The command `idt`: trajectories of videos to files, drawn on a video's frames, or encoded; people; what files hold.

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
from functools import partial
from pathlib import Path

from .commands.arguments import parse_arguments
from .commands.boxes import export_boxes
from .commands.detect import detect_boxes
from .commands.encode import encode_videos
from .commands.exit_code import exit_code
from .commands.extract import extract_videos
from .commands.files import CommandError
from .commands.inspect import inspect_file
from .commands.show import show_video
from .printable import PrintableParser, say
from .video import VideoError

ONE_BOXES = (
    "FILE.bb as the original extractor reads, FILE.h5 or FILE.h5:GROUP with a dataset `boxes` (n, 6), or FILE.json, "
    "results in COCO's format (image_id: the frame's number from 0; category_id 1: a person)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0; 1 after a line on stderr for each thing that failed; 130 on Ctrl-C."""
    chosen = parse_arguments(_parser(), arguments)
    return exit_code(partial(chosen.run, chosen), (CommandError, VideoError, ValueError, OSError))


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


def _encode(chosen: argparse.Namespace) -> int:
    failed = encode_videos(
        chosen.videos,
        chosen.codebook,
        chosen.output,
        boxes=chosen.boxes,
        threads=chosen.threads,
        force=chosen.force,
    )
    return 1 if failed else 0


def _boxes(chosen: argparse.Namespace) -> int:
    if chosen.detector is None:
        return 1 if export_boxes(chosen.files, chosen.output, chosen.index) else 0
    if chosen.index:
        raise CommandError("--index names the videos of HDF5 files; leave it out with --detector")
    options = {"stride": chosen.stride, "threads": chosen.threads, "force": chosen.force}
    return 1 if detect_boxes(chosen.files, chosen.output, chosen.detector, **options) else 0


def _inspect(chosen: argparse.Namespace) -> int:
    code = 0
    for place in chosen.files:
        try:
            inspect_file(place)
        except CommandError as error:
            say(f"error: {error}", sys.stderr)
            code = 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = PrintableParser(
        prog="idt",
        description="Improved dense trajectories of videos: where points move, and how it looks there.",
        epilog="examples:\n"
        "  idt extract video.mp4 -o trajectories.h5\n"
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
        "--format",
        choices=("h5", "text"),
        help="h5: /info and /descriptors (float16); text: 436 columns, as the original extractor writes. "
        "Default: by OUT's ending; h5 in a folder",
    )
    _add_several(command)
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


def _add_encode(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "encode",
        help="turn videos into vectors of equal length",
        description="Track each video and write its sketch by a codebook: a vector of 2,000 numbers, whatever the\n"
        "video's length. Without -o, the sketch of one video is printed. A video that cannot be encoded\n"
        "does not stop the others: stderr has a line on it, OUT has its status, and the exit code is 1.",
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
        help="the HDF5 file to write: video, sketch (n, 2000), n_trajectories, status, reason; what it holds is kept, "
        "and videos that it lacks are added",
    )
    _add_several(command)
    command.set_defaults(run=_encode)


def _add_several(command: argparse.ArgumentParser) -> None:
    """What the commands that track several videos have in common."""
    command.add_argument(
        "--boxes",
        type=Path,
        metavar="BOXES",
        help=f"people, kept out of the estimate of the camera's motion; for one video {ONE_BOXES}; for several a "
        "folder of files named after the videos, .bb, .h5 or .json, or one HDF5 file with a group named after each",
    )
    command.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="videos tracked at once, each by one thread; default 1: a job takes no more cores than it was given",
    )
    command.add_argument("--force", action="store_true", help="write anew what is there already")


def _add_boxes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "boxes",
        help="write the people in videos as the original extractor's text",
        description="Write the boxes of each video as a file .bb, as the original extractor reads: a line a frame,\n"
        "`frame x1 y1 x2 y2 score ...`. The boxes come from HDF5 files with a group per video or, with\n"
        "--detector, from a detector that looks at the videos. stderr has a line on each video without\n"
        "boxes, and the exit code is then 1.",
        epilog="examples:\n  idt boxes persons/*.h5 --index index.tsv -o people/\n"
        "  idt boxes videos/*.mp4 --detector hog -o people/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="HDF5 files of a group per video: dataset boxes, attributes n_frames, width, height; or videos, with "
        "--detector",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="made where it is not there; its files are named after the ids of the videos, VIDEO_ID.bb, or, with "
        "--detector, after the videos",
    )
    command.add_argument(
        "--detector",
        metavar="NAME",
        help="look for the people in videos by this detector of an installed package",
    )
    command.add_argument(
        "--stride", type=int, default=1, metavar="N", help="with --detector: look at every N-th frame; default 1"
    )
    command.add_argument("--threads", type=int, default=1, metavar="N", help="with --detector: videos at once")
    command.add_argument("--force", action="store_true", help="with --detector: write anew what is there already")
    command.add_argument(
        "--index",
        type=Path,
        metavar="INDEX",
        help="tab-separated table with the columns video_id (name of the group) and path: name the files after the "
        "videos, <the video's folder>/<its name>.bb, as --boxes finds them",
    )
    command.set_defaults(run=_boxes)


def _add_inspect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "inspect",
        help="say what a file of results holds",
        description="Say how an HDF5 file was made, what became of the videos in it, and what its datasets are: for\n"
        "example a file of `idt extract` or `idt encode`.",
        epilog="examples:\n  idt inspect trajectories.h5\n  idt inspect shard.h5:VIDEO_ID",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="an HDF5 file, or FILE.h5:GROUP for one video in it"
    )
    command.set_defaults(run=_inspect)


if __name__ == "__main__":
    sys.exit(main())
