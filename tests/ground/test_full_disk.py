"""On a full or read-only disk, a stage shows one sentence and loses no result; the same command continues later.

Each test runs in its own mount namespace, with a small disk in memory.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from workflow_scripts.pretraining.checkpoint import load_checkpoint

# The program of a test runs STEPS: calls of these functions. Each stage is a process of its own, but it is forked from
# one that has imported the modules, because torch takes seconds.
PROGRAM = '''
import multiprocessing, os, subprocess, sys
from pathlib import Path
import numpy as np
from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5, write_json
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result

def noise(number, size):
    return np.random.default_rng(number).integers(0, 256, size).astype(np.uint8)

def write(kind: str, folder: Path, size: int) -> None:
    """Writes one file of about `size` bytes."""
    if kind == "store":
        keys = {f"video{number:03d}": "key" for number in range(size // 1000)}
        compute = lambda name: Result(arrays={"noise": noise(int(name[5:]), 1000)})
        for _ in process_shard(folder / "out", keys, compute, stage="test"):
            pass
    elif kind == "artifact":
        with write_hdf5(folder / "out", stage="test", version=1, parameters={}) as file:
            for number in range(size // 1000):
                dataset(file.create_group(f"video{number:03d}"), "noise", noise(number, 1000))
    elif kind == "table":
        write_columns(folder / "out", [{"noise": noise(0, size // 4).tolist()}], ["noise"])
    elif kind == "json":
        write_json(folder / "out", noise(0, size // 5).tolist())
    else:
        state = {"noise": torch.from_numpy(noise(0, size))}
        save(state, folder / "out") if kind == "model" else save_checkpoint(state, folder)

kind, disk = sys.argv[1], Path.cwd()
if kind in ("model", "checkpoint"):
    import torch
    from workflow_scripts.pretraining.checkpoint import save, save_checkpoint

def stage(size, folder=disk, log=disk.parent / "log"):
    """Runs a stage that writes to `folder`, and prints its exit code."""
    arguments = ["--kind", kind, "--folder", str(folder), "--size", str(size), "--log", str(log)]
    process = multiprocessing.get_context("fork").Process(target=command_line, args=(write, arguments))
    process.start()
    process.join()
    print("exit", process.exitcode, flush=True)

def listed():
    """Prints the names of the files on the disk."""
    print(*sorted(name for name in os.listdir() if "crc32" not in name), flush=True)

def sh(command):
    subprocess.run(command, shell=True)

STEPS
'''
KINDS = ["store", "artifact", "table", "json", "model", "checkpoint"]


@dataclass(frozen=True)
class SmallDisk:
    """Runs scripts with a disk of 1 MB in `folder`, which other processes do not see."""

    folder: Path

    def run(self, kind: str, *steps: str) -> subprocess.CompletedProcess[str]:
        """Runs the program of a test with these steps on the disk, for stages that write a file of this kind."""
        program, disk = self.folder / "program.py", self.folder / "disk"
        program.write_text(PROGRAM.replace("STEPS", "\n".join(steps)))
        disk.mkdir()
        command = f"mount -t tmpfs -o size=1m none {disk} && cd {disk} && exec {sys.executable} {program} {kind}"
        return subprocess.run(["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, timeout=120)


@pytest.fixture
def small_disk(tmp_path: Path) -> SmallDisk:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    try:
        allowed = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs unshare and mount")
    if allowed.returncode:
        pytest.skip(f"needs permission to mount a disk: {allowed.stderr.strip()}")
    return SmallDisk(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_full_disk_loses_no_result(small_disk: SmallDisk, kind: str) -> None:
    done = small_disk.run(
        kind,
        "stage(5000); listed(); sh('cp * ../before; head -c 800k /dev/zero > filler')",
        "stage(600000); sh('rm filler; cp ../log ../log1; cp * ../after'); listed()",
        "stage(600000); listed(); sh('cp * ..')",
    )
    name = "last.pt" if kind == "checkpoint" else "out"
    all_names = "last.pt previous.pt" if kind == "checkpoint" else "out"
    assert done.stdout.splitlines() == ["exit 0", name, "exit 1", name, "exit 0", all_names]
    errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"{small_disk.folder}/disk/{name}: " in errors[0]
    assert errors[0].endswith("free some space, then run the same command again; earlier results are saved")
    before, after = (small_disk.folder / moment for moment in ("before", "after"))
    if kind == "store":
        assert after.read_bytes().startswith(before.read_bytes())
        computed = sum((small_disk.folder / log).read_text().count(": computed ") for log in ("log1", "log"))
        assert computed == 600 - 5 and after.stat().st_size > 100_000
    else:
        assert after.read_bytes() == before.read_bytes()
    if kind == "checkpoint":
        checkpoint = load_checkpoint(small_disk.folder)
        assert checkpoint is not None and len(checkpoint["noise"]) == 600_000


@pytest.mark.parametrize("kind", KINDS)
def test_read_only_disk_is_named(small_disk: SmallDisk, kind: str) -> None:
    done = small_disk.run(kind, "stage(5000); sh('mount -o remount,ro .'); stage(9000); listed()")
    name = "last.pt" if kind == "checkpoint" else "out"
    assert done.stdout.splitlines() == ["exit 0", "exit 1", name]
    assert f"/disk/{name}: " in done.stderr and "Read-only file system" in done.stderr
    assert "make its folder writable, then run the same command again" in done.stderr
    assert "Traceback" not in done.stderr


def test_log_on_a_full_or_read_only_disk(small_disk: SmallDisk) -> None:
    done = small_disk.run(
        "json",
        "sh('head -c 2m /dev/zero > filler 2> /dev/null'); stage(100, disk.parent, 'log')",
        "sh('rm filler; mount -o remount,ro .'); stage(100, disk.parent, 'log')",
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == ["exit 0", "exit 1"]
    assert "log: Read-only file system; make its folder writable" in done.stderr


def test_log_on_a_disk_that_becomes_full(small_disk: SmallDisk) -> None:
    steps = "sh('head -c 2m /dev/zero > filler 2> /dev/null'); stage(9000, disk.parent, 'log')"
    done = small_disk.run("store", steps)
    assert done.stdout == "exit 0\n"
    assert "Traceback" not in done.stderr and done.stderr.count("the log cannot be written (") == 1
