"""Real Snakemake runs, each in its own folder, as a user starts them."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Workflow:
    """The pipeline with one config in one folder."""

    folder: Path
    config: dict[str, Any]
    repository: Path = REPOSITORY  # whose code runs

    @property
    def environment(self) -> dict[str, str]:
        """The environment of snakemake, in which a copy of the repository goes before the installed package."""
        return ENVIRONMENT if self.repository == REPOSITORY else {**ENVIRONMENT, "PYTHONPATH": str(self.repository)}

    def command(self, *arguments: str, config: dict[str, Any] | None = None) -> list[str]:
        """The command that a user would type to run `config` (default: the workflow's)."""
        path = self.folder / "test_config.yaml"
        path.write_text(yaml.safe_dump(config or self.config))
        command = [Path(sys.executable).parent / "snakemake", "--cores", "2", "--directory", self.folder]
        command += ["--snakefile", self.repository / "Snakefile"]
        command += ["--workflow-profile", self.repository / "profiles" / "default"]
        if "--configfile" not in arguments:
            command += ["--configfile", path]
        # Targets must not follow an option that takes a list of files.
        return [str(word) for word in (*command, "--rerun-incomplete", *arguments)]

    def snakemake(self, *arguments: str, config: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs snakemake and returns its output."""
        command = self.command(*arguments, config=config)
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=1800)

    def run(self, *arguments: str, config: dict[str, Any] | None = None) -> str:
        """As `snakemake`, but must succeed."""
        done = self.snakemake(*arguments, config=config)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout + done.stderr

    def planned(self, *arguments: str, config: dict[str, Any] | None = None) -> Counter[str]:
        """The number of jobs per rule in a dry run."""
        output = self.run("--dry-run", *arguments, config=config)
        table = output.partition("Job stats:")[2].partition("\n\n")[0]
        counts = dict(re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE))
        return Counter({rule: int(count) for rule, count in counts.items() if rule not in ("total", "all")})

    def computed(self, noun: str) -> list[str]:
        """The ids of the videos that the last jobs of a noun computed, from their logs."""
        logs = sorted((self.folder / "results" / "logs" / noun).rglob("*.log"))
        return [name for log in logs for name in re.findall(r": computed (\S+)", log.read_text())]
