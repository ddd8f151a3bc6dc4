"""SIGKILL at random moments of every stage: finished work is not lost, and the results equal an undisturbed run.

`make test-kill KILLS=50 KILL_SEED=1`. A round is one run of the whole pipeline on a few videos. The test kills each
stage once, at a random moment of one of its jobs, together with snakemake and all its processes. Then it types what a
user would type: `snakemake --unlock`, and the same command again.
"""

import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from workflow import ENVIRONMENT, REPOSITORY, Workflow

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

KILLS = int(os.environ.get("KILLS", "10"))
SEED = int(os.environ.get("KILL_SEED", "1"))
STAGES = {  # with the modules of workflow_scripts that run in them
    "videos": ["videos.index_videos"],
    "persons": ["persons.detect_persons"],
    "trajectories": ["trajectories.extract_shard"],
    "codebook": ["encoding.fit_codebook"],
    "encoding": ["encoding.encode_shard"],
    "clusters": ["clusters.cluster_sketches"],
    "frames": ["frames.store_frames"],
    "pretraining": ["pretraining.train", "pretraining.select_videos"],
    "evaluation": [f"evaluation.{name}" for name in ("finetune", "features", "linear", "knn", "svm", "cluster_bank")],
    "report": ["report.page.build_report", "report.examples.draw_examples"],
}
# One job at a time, so that the test can kill each; and the weights of a network depend on the number of threads.
ONE_CORE = ("--cores", "1")
# What may differ from an undisturbed run: times, the report (which shows times), stores, checkpoints and curves.
CURVES = r".*/history\.csv$|.*/events\.out\.tfevents"
DIFFER = re.compile(rf"(logs|benchmarks)/|report/index\.html|.*/\.store/|.*/checkpoints/|{CURVES}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tiny config with masked people, on folders of videos that all runs share."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "tests" / "integration" / "tiny.yaml").read_text())
    config["descriptors"] = {"idt": {"boxes": "hog"}}
    for name, dataset in config["datasets"].items():
        root = tmp_path_factory.mktemp(name)
        generate_videos(root, GeneratedSettings(**dataset.pop("generated")))
        dataset.update(layout="folder", root=str(root), splits="random")
    return config


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed"), config)
    workflow.run(*ONE_CORE)
    return workflow


def test_killed_run_resumes_to_equal_results(
    tmp_path: Path, config: dict[str, Any], undisturbed: Workflow, capfd: pytest.CaptureFixture[str]
) -> None:
    assert all(find_spec(f"workflow_scripts.{module}") for modules in STAGES.values() for module in modules)
    draw = random.Random(SEED)
    hits: Counter[str] = Counter()

    def is_complete() -> bool:
        return hits.total() >= KILLS and (len(STAGES) > KILLS or set(hits) == set(STAGES))

    for number in range(KILLS):
        if is_complete():
            break
        workflow = Workflow(tmp_path / str(number), config)
        workflow.folder.mkdir()
        stages_to_kill = {stage for stage in STAGES if hits.total() < KILLS or stage not in hits}
        targets = {draw.choice(modules): stage for stage, modules in STAGES.items() if stage in stages_to_kill}
        while targets and not is_complete():
            hit = _run_and_kill(workflow, targets, draw.uniform(0.1, 0.9), undisturbed)
            if hit is None:
                break  # the run ended before another kill
            hits[targets.pop(hit[0])] += 1
            with capfd.disabled():
                print(f"\nkill {hits.total()}: {hit[0]} after {hit[1]:.1f} s", end="", flush=True)
            if hits.total() == 1:
                locked = workflow.snakemake(*ONE_CORE)
                assert locked.returncode != 0 and "--unlock" in locked.stdout + locked.stderr
            workflow.run("--unlock")
        workflow.run(*ONE_CORE)
        _assert_equal(workflow.folder / "results", undisturbed.folder / "results")
        _assert_nothing_was_repeated(workflow.folder / "results")
        assert "Nothing to be done" in workflow.run("--dry-run")
    assert is_complete(), hits


