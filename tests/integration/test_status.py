"""`make status` on real runs: not begun, half done, finished and changed."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import default_signals
from workflow import REPOSITORY, Workflow

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

SKETCHES = "results/pretraining/videos/idt/all.tsv"  # frames and sketches of every video


@pytest.fixture
def workflow(tmp_path: Path, tiny_config: dict[str, Any]) -> Workflow:
    """A workflow over six videos in two shards, one of them broken, with one training run."""
    settings = GeneratedSettings(
        motions=("wave", "spin"), scenes=("bricks",), per_pair=3, frames=22, width=96, height=96
    )
    generate_videos(tmp_path / "made", settings)
    broken = tmp_path / "made" / "wave" / "wave_bricks_01.mp4"
    broken.write_bytes(broken.read_bytes()[:-2000])
    config = {
        **tiny_config,
        "datasets": {"tiny": {"layout": "folder", "root": "made", "shards": 2}},
        "pretraining": {**tiny_config["pretraining"], "epochs": 2, "runs": {"ir": {"objective": "instance"}}},
        "clusters": {**tiny_config["clusters"], "k": 2},  # less than half of the five readable videos
        "evaluation": {"datasets": []},
        "max_failed_fraction": 0.5,
    }
    return Workflow(tmp_path, config)


def _status(workflow: Workflow, *arguments: str) -> str:
    """The output of the command of the Makefile's target, in the workflow's folder and with its last config."""
    make = ["make", "--dry-run", "--no-print-directory", "status", "CONFIG=test_config.yaml", *arguments]
    listed = subprocess.run(make, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    command = listed.stdout.splitlines()[-1].replace(".venv/bin/dtc", f"{sys.executable} -m workflow_scripts.cli")
    done = subprocess.run(command, shell=True, cwd=workflow.folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def _watched(workflow: Workflow) -> str:
    """The output of `dtc status --watch` until Ctrl-C, after its second table."""
    command = [sys.executable, "-m", "workflow_scripts.cli", "status", "--watch", "--configfile", "test_config.yaml"]
    options: dict[str, Any] = {"cwd": workflow.folder, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options, preexec_fn=default_signals) as process:
        assert process.stdout
        lines = list(_lines_until(process.stdout, "Ctrl-C ends", times=2))
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    assert process.returncode == 0
    return "".join(lines)


def _lines_until(lines: Iterable[str], text: str, times: int) -> Iterator[str]:
    """Yields lines up to the one that has `text` for the last of so many times."""
    for line in lines:
        yield line
        times -= text in line
        if times == 0:
            return


def _files(status: str) -> dict[str, str]:
    """The number of existing files of each stage, such as `1 of 2`."""
    return dict(re.findall(r"^(\w+) .*?(\d+ of \d+)", status.partition("would run now")[0], re.MULTILINE))


def _would_run(status: str) -> dict[str, str]:
    """The reason why each rule would run."""
    return dict(re.findall(r"^(\w+) +\d+ +(.*)$", status.partition("would run now")[2], re.MULTILINE))


def test_status_from_start_to_change(workflow: Workflow) -> None:
    workflow.run("--dry-run")  # writes the config
    status = _status(workflow)
    assert _files(status)["videos"] == "0 of 1" and _would_run(status)["videos"] == "1 missing"
    assert "More jobs follow when the videos of tiny are indexed." in status

    workflow.run(SKETCHES)
    status = _status(workflow)
    assert _files(status) == {
        **dict.fromkeys(("videos", "codebook", "training_videos"), "1 of 1"),
        **dict.fromkeys(("trajectories", "encoding", "frames"), "2 of 2"),
        **dict.fromkeys(("clusters", "pretraining", "cluster_bank", "examples"), "0 of 1"),
        "report": "0 of 8",
    }
    missing = {"clusters", "pretraining", "cluster_bank", "examples", "report", "resolved_config"}
    assert set(_would_run(status)) == missing
    assert re.search(r"^videos +tiny +1 of 1 +5 ok, 1 failed$", status, re.MULTILINE)
    failed = r"^videos that failed: 1\ndataset .*\ntiny +wave_bricks_01\S+ +videos +\w+ +\w+"
    assert re.search(failed, status, re.MULTILINE)

    workflow.run()
    status = _status(workflow)
    assert "Nothing would run: everything is done and up to date." in status
    assert all(len(set(files.split(" of "))) == 1 for files in _files(status).values())

    # A stopped run leaves a checkpoint and no model.
    (workflow.folder / "results/pretraining/ir/seed0/model.pt").unlink()
    assert "\n    ir/seed0: 2 of 2 epochs done\n" in _status(workflow)
    outcome = workflow.folder / "results/logs/pretraining/ir/seed0.json"
    ended = outcome.read_text()
    outcome.write_text(json.dumps({**json.loads(ended), "status": "started", "ended": ""}))  # as during the training
    newest = r"^    ir/seed0: epoch 2: loss \S+, lr \S+, .*knn .*clips_per_second .*; 0.0 s left at \S+ UTC$"
    assert re.search(newest, _status(workflow), re.MULTILINE)
    assert re.search(newest, _watched(workflow), re.MULTILINE)
    outcome.write_text(ended)

    shard = next((workflow.folder / "results/tiny/trajectories/idt").glob("*.h5"))
    shard.unlink()
    status = _status(workflow)
    assert _files(status)["trajectories"] == "1 of 2" and f"{shard.stem}: missing but not needed" in status
    assert re.search(rf"{shard.stem}: (\d+) of \1 videos done", status)
    shutil.rmtree(workflow.folder / "results/tiny/trajectories/.store")
    assert "videos done" not in _status(workflow), "the store was deleted"

    changed = {**workflow.config, "encoding": {**workflow.config["encoding"], "components": 3}}
    workflow.run("--dry-run", config=changed)
    why = _would_run(_status(workflow))
    assert why["trajectories"] == "1 missing"
    assert why["codebook"] == "1 made with other parameters"
    assert why["encoding"] == "2 wait for input that is made first"
    assert "frames" not in why

    # A new video makes the index outdated. Snakemake then does not plan later stages; the table still shows them.
    shutil.copy(workflow.folder / "made/spin/spin_bricks_00.mp4", workflow.folder / "made/spin/new.mp4")
    status = _status(workflow)
    assert _files(status)["encoding"] == "2 of 2" and _would_run(status)["videos"] == "1 made with other parameters"

    shutil.rmtree(workflow.folder / "results/logs")
    assert re.search(r"^trajectories +tiny/idt +1 of 2 +\d ok$", _status(workflow), re.MULTILINE), (
        "from the file itself"
    )


def test_status_of_wrong_config(workflow: Workflow) -> None:
    workflow.snakemake("--dry-run", config={**workflow.config, "encoding": {"componets": 3}})
    assert _status(workflow) == "error: config: encoding.componets is not a known key; did you mean components?\n"
    shutil.rmtree(workflow.folder / "made")
    workflow.snakemake("--dry-run")
    assert re.fullmatch(r"error: .*the folder made does not exist[^\n]*\n", _status(workflow))
