"""The outputs of a config, and their states according to Snakemake."""

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.configuration import paths
from workflow_scripts.ground.stage import StageError

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Output:
    """An output of the config: its rule, Snakemake's name for its state, and whether it will be made."""

    path: Path
    rule: str
    state: str
    pending: bool

    @property
    def exists(self) -> bool:
        """Whether the file existed when Snakemake listed it."""
        return self.state != "missing"

    @property
    def dataset(self) -> str:
        """The dataset of the file; empty for a run, a result or the report."""
        first = self.path.parts[1]
        return "" if first in paths.RESERVED else first

    @property
    def subject(self) -> str:
        """Dataset and variant (descriptors, detector, short side), as in the path; empty for runs and results."""
        _, first, *rest = self.path.parts[:-1]
        return "/".join([first, *rest[1:]]) if self.dataset else ""

    @property
    def name(self) -> str:
        """The name of a shard; for a run or a result, the part of its path from the run on."""
        if self.dataset or self.rule == "report":
            return self.path.stem
        last = self.path.parent if self.path.stem == "model" else self.path.with_suffix("")
        return "/".join(last.parts[2:])

    @property
    def log(self) -> Path:
        """The log of the job that makes the file."""
        return Path(paths.log(str(self.path)))


def outputs(configfile: list[Path], *options: str) -> list[Output]:
    """The outputs of the config. Files that depend on a missing index are not known yet.

    `configfile`: as for snakemake; an empty list means the demo. Raises StageError with Snakemake's message if it
    cannot read the workflow.
    """
    command = [sys.executable, "-m", "snakemake", "--summary", "--nolock", "--cores", "1"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--workflow-profile", str(REPOSITORY / "profiles" / "default"), *options]
    command += ["--configfile", *map(str, configfile)] if configfile else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if not line.startswith(("Using ", "  File "))]
        raise StageError(" ".join(lines) or "snakemake could not read the workflow and gave no reason")
    files = []
    for line in done.stdout.splitlines():
        columns = line.split("\t")
        if len(columns) == 6 and columns[0].startswith("results/"):
            path, _, rule, _, state, plan = columns
            files.append(Output(Path(path), rule, state, plan == "update pending"))
    return files


def all_outputs(configfile: list[Path], listed: list[Output]) -> list[Output]:
    """The outputs of the config, including those that depend on an outdated index.

    `listed`: the result of `outputs`. Snakemake lists files that depend on an outdated index only if the rule of the
    index is not allowed to run.
    """
    if not any(output.rule == "videos" and output.exists and output.pending for output in listed):
        return listed
    listed = outputs(configfile, "--allowed-rules", "report")
    return [dataclasses.replace(output, pending=not output.exists) for output in listed]


def is_running() -> bool:
    """Whether a snakemake run is in progress in this folder, or was killed and left its lock."""
    return any(Path(".snakemake/locks").glob("*"))
