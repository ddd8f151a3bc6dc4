"""`dtc status`: what is done, what failed, what would run and why. It may run at any time, also during a run.

Snakemake (`--summary`) reports which files exist and whether they are up to date. The outcome record beside each log
says how a job ended, how far it got and which videos failed. A shard is read only if its outcome record is missing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from idt_tools.printable import print_safely
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.ground.outcome import Outcome, read_outcome
from workflow_scripts.operations.checkpoints import folder_size, training_folder, unneeded_checkpoints
from workflow_scripts.operations.outputs import Output, all_outputs, is_running, outputs
from workflow_scripts.operations.running_trainings import newest_row
from workflow_scripts.operations.text_table import aligned

# The order of the rules in the table; others come last.
RULES = (
    "videos persons trajectories codebook encoding vectors fisher_vectors frames training_videos clusters pretraining "
    "finetune features linear knn svm cluster_bank examples people report".split()
)
# The rules whose jobs count videos
SHARDS = frozenset("videos persons trajectories encoding vectors fisher_vectors frames".split())

NO_WORK = {"resolved_config", "made_by"}  # rules that only record parameters
WHY = {  # the reason why a file will be made, by its state in `--summary`
    "missing": "missing",
    "updated input files": "older than their input",
    "set of input files changed": "made from other files",
    "rule implementation changed": "made by another rule",
    "params changed": "made with other parameters",
    "ok": "wait for input that is made first",
}

Outcomes = dict[Path, Outcome]
Remarks = Callable[[Output, Outcome | None], Iterable[str]]


def job_outcome(output: Output) -> Outcome | None:
    """The outcome of the job that makes a file. A shard without outcome record takes the statuses in the shard."""
    outcome = read_outcome(output.log)
    if outcome is None and output.exists and output.rule in SHARDS and output.path.suffix == ".h5":
        from workflow_scripts.ground.statuses import shard_statuses  # imports h5py, which is rarely needed

        videos = shard_statuses(output.path)
        failed = tuple(video for video in videos if video[1] != "ok")
        return Outcome(status="done", n_videos=len(videos), n_done=len(videos), failed=failed)
    return outcome


def stage_table(listed: list[Output], outcomes: Outcomes, pending: set[Path]) -> pd.DataFrame:
    """The numbers of files and videos, with a row per stage and subject."""
    rows = []
    for output in listed:
        outcome = outcomes.get(output.path) if output.exists and output.rule in SHARDS else None
        counts = (outcome.n_videos, len(outcome.failed)) if outcome else (0, 0)
        outdated = output.exists and output.path in pending
        rows.append([_position(output.rule), output.rule, output.subject, output.exists, outdated, *counts])
    columns = ["position", "stage", "of", "existing", "outdated", "videos", "failed"]
    groups = pd.DataFrame(rows, columns=columns).groupby(["position", "stage", "of"])
    table = groups.sum().assign(files=groups.size()).reset_index()
    files = table["existing"].astype(str) + " of " + table["files"].astype(str)
    files += (", " + table["outdated"].astype(str) + " outdated").where(table["outdated"] > 0, "")
    videos = ((table["videos"] - table["failed"]).astype(str) + " ok").where(table["videos"] > 0, "")
    videos += (", " + table["failed"].astype(str) + " failed").where(table["failed"] > 0, "")
    return table[["stage", "of"]].assign(files=files, videos=videos)


def failed_videos(files: list[Output], outcomes: Outcomes) -> pd.DataFrame:
    """The videos that failed, each once, with the first stage in which it failed."""
    rows = [
        [output.dataset, video, output.rule, status, reason]
        for output in sorted(files, key=lambda output: _position(output.rule))
        if output.exists and output.path in outcomes
        for video, status, reason in outcomes[output.path].failed
    ]
    table = pd.DataFrame(rows, columns=["dataset", "video", "stage", "status", "reason"])
    return table.drop_duplicates(["dataset", "video"])


def remarks(config: dict[str, Any], output: Output, outcome: Outcome | None) -> Iterator[str]:
    """Remarks on a file that does not exist."""
    if output.exists:
        return
    name = output.name
    if row := newest_row(output, outcome):
        yield f"{name}: {row}"
    elif output.rule == "pretraining":
        if progress := training_progress(output, config):
            yield f"{name}: {progress}"
    elif outcome and outcome.n_done and has_store(output.path):
        yield f"{name}: {min(outcome.n_done, outcome.n_videos)} of {outcome.n_videos} videos done"
    if outcome and outcome.status in ("failed", "stopped"):
        yield f"{name} {'failed' if outcome.status == 'failed' else 'was stopped'}: {outcome.reason}"
    elif outcome and not outcome.ended:
        yield f"{name}: its job started at {outcome.started} and has not ended; it is running or was killed"
    if not output.pending:
        yield f"{name}: missing but not needed, because the files that depend on it exist"


def has_store(output: Path) -> bool:
    """Whether the results of a shard's videos are still in its store (`make clean-stores` removes it)."""
    return next((output.parents[1] / ".store" / output.parent.name).glob(f"{output.stem}*"), None) is not None


