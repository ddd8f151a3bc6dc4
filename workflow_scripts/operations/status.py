"""What is done, what failed, what would run and why: `make status`, at any moment, also beside a run.

Which files there are, of which rule, and whether they are up to date is asked of Snakemake (`--summary`), so that no
path is written down twice. How far a job came, and which videos it lost, is in its log; no shard is opened for it.
"""

import dataclasses
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idt_tools.printable import say
from workflow_scripts.configuration.paths import RESERVED
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.operations.checkpoints import size, training_folder, unneeded

REPOSITORY = Path(__file__).parents[2]

# The rules in the order of the work; one that is not among them comes last.
RULES = (
    "videos persons trajectories codebook encoding fisher_vectors frames training_videos clusters pretraining finetune "
    "features linear knn svm bank_clusters examples people report".split()
)
SHARDS = frozenset("videos persons trajectories encoding fisher_vectors frames".split())  # whose logs count videos

WRITTEN_DOWN = {"resolved_config", "made_by"}  # rules that note what was asked for, and do no work
WHY = {  # what `--summary` says of a file that will be made
    "missing": "not there yet",
    "updated input files": "older than their input",
    "set of input files changed": "made from other files",
    "rule implementation changed": "made by another rule",
    "params changed": "made with other parameters",
    "ok": "wait for input that is made first",
}


@dataclass(frozen=True)
class Output:
    """A file that the config asks for: the rule that makes it, its state in Snakemake's words, whether it will run."""

    path: Path
    rule: str
    state: str
    pending: bool

    @property
    def there(self) -> bool:
        return self.state != "missing"

    @property
    def of(self) -> str:
        """What it is about, from its path: dataset and descriptors, say; empty for runs and their results."""
        first, *rest = self.path.parts[1:-1] or ("",)
        return "" if first in RESERVED else "/".join([first, *rest[1:]])


@dataclass(frozen=True)
class Attempt:
    """What a shard's log tells of the last try: videos in it, how many were kept, those lost (id, status, reason)."""

    n_videos: int = 0
    n_kept: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    error: str = ""  # the sentence it ended with


def outputs(configfile: list[Path], *options: str) -> list[Output]:
    """Every file that the config asks for, as far as is known: what follows from an index is known when that is there.

    Raises StageError with Snakemake's words where it cannot tell.
    """
    command = [sys.executable, "-m", "snakemake", "--summary", "--nolock", "--cores", "1"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--workflow-profile", str(REPOSITORY / "profiles" / "default"), *options]
    command += ["--configfile", *map(str, configfile)] if configfile else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if not line.startswith(("Using ", "  File "))]
        raise StageError(" ".join(lines) or "snakemake could not read the workflow, and does not say why")
    files = []
    for line in done.stdout.splitlines():
        columns = line.split("\t")
        if len(columns) == 6 and columns[0].startswith("results/"):
            path, _, rule, _, state, plan = columns
            files.append(Output(Path(path), rule, state, plan == "update pending"))
    return files


def log_of(output: Path) -> Path:
    """Where the rule of a shard or a model writes its log (docs/artifacts.md)."""
    results, first, noun, *rest = output.parts
    if first in RESERVED:  # results/pretraining/{run}/seed{seed}/model.pt
        return Path(results, "logs", *output.parts[1:-1]).with_suffix(".log")
    if noun == "videos":
        return Path(results, "logs", noun, f"{first}.log")
    return Path(results, "logs", noun, first, *rest).with_suffix(".log")


def read_log(log: Path, stage: str) -> Attempt | None:
    """What the log of a job says, in the words of `process_shard`; None where there is no log."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return None
    started = re.search(rf"^{stage}: (\d+) videos, (\d+) of them already done$", text, re.MULTILINE)
    n_videos, n_before = map(int, started.groups()) if started else (0, 0)
    n_kept = min(n_videos, n_before + len(re.findall(rf"^{stage}: computed ", text, re.MULTILINE)))
    failed = re.findall(rf"^{stage}: (\S+) is (\w+): (.*)$", text, re.MULTILINE)
    errors = re.findall(r"^error: (.*)$", text, re.MULTILINE)
    return Attempt(n_videos, n_kept, failed, errors[-1] if errors else "")


def shard_attempt(output: Output) -> Attempt | None:
    """What is known of a shard's videos: from its log or, where a shard is there without one, from the file."""
    attempt = read_log(log_of(output.path), output.rule)
    if attempt is None and output.there and output.path.suffix == ".h5":
        from workflow_scripts.report.page.inputs import shard_statuses  # here: it brings torch, and is seldom needed

        videos = shard_statuses(output.path)
        return Attempt(len(videos), len(videos), [video for video in videos if video[1] != "ok"])
    return attempt


def kept_in_store(output: Path) -> bool:
    """Whether a shard's per-video work is still there (`make clean-stores` removes it)."""
    return next((output.parents[1] / ".store" / output.parent.name).glob(f"{output.stem}*"), None) is not None


def epochs_done(folder: Path | None, epochs: int) -> str:
    """How far the checkpoint in `folder` has come; empty where there is none."""
    if folder is None or not (newest := folder / "last.pt").exists():
        return ""
    import torch  # here: seconds that are not needed otherwise

    try:
        progress = torch.load(newest, map_location="cpu", weights_only=True, mmap=True)["progress"]
    except Exception as error:  # whatever a damaged file makes the reader raise
        return f"its checkpoint cannot be read ({error}), the one before it will be used"
    return f"{progress['epoch']} of {epochs} epochs done"


