"""The README's cluster section on a real SLURM, and jobs that are cancelled, fail or lose their node."""

import filecmp
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from cluster import Cluster, wait_for
from workflow import REPOSITORY, Workflow

SECTION = re.search(r"## On a cluster\n(.*?)\n## ", (REPOSITORY / "README.md").read_text(), re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", SECTION.group(1) if SECTION else "", re.DOTALL)
    for line in block.splitlines()
]
# On top of the profile: status checks after seconds, and the number of threads of the undisturbed run.
IN_TESTS = {"seconds-between-status-checks": 2, "slurm-init-seconds-before-status-checks": 2, "max-threads": 1}
ON_GPUS = {"pretraining", "finetune", "features", "cluster_bank", "persons"}
ON_SHARDS = {"trajectories", "encoding", "frames"}  # no persons here


def repository(folder: Path, config: dict[str, Any]) -> Path:
    """A folder like a clone, whose configs/paper.yaml and paths.yaml are the small config."""
    for name in ("Snakefile", "rules", "envs", "docs"):
        (folder / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "profiles", folder / "profiles")
    default = folder / "profiles" / "default" / "config.yaml"
    default.write_text(default.read_text() + yaml.safe_dump(IN_TESTS))
    (folder / "configs").mkdir()
    datasets = config["datasets"]
    (folder / "configs" / "paper.yaml").write_text(yaml.safe_dump({**config, "datasets": {}}))
    (folder / "paths.yaml").write_text(yaml.safe_dump({"datasets": datasets}))
    return folder


