"""The command `dtc`: operations on a run, and uses of a trained network.

dtc status   [--configfile FILE ...] [--full] [--watch]
dtc estimate [--configfile FILE ...] [--videos N] [--cores N] [--as-if-videos N] ...
dtc clean    [--configfile FILE ...]
dtc embed VIDEO|FOLDER [...] --model MODEL.pt -o OUT.h5 [--clips N] [--short-side PIXELS] [--threads N] [--force]
dtc neighbours QUERY --among OUT.h5 [-n N] [--space features|embedding] [--model MODEL.pt]
dtc export MODEL.pt -o FOLDER

Each command imports what it needs when it runs, so that `dtc --help` is fast.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from idt_tools.commands.arguments import parse_arguments
from idt_tools.printable import PrintableFormatter, PrintableParser, print_safely


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0; 1 after a sentence on stderr; 130 on Ctrl-C."""
    chosen = parse_arguments(command_parser(), arguments)
    from idt_tools.commands.exit_code import exit_code  # h5py and numpy
    from idt_tools.reading import ReadingFailed
    from workflow_scripts.ground.stage import StageError

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("faiss").setLevel(logging.WARNING)  # faiss logs each library that it tries to load
    try:
        return exit_code(partial(chosen.run, chosen), (StageError, ReadingFailed))
    except ModuleNotFoundError as error:  # `pip install .` installs only what `idt` needs
        advice = "type `pip install '.[cpu]'` in the repository, or `make setup`"
        print_safely(f"error: the package {error.name} is not installed; {advice}", sys.stderr)
        return 1


Command = Callable[[argparse.Namespace], int]


def _in_repository(command: Command) -> Command:
    """Returns a command that first raises StageError if there is no Snakefile."""

    def checked(chosen: argparse.Namespace) -> int:
        from workflow_scripts.configuration.paths import require_repository

        require_repository()
        return command(chosen)

    return checked


def _status(chosen: argparse.Namespace) -> int:
    if chosen.watch:
        from workflow_scripts.operations.watch import watch

        watch(chosen.configfile, chosen.full)
    else:
        from workflow_scripts.operations.status import status

        status(chosen.configfile, chosen.full)
    return 0


def _estimate(chosen: argparse.Namespace) -> int:
    from workflow_scripts.operations.estimate.estimate_cost import SizeOverride, estimate_cost

    size_override = SizeOverride(chosen.as_if_videos, chosen.as_if_seconds, chosen.as_if_fps, chosen.as_if_size)
    options = {"videos": chosen.videos, "threads": chosen.threads, "cores": chosen.cores, "training": chosen.training}
    estimate_cost(chosen.configfile, size_override=size_override, **options)
    return 0


def _clean(chosen: argparse.Namespace) -> int:
    from workflow_scripts.operations.clean import clean

    clean(chosen.configfile)
    return 0


