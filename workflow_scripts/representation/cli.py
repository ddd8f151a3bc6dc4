"""The command `dtc`: a trained network in use.

dtc embed VIDEO|FOLDER [...] --model MODEL.pt -o OUT.h5 [--clips N] [--short-side PIXELS] [--threads N] [--force]
dtc neighbours QUERY --among OUT.h5 [-n N] [--space features|embedding] [--model MODEL.pt]
dtc export MODEL.pt -o FOLDER
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from idt_tools.commands.arguments import parse_arguments
from idt_tools.commands.exit_code import exit_code
from idt_tools.printable import PrintableFormatter, PrintableParser, say
from idt_tools.reading import ReadingFailed
from workflow_scripts.ground.stage import StageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0; 1 after a sentence on stderr; 130 on Ctrl-C."""
    chosen = parse_arguments(_parser(), arguments)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal])
    return exit_code(partial(chosen.run, chosen), (StageError, ReadingFailed))


def _embed(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.embed_videos import embed_videos  # torch, which `--help` does not need

    options = {"clips": chosen.clips, "short_side": chosen.short_side, "threads": chosen.threads, "force": chosen.force}
    return 1 if embed_videos(chosen.videos, chosen.model, chosen.output, **options) else 0


def _neighbours(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.find_neighbours import find_neighbours

    found = find_neighbours(chosen.query, chosen.among, n=chosen.n, space=chosen.space, model=chosen.model)
    for cosine, video in found:
        say(f"{cosine:.4f}\t{video}")
    return 0


def _export(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.export_model import export_model

    for path, what in export_model(chosen.model, chosen.output).items():
        print(f"{path}: {what}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = PrintableParser(
        prog="dtc", description="A network trained by dense trajectory clustering, in use."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    embed = commands.add_parser(
        "embed",
        help="write the vectors of videos to an HDF5 file",
        description="Write what the network makes of each video to an HDF5 file; of a folder, all videos below it. "
        "What the file holds already stays, and other videos are added. Typed again after a stop it goes on. "
        "A video that cannot be read has its status there; the exit code is 1.",
    )
    embed.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="a video or a folder of videos")
    embed.add_argument("--model", type=Path, required=True, help="results/pretraining/RUN/seedN/model.pt")
    embed.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write or to add to, .h5"
    )
    embed.add_argument(
        "--clips", type=int, default=5, metavar="N", help="clips of a video that are averaged; default 5"
    )
    embed.add_argument(
        "--short-side",
        type=int,
        default=0,
        metavar="PIXELS",
        help="to which frames are resized before the crop; default 15/7 of the network's input",
    )
    embed.add_argument("--threads", type=int, default=1, metavar="N", help="videos at once; default 1")
    embed.add_argument("--force", action="store_true", help="make OUT anew, with these videos alone")
    embed.set_defaults(run=_embed)

    neighbours = commands.add_parser(
        "neighbours",
        help="print the videos that are most like one",
        description="Print the cosines and names of the videos in a file of `dtc embed` that are nearest to QUERY.",
    )
    neighbours.add_argument("query", metavar="QUERY", help="a video of the file, by path or name; or any other video")
    neighbours.add_argument("--among", type=Path, required=True, metavar="FILE", help="a file of `dtc embed`")
    neighbours.add_argument("-n", type=int, default=10, help="how many; default 10")
    neighbours.add_argument(
        "--space",
        choices=("", "features", "embedding"),
        default="",
        help="what is compared; default embedding, where the network has one",
    )
    neighbours.add_argument("--model", type=Path, help="the model that made FILE, for a QUERY that is not in it")
    neighbours.set_defaults(run=_neighbours)

    export = commands.add_parser(
        "export",
        help="write the network for other programs",
        description="Write backbone.pt2 (torch.export), backbone.pt (a state dict) and preprocessing.json to a folder.",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help="results/pretraining/RUN/seedN/model.pt")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="made where it is not there")
    export.set_defaults(run=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