def _run_and_kill(
    workflow: Workflow, targets: dict[str, str], moment: float, undisturbed: Workflow
) -> tuple[str, float] | None:
    """Kills the first job of the modules in `targets` after the fraction `moment` of its time.

    Returns the module and the delay in seconds, or None if snakemake ended before any of these jobs ran.
    """
    with open(workflow.folder / "killed.log", "a") as log:
        started = subprocess.Popen(workflow.command(*ONE_CORE), stdout=log, stderr=log, env=ENVIRONMENT)
        process = psutil.Process(started.pid)
        while started.poll() is None:
            jobs = targets.keys() & _jobs(process)
            if jobs:
                (module,) = jobs  # one core: one job at a time
                delay = moment * _seconds(undisturbed, targets[module])
                time.sleep(delay)
                if not _jobs(process):
                    continue  # the job ended earlier than before: try the next one
                _kill_all(process)
                started.wait()
                return module, delay
            time.sleep(0.01)
    assert started.returncode == 0, (workflow.folder / "killed.log").read_text()[-3000:]
    return None


def _jobs(process: psutil.Process) -> set[str]:
    """The modules of workflow_scripts that run below snakemake."""
    modules = set()
    for child in process.children(recursive=True):
        try:
            command = child.cmdline()
        except psutil.Error:
            continue
        if command[1:2] == ["-m"]:
            modules.add(command[2].removeprefix("workflow_scripts."))
    return modules


def _kill_all(process: psutil.Process) -> None:
    """Sends SIGKILL to snakemake and all its processes. They are suspended first, so none reacts to another's end."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    for member in family:
        member.kill()
    psutil.wait_procs(family[1:], timeout=30)


def _seconds(undisturbed: Workflow, stage: str) -> float:
    """The time of the shortest job of a stage, as measured by snakemake, which does not measure the report."""
    folder, pattern = {
        "codebook": ("encoding", "*/*/codebook.tsv"),
        "encoding": ("encoding", "*/*/*of*.tsv"),
    }.get(stage, (stage, "**/*.tsv"))
    files = list((undisturbed.folder / "results" / "benchmarks" / folder).glob(pattern))
    return min((float(read_columns(file)[0]["s"]) for file in files), default=1.5)


def _assert_equal(results: Path, expected: Path) -> None:
    """Asserts the same files with the same content except times, and no temporary files."""

    def files(folder: Path) -> set[str]:
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        return {name for name in names if not DIFFER.match(name)}

    assert files(results) == files(expected)
    assert not [path for path in results.rglob(".*") if path.name != ".store" and path.suffix == ".tmp"]
    for name in sorted(files(results)):
        if name.endswith(".pt"):
            assert _equal(_load(results / name), _load(expected / name)), name
        else:
            assert (results / name).read_bytes() == (expected / name).read_bytes(), name


def _load(path: Path) -> dict[str, Any]:
    """A model without the times of its epochs."""
    model: dict[str, Any] = torch.load(path, weights_only=True)
    for epoch in model["history"]:
        del epoch["seconds"], epoch["waiting"], epoch["clips_per_second"], epoch["waiting_share"]
    return model


def _equal(one: Any, other: Any) -> bool:
    """Whether two trees of dicts, lists, numbers and tensors are equal, bit for bit."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _assert_nothing_was_repeated(results: Path) -> None:
    """Asserts that each store holds one record per video: no finished video was computed again."""
    stores = [path for path in results.glob("*/*/.store/**/*") if path.is_file()]
    assert {path.relative_to(results).parts[1] for path in stores} == {
        "videos",
        "persons",
        "trajectories",
        "encoding",
        "frames",
    }
    for path in stores:
        ids = [json.loads(text)["video_id"] for text in re.findall(rb'\{"video_id": .*?\]\}', path.read_bytes())]
        assert len(ids) == len(set(ids)) > 0, path