def _notes(output: Output, attempt: Attempt | None, config: dict[str, Any]) -> Iterator[str]:
    """What there is to say of a file that is not there."""
    if output.there:
        return
    name = output.path.stem
    if output.rule == "pretraining":
        run, seed = output.path.parts[2:4]
        name = f"{run}/{seed}"
        attempt = read_log(log_of(output.path), output.rule)
        has_checkpoint = any((output.path.parent / "checkpoints").glob("*"))
        folder = training_folder(config, run, int(seed.removeprefix("seed"))) if has_checkpoint else None
        if done := epochs_done(folder, run_values(config, run)["epochs"]):
            yield f"{name}: {done}"
    elif attempt and attempt.n_kept and kept_in_store(output.path):
        yield f"{name}: {attempt.n_kept} of {attempt.n_videos} videos done"
    if attempt and attempt.error:
        yield f"{name} failed: {attempt.error}"
    if not output.pending:
        yield f"{name}: not there, and not needed, as what was made from it is"


def table(rows: list[list[str]]) -> str:
    """Rows of text as aligned columns, two blanks between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _position(rule: str) -> int:
    return RULES.index(rule) if rule in RULES else len(RULES)


def _shortened(lines: list[str], full: bool, shown: int = 5) -> list[str]:
    """The first few lines, and how many more there are; all where `full`."""
    if full or len(lines) <= shown:
        return lines
    return [*lines[:shown], f"... and {len(lines) - shown} more (--full shows all)"]


def status(configfile: list[Path], full: bool = False) -> None:
    """Prints, per stage, what is done and what failed, the videos that were lost, and what would run and why.

    `configfile`: as for snakemake; none is the demo. `full` names every video and shard, not the first few.
    """
    config = read_config(configfile)
    due = outputs(configfile)
    known = due
    if any(output.rule == "videos" and output.there and output.pending for output in due):
        # An index that is to be made again hides all that follows from it; where it may not run it does not.
        seen = outputs(configfile, "--allowed-rules", "report")
        known = [dataclasses.replace(output, pending=not output.there) for output in seen]
    pending = {output.path for output in due if output.pending}

    groups: dict[tuple[int, str, str], list[Output]] = {}
    for output in sorted(known, key=lambda output: output.path):
        if output.rule not in WRITTEN_DOWN:
            groups.setdefault((_position(output.rule), output.rule, output.of), []).append(output)
    rows, notes = [["stage", "of", "files", "videos"]], [""]
    lost: dict[tuple[str, str], list[str]] = {}  # (dataset, video): what the first stage that lost it says
    for (_, rule, of), files in sorted(groups.items()):
        attempts = {output.path: shard_attempt(output) for output in files} if rule in SHARDS else {}
        tried = [(path, attempt) for path, attempt in attempts.items() if attempt and path.exists()]
        for path, attempt in tried:
            for video, what, reason in attempt.failed:
                lost.setdefault((path.parts[1], video), [path.parts[1], video, rule, what, reason])
        n_videos = sum(attempt.n_videos for _, attempt in tried)
        n_failed = sum(len(attempt.failed) for _, attempt in tried)
        n_again = sum(output.there and output.path in pending for output in files)
        n_there = sum(output.there for output in files)
        there = f"{n_there} of {len(files)}" + (f", {n_again} outdated" if n_again else "")
        videos = f"{n_videos - n_failed} ok" + (f", {n_failed} failed" if n_failed else "") if tried else ""
        rows.append([rule, of, there, videos])
        remarks = [note for output in files for note in _notes(output, attempts.get(output.path), config)]
        notes.append("".join(f"\n    {note}" for note in _shortened(remarks, full)))

    print(*(line + note for line, note in zip(table(rows).splitlines(), notes, strict=True)), sep="\n")
    if lost:
        print(f"\nvideos that failed: {len(lost)}")
        say("\n".join(_shortened(table(list(lost.values())).splitlines(), full)))
    left = unneeded(config, {output.path for output in due if output.there and not output.pending})
    if left:
        megabytes = sum(map(size, left)) / 1e6
        of_others = f"checkpoints that this config does not need: {len(left)}, {megabytes:.1f} MB"
        print(f"\n{of_others} (`make clean-outdated` deletes them)")
        say("\n".join(_shortened([str(folder) for folder in left], full)))
    print("", *would_run(due), sep="\n")
    if any(Path(".snakemake/locks").glob("*")):
        print("\nA snakemake run is going on in this folder, or was killed (then: snakemake --unlock).")


def would_run(due: list[Output]) -> Iterator[str]:
    """What `snakemake` would run now and why, a line for each rule."""
    pending = [output for output in due if output.pending]
    if not pending:
        yield "Nothing would run: all is done and up to date."
        return
    rows = [["would run now", "files", "why"]]
    for rule in sorted({output.rule for output in pending}, key=_position):
        why = Counter(WHY.get(output.state, output.state) for output in pending if output.rule == rule)
        rows.append([rule, str(why.total()), ", ".join(f"{n} {text}" for text, n in why.most_common())])
    yield table(rows)
    indexed = sorted(output.path.parts[1] for output in pending if output.rule == "videos")
    if indexed:
        yield f"What follows from the videos of {', '.join(indexed)} is known when they are indexed."


if __name__ == "__main__":
    command_line(status)
