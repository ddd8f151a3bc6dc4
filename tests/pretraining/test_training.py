"""A run that is killed, stopped or resumed ends with the same bytes and curves as an uninterrupted run."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from processes import default_signals

from workflow_scripts.ground import curves
from workflow_scripts.ground.curves import read_rows

pytestmark = pytest.mark.slow  # starts processes that train

# The stage, with a row of the curves at every time when the sums are fetched: at each checkpoint
MAIN = """
from workflow_scripts.ground import curves
from workflow_scripts.ground.stage import command_line
from workflow_scripts.pretraining.train import train

curves.ROW_SECONDS = 0
command_line(train)
"""
CHANGED = {"epochs": 8, "batch_size": 3, "k": 4, "checkpoint_minutes": 0}  # a checkpoint after every step


class Process:
    """Runs the stage on the tiny dataset."""

    def __init__(self, folder: Path, videos: Path, frames: list[Path], settings: dict[str, object]) -> None:
        self.output, self.checkpoints = folder / "model.pt", folder / "checkpoints"
        self.command = [
            *(sys.executable, "-c", MAIN, "--videos", videos, "--frames", *frames),
            *("--output", self.output, "--checkpoints", self.checkpoints, "--run", "r", "--seed", "3"),
            *("--objective", "local_aggregation", "--clusters", "network", "--settings", json.dumps(settings)),
        ]

    def start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            list(map(str, self.command)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=default_signals,
        )

    def progress(self) -> tuple[int, int]:
        """Epoch and step of the newest checkpoint, or (-1, 0)."""
        for name in ("last.pt", "previous.pt"):  # last.pt is missing between the two renames of a save
            for path in self.checkpoints.glob(f"*/{name}"):
                with contextlib.suppress(FileNotFoundError):
                    at = torch.load(path, weights_only=True)["progress"]
                    return at["epoch"], at["step"]
        return -1, 0

    def wait_for(self, process: subprocess.Popen[str], epoch: int, step: int) -> None:
        deadline = time.monotonic() + 300
        while self.progress() < (epoch, step) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.fixture(scope="module")
def settings(tiny) -> dict[str, object]:
    tiny = replace(tiny, **CHANGED)
    return {**asdict(tiny), "clip_length": 16}  # slower, so that the kill happens during training


def same(model: dict[str, object], path: Path) -> bool:
    other = torch.load(path, weights_only=True)
    weights, others = model["state_dict"], other["state_dict"]
    return (
        all(torch.equal(weights[name], others[name]) for name in weights)
        and torch.equal(model["bank"], other["bank"])
        and torch.equal(model["labels"], other["labels"])
        and [entry["loss"] for entry in model["history"]] == [entry["loss"] for entry in other["history"]]
    )


LA = {"objective": "local_aggregation", "clusters": "network", "seed": 3}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, train_in, settings) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "ROW_SECONDS", 0)
        train_in(folder, **LA, changed=settings)
    return folder / "run"


def values(folder: Path) -> dict[int, dict[str, str]]:
    """The rows of the curves by step, without times. Raises AssertionError if a step has two rows."""
    rows = read_rows(folder / curves.FILE_NAME)
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    times = {"time", "seconds", "waiting", *curves.PLOTTED["speed"]}
    return {int(row["step"]): {name: row[name] for name in row if name not in times} for row in rows}


@pytest.fixture
def uninterrupted(whole_run) -> dict[str, object]:
    return torch.load(whole_run / "model.pt", weights_only=True)


def test_training_killed_resumes_to_the_same_weights_and_curves(
    tmp_path, videos_table, frames_files, run_train, settings, whole_run, uninterrupted, caplog, monkeypatch
):
    """Each step has a row, also around the kill: the curves have neither gaps nor doubles."""
    run = Process(tmp_path / "killed", videos_table, frames_files, settings)
    for epoch_to_kill in range(1, CHANGED["epochs"] - 1):
        process = run.start()
        run.wait_for(process, epoch_to_kill, 2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
        epoch, step = run.progress()
        if step > 0:  # otherwise the kill happened between two epochs
            break
    assert step > 0
    # A kill during the writing of a checkpoint leaves half a temporary file.
    folder = next(run.checkpoints.iterdir())
    (folder / ".last.pt.tmp").write_bytes(next(folder.glob("*.pt")).read_bytes()[:5000])
    # A kill during the writing of a row leaves half a line.
    history = tmp_path / "killed" / curves.FILE_NAME
    history.write_text(history.read_text() + history.read_text().splitlines()[-1][:50])
    caplog.set_level("INFO")
    monkeypatch.setattr(curves, "ROW_SECONDS", 0)
    run_train("killed", **LA, changed=settings)
    assert f"resumes at epoch {epoch}, step {step}" in caplog.text
    assert same(uninterrupted, run.output)
    assert list(values(whole_run)) == list(range(1, 8 * 4 + 1))
    assert values(tmp_path / "killed") == values(whole_run)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_training_stopped_by_a_signal_resumes_to_the_same_weights(
    tmp_path, videos_table, frames_files, run_train, settings, whole_run, uninterrupted, caplog, number, code
):
    rarely = {**settings, "checkpoint_minutes": 600}
    run = Process(tmp_path / "terminated", videos_table, frames_files, rarely)
    process = run.start()
    run.wait_for(process, 1, 0)
    process.send_signal(number)
    _, log = process.communicate()
    assert process.returncode == code and "stopped by a signal" in log, log
    caplog.set_level("INFO")
    run_train("terminated", **LA, changed=rarely)
    assert "resumes at epoch" in caplog.text
    assert same(uninterrupted, run.output), "fewer rows give the same weights"
    rows = values(tmp_path / "terminated")
    assert rows == {step: values(whole_run)[step] for step in rows} and set(rows) >= set(range(4, 33, 4))


def test_training_truncated_checkpoint_is_not_used(tmp_path, run_train, settings, whole_run, uninterrupted, caplog):
    shutil.copytree(whole_run, tmp_path / "run")
    folder = next((tmp_path / "run" / "checkpoints").iterdir())
    last, previous = folder / "last.pt", folder / "previous.pt"
    for path in (last, previous):
        path.write_bytes(path.read_bytes()[:-1000])
    model = tmp_path / "run" / "model.pt"
    model.unlink()
    run_train(**LA, changed=settings)
    assert "damaged" in caplog.text
    assert same(uninterrupted, model)
