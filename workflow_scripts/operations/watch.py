"""`dtc status --watch`: the stages and the running trainings, again and again."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from idt_tools.printable import print_safely
from workflow_scripts.ground.outcome import Outcome
from workflow_scripts.ground.work_keys import file_stamp
from workflow_scripts.operations.outputs import Output
from workflow_scripts.operations.running_trainings import newest_row
from workflow_scripts.operations.status import job_outcome, listed_files, stage_lines

SECONDS = 5.0  # between refreshes
CLEAR_SCREEN = "\x1b[2J\x1b[H"


def watch(configfile: list[Path], full: bool = False) -> None:
    """Prints the table of the stages and the running trainings every SECONDS until Ctrl-C.

    Snakemake lists the files at the start and after a dataset is indexed. In between, only their existence is read, so
    that the run loses no time. `configfile` and `full`: as for `status`.
    """
    with suppress(KeyboardInterrupt):
        while True:
            listed, files = listed_files(configfile)
            pending = {output.path: file_stamp(output.path) for output in listed if output.pending}
            for present in _refreshes(files):
                outcomes = {output.path: outcome for output in present if (outcome := job_outcome(output))}
                outdated = {path for path, stamp in pending.items() if file_stamp(path) == stamp}
                lines = stage_lines(present, outcomes, outdated, _running, full)
                print(CLEAR_SCREEN if sys.stdout.isatty() else "")
                print_safely("\n".join([f"{datetime.now():%H:%M:%S}; Ctrl-C ends", *lines]))
                sys.stdout.flush()
                time.sleep(SECONDS)


def _refreshes(files: list[Output]) -> Iterator[list[Output]]:
    """Yields the files with their present existence, until a dataset is indexed: then there are more files."""
    indexes = [output.path for output in files if output.rule == "videos" and not output.exists]
    while True:
        yield [_present(output) for output in files]
        if any(path.exists() for path in indexes):
            return


def _present(output: Output) -> Output:
    exists = output.path.exists()
    return output if exists == output.exists else dataclasses.replace(output, state="ok" if exists else "missing")


def _running(output: Output, outcome: Outcome | None) -> Iterator[str]:
    """The remark on a job that is running."""
    if outcome and not outcome.ended and not output.exists:
        progress = newest_row(output, outcome)
        if not progress and outcome.n_videos:
            progress = f"{outcome.n_done} of {outcome.n_videos} videos done"
        yield f"{output.name}: {progress or f'started at {outcome.started}'}"
