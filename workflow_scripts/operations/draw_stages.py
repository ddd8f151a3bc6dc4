"""Writes the diagram of the stages to README.md, from the jobs that Snakemake plans: `make schema`.

An arrow leads from a stage to each stage with a job that reads its files. Arrows that follow from others are left out.
So are arrows against the order of the stages in the Snakefile: pretraining lists the videos that are clustered.

python -m workflow_scripts.operations.draw_stages
"""

import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import yaml

from workflow_scripts.configuration import paths
from workflow_scripts.ground.artifacts import write_text

README = paths.REPOSITORY / "README.md"
BLOCK = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)

Edges = set[tuple[str, str]]

# A run with every stage. The index of the videos must exist, so there are few videos.
CONFIG = {
    "datasets": {
        "drawn": {
            "layout": "generated",
            "generated": {"motions": ["walk", "spin"], "scenes": ["beach"], "per_pair": 4, "frames": 2},
        }
    },
    "clusters": {"k": 2},
    "pretraining": {"dataset": "drawn", "runs": {"la_idt": {"objective": "local_aggregation", "clusters": "idt"}}},
    "evaluation": {"datasets": ["drawn"], "runs": ["la_idt", "idt"]},
}


def diagram() -> str:
    """Returns the diagram in the language of Mermaid. Runs Snakemake for some seconds."""
    edges: Edges = set()
    with tempfile.TemporaryDirectory() as folder:
        for boxes in ("none", "hog"):  # without people, the trajectories need only the videos
            edges |= _reduced(_edges(Path(folder), boxes))
    return "".join(["flowchart LR\n", *(f"  {before} --> {after}\n" for before, after in _sorted(edges))])


def readme_text() -> str:
    """Returns the README with the present diagram."""
    drawn = diagram()
    return BLOCK.sub(lambda _: drawn, README.read_text())


def _order() -> list[str]:
    """The stages in the order of the Snakefile."""
    return re.findall(r"^include: \"rules/(\w+)\.smk\"$", (paths.REPOSITORY / "Snakefile").read_text(), re.MULTILINE)


def _sorted(edges: Edges) -> list[tuple[str, str]]:
    order = _order()
    return sorted(edges, key=lambda edge: [order.index(stage) for stage in edge])


def _edges(folder: Path, boxes: str) -> Edges:
    """The arrows between stages in a run whose trajectories use these boxes."""
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "descriptors": {"idt": {"boxes": boxes}}}))
    _snakemake(folder, paths.INDEX.format(dataset="drawn"), "--quiet")
    jobs = _snakemake(folder, "--dry-run")
    pairs = {
        (paths.stage_of(file), paths.stage_of(output))
        for inputs, output in re.findall(r"^ +input: (.+)\n +output: ([^,\n]+)", jobs, re.MULTILINE)
        for file in inputs.split(", ")
    }
    order = _order()
    return {(a, b) for a, b in pairs if {a, b} <= set(order) and order.index(a) < order.index(b)}


def _snakemake(folder: Path, *arguments: str) -> str:
    """Runs Snakemake in the folder and returns what it prints."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--workflow-profile", "none"]
    command += ["--snakefile", str(paths.REPOSITORY / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.yaml")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _reduced(edges: Edges) -> Edges:
    """The edges without those that follow from others."""
    reached = set(edges)  # pairs of stages with a path of any length
    while more := {(a, d) for (a, b), (c, d) in product(reached, reached) if b == c} - reached:
        reached |= more
    return {(a, b) for a, b in edges if not any((a, c) in reached and (c, b) in reached for _, c in edges)}


if __name__ == "__main__":
    write_text(README, readme_text())
