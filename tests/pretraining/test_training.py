"""A run that is killed, stopped or resumed ends with the same bytes as an uninterrupted run."""

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

pytestmark = pytest.mark.slow  # starts processes that train

CHANGED = {"epochs": 8, "batch_size": 3, "k": 4, "checkpoint_minutes": 0}  # a checkpoint after every step


class Process:
    """Runs `python -m workflow_scripts.pretraining.train` on the tiny dataset."""

    def __init__(self, folder: Path, videos: Path, frames: list[Path], settings: dict[str, object]) -> None:
        self.output, self.checkpoints = folder / "model.pt", folder / "checkpoints"
        self.command = [
            *(sys.executable, "-m", "workflow_scripts.pretraining.train", "--videos", videos, "--frames", *frames),
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
    train_in(folder, **LA, changed=settings)
    return folder / "run"


@pytest.fixture
def uninterrupted(whole_run) -> dict[str, object]:
    return torch.load(whole_run / "model.pt", weights_only=True)


def test_training_killed_resumes_to_the_same_weights(
    tmp_path, videos_table, frames_files, run_train, settings, uninterrupted, caplog
):
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
    caplog.set_level("INFO")
    run_train("killed", **LA, changed=settings)
    assert f"resumes at epoch {epoch}, step {step}" in caplog.text
    assert same(uninterrupted, run.output)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_training_stopped_by_a_signal_resumes_to_the_same_weights(
    tmp_path, videos_table, frames_files, run_train, settings, uninterrupted, caplog, number, code
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
    assert same(uninterrupted, run.output)


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
