"""Training in two processes gives the same results as in one, and resumes to the same weights."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from devices import DEVICES
from processes import default_signals
from torch import distributed, multiprocessing

from workflow_scripts.pretraining.learner import Learner, Targets
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.ranks import Ranks, process_group
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings

pytestmark = pytest.mark.slow  # starts processes that train

LABELS = torch.arange(11)[None].repeat(2, 1) // torch.tensor([[3], [4]])
BATCHES = [[4, 0, 10, 5, 7], [1, 9, 2, 3]]  # the first has an odd size
CASES = {  # objective and number of clusterings; "in passes": two clips per pass
    "instance": ("instance", 2),
    "instance in passes": ("instance", 2),
    "fixed clusters": ("local_aggregation", 2),
    "clusters of the network": ("local_aggregation", 3),
    "supervised": ("supervised", 2),
}


class EvaluationModeResNet3D(ResNet3D):
    """Batch norm in evaluation mode, because in training mode it differs between processes."""

    def train(self, mode: bool = True) -> "EvaluationModeResNet3D":
        return super().train(False)


def steps(case: str, tiny: PretrainingSettings, ranks: Ranks, device: str) -> dict[str, torch.Tensor]:
    """The results of this process after two steps, as the only process or with others."""
    torch.backends.cudnn.allow_tf32 = False  # so that float32 has the same precision on a GPU as on a CPU
    objective, m = CASES[case]
    settings = dataclasses.replace(tiny, precision="float32", negatives=4, neighbours=6, m=m)
    if "in passes" in case:
        settings = dataclasses.replace(settings, micro_batch=2)
    torch.manual_seed(0)
    model = EvaluationModeResNet3D(10, 16, 0.125).to(device)
    bank = MemoryBank([f"v{n}" for n in range(11)], 16, seed=ranks.rank)  # the learner makes the banks equal
    classes = torch.arange(11) % 3
    fixed = LABELS if m == len(LABELS) else None
    learner = Learner(objective, model, bank, settings, 0, targets=Targets(classes, fixed), ranks=ranks)
    learner.start_epoch(0)
    clips = torch.randn(11, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1)) * 50
    results = {}
    for step, batch in enumerate(BATCHES):
        results[f"sums {step}"] = learner.step(clips[ranks.local_part(batch)].to(device), batch, 0, step)
        gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        results[f"gradient {step}"] = torch.cat(gradients).clone()
    results |= {"bank": bank.rows, "labels": torch.zeros(1) if learner.labels is None else learner.labels}
    return {name: values.cpu() for name, values in results.items()}


def one_of_two(rank: int, port: int, folder: Path, tiny: PretrainingSettings, device: str) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="localhost")
    os.environ["MASTER_PORT"] = str(port)
    torch.set_num_threads(1)
    if device == "cuda":  # both processes on one GPU, which process_group and NCCL do not support
        distributed.init_process_group("gloo")
        torch.save({case: steps(case, tiny, Ranks(rank, 2), device) for case in CASES}, folder / f"{rank}.pt")
        distributed.destroy_process_group()
        return
    torch.cuda.is_available = lambda: False
    with process_group() as (ranks, _):
        torch.save({case: steps(case, tiny, ranks, device) for case in CASES}, folder / f"{rank}.pt")


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """cpu or cuda."""
    return str(request.param)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory, tiny: PretrainingSettings, device: str) -> list[dict[str, Any]]:
    """The results of two processes, by case."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        free_port = int(listening.getsockname()[1])
    multiprocessing.start_processes(one_of_two, (free_port, folder, tiny, device), nprocs=2, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_learner_step_two_processes_agree_with_one(tiny, of_two, case, device):
    first, second = (results[case] for results in of_two)
    tolerance = 1e-5 if device == "cpu" else 1e-3  # a GPU has other algorithms for other batches
    for name, values in steps(case, tiny, Ranks(), device).items():
        assert torch.equal(first[name], second[name]), name
        assert float((first[name] - values).double().norm()) <= tolerance * float(values.double().norm()), name


@pytest.fixture
def command(videos_table, frames_files, tiny):
    """Starts torchrun with two processes of the stage, with results in a folder."""
    settings = json.dumps({**dataclasses.asdict(tiny), "k": 4, "epochs": 6, "checkpoint_minutes": 600})

    def start(folder: Path) -> subprocess.Popen[str]:
        line = [
            *(Path(sys.executable).parent / "torchrun", "--standalone", "--nproc-per-node", 2),
            *("-m", "--", "workflow_scripts.pretraining.train", "--videos", videos_table, "--frames", *frames_files),
            *("--output", folder / "model.pt", "--checkpoints", folder / "checkpoints", "--run", "r", "--seed", 3),
            *("--objective", "local_aggregation", "--clusters", "network", "--settings", settings),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*map(str, line)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=default_signals,
            start_new_session=True,  # a new process group, which Ctrl-C signals as in a shell
        )

    return start


def test_torchrun_stopped_resumes_to_the_same_weights(tmp_path, command):
    """A scheduler sends SIGTERM to torchrun only, and Ctrl-C reaches all processes. Only process 0 saves."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    process = command(whole)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    for number, send in ((signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)):
        process = command(stopped)
        started, deadline = time.time(), time.monotonic() + 300
        while time.monotonic() < deadline and not any(
            path.stat().st_mtime > started for path in stopped.glob("checkpoints/*/previous.pt")
        ):
            time.sleep(0.02)  # until an epoch has ended
        send(process.pid, number)
        output, _ = process.communicate(timeout=600)
        assert process.returncode != 0 and "stopped by a signal" in output and not (stopped / "model.pt").exists(), (
            output
        )
    process = command(stopped)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0 and "resumes at epoch" in output, output
    one, other = (torch.load(folder / "model.pt", weights_only=True) for folder in (whole, stopped))
    assert torch.equal(one["bank"], other["bank"]) and torch.equal(one["labels"], other["labels"])
    statistics = ("running_mean", "running_var")  # those of process 0
    assert all(
        torch.equal(weight, other["state_dict"][name])
        for name, weight in one["state_dict"].items()
        if not name.endswith(statistics)
    )
    assert [entry["loss"] for entry in one["history"]] == [entry["loss"] for entry in other["history"]]