def _embed(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.embed_videos import embed_videos  # torch, which `--help` does not need

    options = {"clips": chosen.clips, "short_side": chosen.short_side, "threads": chosen.threads, "force": chosen.force}
    return 1 if embed_videos(chosen.videos, chosen.model, chosen.output, **options) else 0


def _neighbours(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.find_neighbours import find_neighbours

    options = {"n": chosen.n, "space": chosen.space, "model": chosen.model}
    for cosine, video in find_neighbours(chosen.query, chosen.among, **options):
        print_safely(f"{cosine:.4f}\t{video}")
    return 0


def _export(chosen: argparse.Namespace) -> int:
    from workflow_scripts.representation.export_model import export_model

    for path, what in export_model(chosen.model, chosen.output).items():
        print(f"{path}: {what}")
    return 0


def command_parser() -> argparse.ArgumentParser:
    """The parser of `dtc`, with a subparser for each command."""
    parser: argparse.ArgumentParser = PrintableParser(
        prog="dtc",
        description="Dense trajectory clustering: the state and the cost of a run, and uses of its networks.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_operations(commands)
    _add_embed(commands)
    _add_neighbours(commands)
    _add_export(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_operations(commands: Commands) -> None:
    status = commands.add_parser(
        "status",
        help="print what is done, what failed and what would run",
        description="Print, per stage, what is done and what failed; then the failed videos, and what would run "
        "and why. Works during a run, too.",
    )
    status.add_argument("--full", action="store_true", help="name every video and shard, not the first few")
    status.add_argument(
        "--watch", action="store_true", help="print the stages and running trainings every few seconds until Ctrl-C"
    )
    status.set_defaults(run=_in_repository(_status))

    estimate = commands.add_parser(
        "estimate",
        help="estimate the cost of a run",
        description="Run some videos of each dataset through every CPU stage and print the cost of the whole run: "
        "core-hours, disk, files and memory. Also write it to results/estimate/cost.md and cost.tsv.",
    )
    number, seconds = {"type": int, "metavar": "N"}, {"type": float, "metavar": "SECONDS"}
    estimate.add_argument("--videos", **number, default=50, help="videos of each dataset to measure; default 50")
    estimate.add_argument("--threads", **number, default=1, help="videos to measure at a time; default 1")
    estimate.add_argument("--cores", **number, default=0, help="cores for the wall time; default this machine's")
    estimate.add_argument("--as-if-videos", **number, help="estimate for a pretraining.dataset of N videos")
    estimate.add_argument("--as-if-seconds", **seconds, help="... of SECONDS each")
    estimate.add_argument(
        "--as-if-fps", type=float, default=30.0, metavar="FPS", help="... with FPS frames per second; default 30"
    )
    estimate.add_argument(
        "--as-if-size", default="", metavar="WIDTHxHEIGHT", help="... with frames of this size, such as 340x256"
    )
    estimate.add_argument(
        "--training", action=argparse.BooleanOptionalAction, default=True, help="also measure steps of the networks"
    )
    estimate.set_defaults(run=_in_repository(_estimate))

    clean = commands.add_parser(
        "clean",
        help="delete the checkpoints that the config does not need",
        description="Delete the checkpoints from which no training or evaluation of the config will resume.",
    )
    clean.set_defaults(run=_in_repository(_clean))
    for command in (status, estimate, clean):
        command.add_argument(
            "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="as for snakemake; default: the demo"
        )


def _add_embed(commands: Commands) -> None:
    embed = commands.add_parser(
        "embed",
        help="write the vectors of videos to an HDF5 file",
        description="Write the network's vectors of each video, and of all videos below a folder, to an HDF5 file. "
        "Videos that are already in the file stay. The same command resumes after a stop. If a video cannot be read, "
        "the file has its status, and the exit code is 1.",
    )
    embed.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="a video or a folder of videos")
    embed.add_argument("--model", type=Path, required=True, help="results/pretraining/RUN/seedN/model.pt")
    embed.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write or to add to, .h5"
    )
    embed.add_argument(
        "--clips", type=int, default=5, metavar="N", help="clips per video, whose vectors are averaged; default 5"
    )
    embed.add_argument(
        "--short-side",
        type=int,
        default=0,
        metavar="PIXELS",
        help="short side of the frames before the crop; default 15/7 of the network's input",
    )
    embed.add_argument("--threads", type=int, default=1, metavar="N", help="videos to decode at a time; default 1")
    embed.add_argument("--force", action="store_true", help="replace OUT by a file with only these videos")
    embed.set_defaults(run=_embed)


def _add_neighbours(commands: Commands) -> None:
    neighbours = commands.add_parser(
        "neighbours",
        help="print the videos nearest to a video",
        description="Print the cosines and names of the videos in a file of `dtc embed` that are nearest to QUERY.",
    )
    neighbours.add_argument("query", metavar="QUERY", help="a video of the file, by path or name; or any other video")
    neighbours.add_argument("--among", type=Path, required=True, metavar="FILE", help="a file of `dtc embed`")
    neighbours.add_argument("-n", type=int, default=10, help="number of videos; default 10")
    neighbours.add_argument(
        "--space",
        choices=("", "features", "embedding"),
        default="",
        help="the vectors to compare; default embedding, if the network has one",
    )
    neighbours.add_argument("--model", type=Path, help="the model that made FILE, for a QUERY that is not in it")
    neighbours.set_defaults(run=_neighbours)


def _add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="write the network for other programs",
        description="Write backbone.pt2 (torch.export), backbone.pt (a state dict) and preprocessing.json to a folder.",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help="results/pretraining/RUN/seedN/model.pt")
    export.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="created if it does not exist"
    )
    export.set_defaults(run=_export)


if __name__ == "__main__":
    sys.exit(main())