def start(command: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Starts a snakemake command as a user types it. Its output is in snakemake.log."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with open(folder / "snakemake.log", "w") as log:
        return subprocess.Popen(
            command,
            shell=True,
            executable="/bin/bash",
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": path, **environment},
        )


def finish(run: subprocess.Popen[str], folder: Path, seconds: float = 400) -> str:
    """Waits for a run, which must succeed, and returns its output."""
    try:
        code = run.wait(seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        code = -1
    output = (folder / "snakemake.log").read_text()
    assert code == 0, f"exit code {code}\n{output[-8000:]}"
    return output


def equal_artifacts(one: Path, other: Path) -> bool:
    """Whether two artifacts are equal: arrays and attributes of HDF5 files, tensors of models, else bytes."""
    if one.suffix == ".h5":
        return contents(one) == contents(other)
    if one.suffix == ".pt":
        first, second = (torch.load(path, weights_only=True) for path in (one, other))
        return all(
            torch.equal(first["state_dict"][name], second["state_dict"][name]) for name in first["state_dict"]
        ) and (first["bank"] is None or torch.equal(first["bank"], second["bank"]))
    return filecmp.cmp(one, other, shallow=False)


def contents(path: Path) -> dict[str, Any]:
    """Every group and dataset of an HDF5 file with its attributes and values, as bytes."""
    items: dict[str, Any] = {}
    with h5py.File(path) as file:

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            attributes = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            values = None
            if isinstance(item, h5py.Dataset):
                read = item[()]
                values = read.tolist() if read.dtype == object else (read.dtype, read.shape, read.tobytes())
            items[name] = attributes, values

        visit("/", file)
        file.visititems(visit)
    return items


def artifacts(folder: Path) -> list[Path]:
    """The paths, relative to the folder, of the results that must not depend on the machine."""
    patterns = (
        "*/trajectories/*/*.h5",
        "*/encoding/*/*.h5",
        "*/clusters/**/*.h5",
        "*/frames/*/*.h5",
        "pretraining/**/model.pt",
    )
    return sorted(path.relative_to(folder) for pattern in patterns for path in (folder / "results").glob(pattern))


def by_rule(jobs: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Jobs by rule. The slurm executor writes the rule into the comment, our submit command into the name."""
    rules: dict[str, list[dict[str, str]]] = {}
    for job in jobs:
        rule = job["Comment"].removeprefix("rule_").partition("_wildcards_")[0] or job["JobName"]
        rules.setdefault(rule, []).append(job)
    return rules


def test_readme_commands_make_report(
    cluster: Cluster, config: dict[str, Any], undisturbed: Workflow, tmp_path: Path
) -> None:
    (tmp_path / "clone").mkdir()
    folder = repository(tmp_path / "clone", config)
    dry_run, command, _ = COMMANDS
    # Records which programs list the folders of videos.
    listings, inside = tmp_path / "listings.txt", config["datasets"]["tiny"]["root"] + os.sep
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "def hook(event, args):\n"
        f"    if event in ('os.listdir', 'os.scandir') and str(args[0]).startswith({inside!r}):\n"
        f"        with open({str(listings)!r}, 'a') as file: print(sys.argv, file=file)\n"
        "sys.addaudithook(hook)\n"
    )
    finish(start(dry_run, folder), folder)
    known = len(cluster.jobs())
    finish(start(command, folder, PYTHONPATH=str(tmp_path)), folder)
    assert (folder / "results" / "report" / "index.html").exists()
    for path in artifacts(undisturbed.folder):
        assert equal_artifacts(folder / path, undisturbed.folder / path), path

    jobs = by_rule(cluster.jobs()[known:])
    assert {job["State"] for rule in jobs.values() for job in rule} == {"COMPLETED"}
    assert {*ON_SHARDS, "videos", "codebook", "clusters", "pretraining", "finetune", "svm", "report"} <= set(jobs)
    for rule, of_rule in jobs.items():
        for job in of_rule:
            assert job["Partition"] == ("gpu" if rule in ON_GPUS else "cpu"), job
            assert ("gres/gpu=1" in job["AllocTRES"]) == (rule in ON_GPUS), job
    for rule in ON_SHARDS:  # one array for the four shards
        arrays = {job["JobID"].partition("_")[0] for job in jobs[rule] if "_" in job["JobID"]}
        assert len([job for job in jobs[rule] if "_" in job["JobID"]]) >= 4 and len(arrays) <= 2, jobs[rule]
        assert list((folder / "results" / "logs" / "slurm" / f"rule_{rule}").glob("*_*.log"))

    # Only the stage `videos` lists them: every job parses the Snakefile, and must not list 235,000 files for that.
    listed = listings.read_text().splitlines()
    assert listed and not [line for line in listed if "index_videos" not in line]
    assert "Nothing to be done" in finish(start(command, folder), folder)


def test_cluster_generic_command(
    cluster: Cluster, config: dict[str, Any], undisturbed: Workflow, tmp_path: Path
) -> None:
    """A smaller pipeline: networks are not finetuned."""
    small = {**config, "evaluation": {**config["evaluation"], "protocols": ["linear"]}}
    folder = repository(tmp_path, small)
    known = len(cluster.jobs())
    run = start(COMMANDS[2], folder)
    victim = wait_for(lambda: [job for job in cluster.running() if job["name"] == "trajectories"], "trajectories")[0]
    cluster.command("scancel", str(victim["job_id"]))
    output = finish(run, folder)
    assert "Trying to restart" in output
    assert (folder / "results" / "report" / "index.html").exists()
    for path in artifacts(folder):
        assert equal_artifacts(folder / path, undisturbed.folder / path), path
    jobs = by_rule(cluster.jobs()[known:])
    assert [job["State"].split()[0] for job in jobs["trajectories"]].count("CANCELLED") == 1
    assert {job["Partition"] for job in jobs["pretraining"]} == {"gpu"}
    assert all("gres/gpu=1" in job["AllocTRES"] for job in jobs["pretraining"])
    assert {job["Partition"] for job in jobs["trajectories"] + jobs["frames"]} == {"cpu"}
    assert list((folder / "results" / "logs" / "slurm" / "trajectories").glob("*.log"))


class Frozen:
    """The process of a stage, stopped while it works, so that the fault of its job happens before its end.

    SLURM sends SIGCONT before SIGTERM, so the process can still save its work.
    """

    def __init__(self, output: str, begun: Callable[[], bool]) -> None:
        self.process = wait_for(lambda: self._find(output), f"the process that makes {output}")
        wait_for(lambda: self._run_briefly() or begun(), f"the first work on {output}")
        environment = Path(f"/proc/{self.process}/environ").read_bytes().decode().split("\0")
        (self.job,) = [
            value for name, _, value in (entry.partition("=") for entry in environment) if name == "SLURM_JOB_ID"
        ]

    def _run_briefly(self) -> None:
        """Lets the process run for a moment, so that it does not end before a busy machine looks at it again."""
        os.kill(self.process, signal.SIGCONT)
        time.sleep(0.05)
        os.kill(self.process, signal.SIGSTOP)

    @staticmethod
    def _find(output: str) -> int:
        processes = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode().split("\0")
            except OSError:  # the process has ended
                continue
            if words[1:2] == ["-m"] and words[2].startswith("workflow_scripts.") and output in words:
                processes.append(int(path.parent.name))
        return min(processes, default=0)  # a forked child has the same command line for a moment

    def wait_until_gone(self) -> None:
        wait_for(lambda: not Path(f"/proc/{self.process}").exists(), "the end of a job's process", 150)


def computed(log: Path) -> set[str]:
    return set(re.findall(r": computed (\S+)", log.read_text())) if log.exists() else set()


@pytest.fixture(scope="module")
def run_with_faults(
    cluster: Cluster, config: dict[str, Any], undisturbed: Workflow, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, list[dict[str, str]]], dict[str, set[str]]]:
    """Four shards and a training, each with its own fault, in one run of snakemake.

    Returns the folder, the jobs of every output (the oldest first), and the videos that the ended jobs had computed.
    """
    folder = repository(tmp_path_factory.mktemp("run_with_faults"), config)
    shutil.copytree(undisturbed.folder / "results", folder / "results")
    for noun in ("tiny_test/trajectories", "pretraining/ir", "logs"):
        shutil.rmtree(folder / "results" / noun)
    # At the first attempt shard 1 has too little memory, shard 2 and the training too little time. Only shard 3 is on
    # n2, so the end of that node ends no other job.
    # snakemake itself takes more than 60 MB, so the job is always above that limit. SLURM checks once per second, and a
    # stage with less memory could end before that.
    path = folder / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(path.read_text())
    del profile["slurm-array-jobs"]  # all tasks of an array get the resources of the first
    profile["set-resources"]["trajectories"] = {
        "mem_mb": "60 if wildcards.shard == '001of004' and attempt == 1 else attempt * 3000",
        "runtime": "1 if wildcards.shard == '002of004' and attempt == 1 else 30",
        "slurm_extra": "'--nodelist=' + ('n2' if wildcards.shard == '003of004' and attempt == 1 else 'n1')",
    }
    profile["set-resources"]["pretraining"]["runtime"] = "1 if attempt == 1 else 30"
    path.write_text(yaml.safe_dump(profile))

    model = "results/pretraining/ir/seed0/model.pt"
    shards = {number: f"results/tiny_test/trajectories/idt/{number:03}of004.h5" for number in range(4)}
    logs = {number: folder / f"results/logs/trajectories/tiny_test/idt/{number:03}of004.log" for number in shards}
    known = len(cluster.jobs())
    options = (
        "--allowed-rules trajectories pretraining --profile profiles/slurm --configfile configs/paper.yaml paths.yaml"
    )
    run = start(f"snakemake {' '.join(shards.values())} {model} {options}", folder)
    try:
        with ThreadPoolExecutor() as pool:
            hit = {
                number: pool.submit(Frozen, shards[number], lambda number=number: computed(logs[number]))
                for number in (0, 2, 3)
            }
            checkpoints = folder / "results/pretraining/ir/seed0/checkpoints"
            training = pool.submit(Frozen, model, lambda: list(checkpoints.glob("*/last.pt")))
            cluster.command("scancel", hit[0].result().job)
            hit[3].result()
            cluster.command("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=test")
            before: dict[str, set[str]] = {}
            for number in (0, 3, 2):
                hit[number].result().wait_until_gone()
                before[shards[number]] = computed(logs[number])
            training.result().wait_until_gone()
        finish(run, folder)
    finally:
        run.kill()
        cluster.command("scontrol", "update", "NodeName=n2", "State=RESUME", check=False)  # may have resumed by itself
    jobs: dict[str, list[dict[str, str]]] = {}
    for job in cluster.jobs()[known:]:
        number = re.search(r"_(\d+)of004", job["Comment"])
        jobs.setdefault(shards[int(number[1])] if number else model, []).append(job)
    return folder, jobs, before


@pytest.mark.parametrize(("shard", "state"), [(0, "CANCELLED"), (1, "FAILED"), (2, "TIMEOUT"), (3, "NODE_FAIL")])
def test_ended_job_is_retried_and_resumes(shard: int, state: str, run_with_faults: Any, undisturbed: Workflow) -> None:
    folder, jobs, before = run_with_faults
    output = f"results/tiny_test/trajectories/idt/{shard:03}of004.h5"
    ended, retried = jobs[output]
    assert ended["State"].split()[0] == state and retried["State"] == "COMPLETED"
    assert equal_artifacts(folder / output, undisturbed.folder / output)
    if state == "FAILED":
        (log,) = (folder / "results/logs/slurm/rule_trajectories").glob(f"*{shard:03}of004/{ended['JobID']}.log")
        assert "exceeded memory limit" in log.read_text()
        assert (ended["ReqMem"], retried["ReqMem"]) == ("60M", "6000M")
        return
    # The second job computed exactly the videos that the first had not finished.
    after = computed(folder / f"results/logs/trajectories/tiny_test/idt/{shard:03}of004.log")
    with h5py.File(folder / output) as file:
        assert before[output] and before[output].isdisjoint(after) and before[output] | after == set(file)
    if state == "TIMEOUT":
        assert (ended["TimelimitRaw"], retried["TimelimitRaw"]) == ("1", "30")
    if state == "NODE_FAIL":
        assert (ended["NodeList"], retried["NodeList"]) == ("n2", "n1")


def test_training_resumes_after_time_limit_to_equal_weights(run_with_faults: Any, undisturbed: Workflow) -> None:
    folder, jobs, _ = run_with_faults
    model = "results/pretraining/ir/seed0/model.pt"
    assert [job["State"] for job in jobs[model]] == ["TIMEOUT", "COMPLETED"]
    assert all("gres/gpu=1" in job["AllocTRES"] for job in jobs[model])
    assert re.search(r"resumes at epoch [1-9]", (folder / "results/logs/pretraining/ir/seed0.log").read_text())
    assert equal_artifacts(folder / model, undisturbed.folder / model)