def training_progress(output: Output, config: dict[str, Any]) -> str:
    """The progress of a training's checkpoint; empty if there is no checkpoint for the present inputs."""
    if not any((output.path.parent / "checkpoints").glob("*")):
        return ""
    run, seed = output.path.parts[2:4]
    folder = training_folder(config, run, int(seed.removeprefix("seed")))
    if folder is None or not (newest := folder / "last.pt").exists():
        return ""
    import torch  # takes seconds, and is rarely needed

    try:
        progress = torch.load(newest, map_location="cpu", weights_only=True, mmap=True)["progress"]
    except Exception as error:  # torch may raise any exception for a damaged file
        return f"its checkpoint cannot be read ({error}); the training will use the previous one"
    return f"{progress['epoch']} of {run_values(config, run)['epochs']} epochs done"


def would_run(listed: list[Output]) -> list[str]:
    """The jobs that `snakemake` would run now, and the reasons, with a line per rule."""
    pending = [output for output in listed if output.pending]
    if not pending:
        return ["Nothing would run: everything is done and up to date."]
    table = pd.DataFrame({"rule": [o.rule for o in pending], "why": [WHY.get(o.state, o.state) for o in pending]})
    rows = []
    for rule in sorted(set(table["rule"]), key=_position):
        counts = table.loc[table["rule"] == rule, "why"].value_counts()
        rows.append([rule, counts.sum(), ", ".join(f"{n} {why}" for why, n in counts.items())])
    lines = aligned(pd.DataFrame(rows, columns=["would run now", "files", "why"]))
    if indexed := sorted(output.dataset for output in pending if output.rule == "videos"):
        lines.append(f"More jobs follow when the videos of {', '.join(indexed)} are indexed.")
    return lines


def status(configfile: list[Path], full: bool = False) -> None:
    """Prints, per stage, what is done and what failed; then the failed videos, and what would run and why.

    `configfile`: as for snakemake; an empty list means the demo. `full`: name every video and shard, not the first few.
    """
    config = read_config(configfile)
    listed, files = listed_files(configfile)
    outcomes = {output.path: outcome for output in files if (outcome := job_outcome(output))}
    pending = {output.path for output in listed if output.pending}
    print_safely("\n".join(stage_lines(files, outcomes, pending, partial(remarks, config), full)))
    failures = failed_videos(files, outcomes)
    if len(failures):
        header, *lines = aligned(failures)
        print_safely("\n".join([f"\nvideos that failed: {len(failures)}", header, *_first_lines(lines, full)]))
    folders = unneeded_checkpoints(config, {output.path for output in listed if output.exists and not output.pending})
    if folders:
        megabytes = sum(map(folder_size, folders)) / 1e6
        print(f"\ncheckpoints that this config does not need: {len(folders)}, {megabytes:.1f} MB (`dtc clean` deletes)")
        print_safely("\n".join(_first_lines([str(folder) for folder in folders], full)))
    print("", *would_run(listed), sep="\n")
    if is_running():
        print("\nA snakemake run is in progress in this folder, or was killed (then: snakemake --unlock).")


def listed_files(configfile: list[Path]) -> tuple[list[Output], list[Output]]:
    """The outputs that Snakemake lists, and those of all stages in the order of the table."""
    listed = outputs(configfile)
    files = [output for output in all_outputs(configfile, listed) if output.rule not in NO_WORK]
    files.sort(key=lambda output: (_position(output.rule), output.rule, output.subject, output.path))
    return listed, files


def stage_lines(
    files: list[Output], outcomes: Outcomes, pending: set[Path], remarks_on: Remarks, full: bool
) -> list[str]:
    """The table of the stages, with the remarks on files below the line of their stage."""
    table = stage_table(files, outcomes, pending)
    header, *lines = aligned(table)
    printed = [header]
    for line, stage, subject in zip(lines, table["stage"], table["of"], strict=True):
        line_files = [output for output in files if (output.rule, output.subject) == (stage, subject)]
        notes = [note for output in line_files for note in remarks_on(output, outcomes.get(output.path))]
        printed += [line, *(f"    {note}" for note in _first_lines(notes, full))]
    return printed


def _position(rule: str) -> int:
    return RULES.index(rule) if rule in RULES else len(RULES)


def _first_lines(lines: list[str], full: bool) -> list[str]:
    """The first five lines and the number of the others; all lines if `full`."""
    if full or len(lines) <= 5:
        return lines
    return [*lines[:5], f"... and {len(lines) - 5} more (--full shows all)"]
