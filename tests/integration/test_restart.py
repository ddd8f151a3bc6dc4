"""Damaged files, a second run in the same folder and wrong clocks: a run recovers, or names the command to type."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from workflow import ENVIRONMENT, Workflow

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

TARGET = "results/pretraining/videos/idt/all.tsv"  # frames and sketches of every video
STORES = ("trajectories", "encoding", "frames")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_config: dict[str, Any]) -> Workflow:
    """A workflow over 6 videos, run up to its sketches and frames."""
    folder = tmp_path_factory.mktemp("finished")
    settings = GeneratedSettings(
        motions=("wave", "walk", "spin"), scenes=("bricks",), per_pair=2, frames=22, width=128, height=96
    )
    generate_videos(folder / "made", settings)
    dataset = {"layout": "folder", "root": str(folder / "made"), "shards": 2}
    config = {**tiny_config, "datasets": {"tiny": dataset}, "evaluation": {"datasets": []}}
    workflow = Workflow(folder, config)
    workflow.run(TARGET)
    return workflow


@pytest.fixture
def workflow(finished: Workflow, tmp_path: Path) -> Workflow:
    """A copy of it, with the times of its files and the records of snakemake."""
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    shutil.rmtree(tmp_path / "results" / "logs")  # `computed` reads them
    return Workflow(tmp_path, finished.config)


def _artifacts(workflow: Workflow) -> dict[str, bytes]:
    files = sorted((workflow.folder / "results").rglob("*.h5"))
    return {path.relative_to(workflow.folder).as_posix(): path.read_bytes() for path in files}


def _flip(path: Path, position: float) -> None:
    """Flips a bit at this fraction of a file and leaves the file's time, as a failing disk does."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_damaged_artifact_names_command(workflow: Workflow, damage: str) -> None:
    before = _artifacts(workflow)
    shard = next((workflow.folder / "results/tiny/trajectories/idt").glob("*.h5"))
    if damage == "flipped":
        _flip(shard, 0.5)
    else:
        os.truncate(shard, shard.stat().st_size // 2)
    for path in (workflow.folder / "results/tiny/encoding").rglob("*of*"):  # so that the shard is read
        path.unlink()
    (workflow.folder / TARGET).unlink()
    done = workflow.snakemake(TARGET)
    output = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in output
    (command,) = set(re.findall(r"is damaged .*type `(rm .*)`, then run the same command again", output))
    subprocess.run(command, shell=True, check=True, cwd=workflow.folder)
    workflow.run(TARGET)
    assert _artifacts(workflow) == before
    assert workflow.computed("trajectories") == []  # the store had it all
    assert "Nothing to be done" in workflow.run("--dry-run", TARGET)


def test_damaged_table_names_command(workflow: Workflow) -> None:
    before = _artifacts(workflow)
    shard = next((workflow.folder / "results/tiny/videos/shards").glob("*.tsv"))
    content = shard.read_bytes()
    _flip(shard, 0.5)
    for noun in ("trajectories", "encoding"):  # so that the table is read
        for path in (workflow.folder / "results/tiny" / noun / "idt").rglob("*of*.h5"):
            path.unlink()
    (workflow.folder / TARGET).unlink()
    done = workflow.snakemake(TARGET)
    output = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in output
    (command,) = set(
        re.findall(r"is damaged or was edited\. To make it again, type `(rm .*?)` and run the same", output)
    )
    subprocess.run(command, shell=True, check=True, cwd=workflow.folder)
    workflow.run(TARGET)
    assert shard.read_bytes() == content and _artifacts(workflow) == before
    assert workflow.computed("trajectories") == []  # the store had it all


def test_damaged_store_recomputes_only_damaged_videos(workflow: Workflow) -> None:
    before = _artifacts(workflow)
    damaged = {}
    for noun in STORES:
        (path, *_) = sorted(path for path in (workflow.folder / f"results/tiny/{noun}/.store").rglob("*of*"))
        _flip(path, 0.5)
        damaged[noun] = path
        for artifact in (workflow.folder / f"results/tiny/{noun}").rglob(f"{path.name}.h5"):
            artifact.unlink()
    (workflow.folder / TARGET).unlink()
    workflow.run(TARGET)
    assert _artifacts(workflow) == before
    assert {noun: len(workflow.computed(noun)) for noun in STORES} == dict.fromkeys(STORES, 1)


def test_second_run_in_one_folder_stops(workflow: Workflow) -> None:
    before = _artifacts(workflow)
    shutil.rmtree(workflow.folder / "results")
    first = subprocess.Popen(
        workflow.command(TARGET), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list((workflow.folder / ".snakemake" / "locks").glob("*")):
        assert first.poll() is None
        time.sleep(0.02)
    second = workflow.snakemake(TARGET)
    assert first.poll() is None, "the first run ended before the second began"
    assert second.returncode != 0 and "Traceback" not in second.stderr
    assert "make sure that no other Snakemake process is trying to create" in " ".join(second.stderr.split())
    assert first.wait() == 0
    assert _artifacts(workflow) == before


def test_times_in_the_future_end_up_to_date(workflow: Workflow) -> None:
    """A clock is ahead: a video, and then the artifact of a shard, have the time of tomorrow."""
    before = _artifacts(workflow)
    tomorrow = time.time() + 86400
    root = Path(workflow.config["datasets"]["tiny"]["root"])
    video = root / "walk" / "walk_bricks_00.mp4"
    stat = video.stat()
    try:
        os.utime(video, (tomorrow, tomorrow))
        workflow.run("--forcerun", "videos", "--", TARGET)
        assert {noun: len(workflow.computed(noun)) for noun in ("videos", "trajectories", "frames")} == {
            "videos": 1,
            "trajectories": 1,
            "frames": 1,
        }
        assert "Nothing to be done" in workflow.run("--dry-run", TARGET)
    finally:
        os.utime(video, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    workflow.run("--forcerun", "videos", "--", TARGET)
    assert _artifacts(workflow) == before

    shard = next((workflow.folder / "results/tiny/trajectories/idt").glob("*.h5"))
    os.utime(shard, (tomorrow, tomorrow))
    workflow.run(TARGET)
    assert "Nothing to be done" in workflow.run("--dry-run", TARGET)
    assert _artifacts(workflow) == before
