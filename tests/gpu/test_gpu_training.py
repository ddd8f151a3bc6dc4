"""Training steps, loaders, resumed trainings and finetuning on a GPU agree with the CPU."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workflow_scripts.evaluation.finetune import finetune
from workflow_scripts.evaluation.results import Task, read_record
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.pretraining import training
from workflow_scripts.pretraining.augmentation import Color, Draw, draw_training
from workflow_scripts.pretraining.checkpoint import save_checkpoint
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.inputs import Squares, collate, to_input
from workflow_scripts.pretraining.learner import Learner, Targets
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.pretraining.train import TrainingFiles, train

pytestmark = pytest.mark.slow  # trains networks

N_VIDEOS, ROWS = 40, [4, 0, 2, 35, 17, 9]


def new_learner(objective: str, device: str, settings: PretrainingSettings) -> Learner:
    """A learner with weights, rows, classes and clusters that are the same on all devices."""
    torch.manual_seed(0)
    model = ResNet3D(settings.depth, settings.embedding_dim, settings.width)
    bank = MemoryBank([f"v{n}" for n in range(N_VIDEOS)], settings.embedding_dim, seed=0)
    rows = torch.arange(N_VIDEOS)
    targets = Targets(rows % settings.embedding_dim, torch.stack([rows % 5, rows // 8]))
    learner = Learner(objective, model.to(device), bank, settings, seed=0, targets=targets)
    learner.start_epoch(0)
    return learner


def two_steps(objective: str, device: str, settings: PretrainingSettings) -> dict[str, Tensor]:
    """The losses of two steps, the gradient of the first, and the bank, all on the CPU."""
    learner = new_learner(objective, device, settings)
    clips = 50 * torch.randn(2, len(ROWS), 3, 16, 48, 48, generator=torch.Generator().manual_seed(1))
    losses = [learner.step(clips[0].to(device), ROWS, 0, 0)[0]]
    gradient = torch.cat([w.grad.flatten() for w in learner.model.parameters() if w.grad is not None])
    gradient = gradient.cpu().clone()
    losses.append(learner.step(clips[1].to(device), ROWS, 0, 1)[0])
    return {"losses": torch.stack(losses).cpu(), "gradient": gradient, "bank": learner.bank.rows.cpu()}


def distance(one: Tensor, other: Tensor) -> float:
    """The norm of the difference, as a fraction of the norm."""
    return float((one - other).double().norm() / other.double().norm())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_step_in_float32_agrees_with_the_cpu(objective: str, device: str, tiny: PretrainingSettings) -> None:
    expected, actual = two_steps(objective, "cpu", tiny), two_steps(objective, device, tiny)
    assert distance(actual["losses"], expected["losses"]) < 1e-4
    for name in ("gradient", "bank"):
        assert distance(actual[name], expected[name]) < 1e-3, name


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_step_in_bfloat16_is_close(objective: str, device: str, tiny: PretrainingSettings) -> None:
    """The first step, because a step changes the weights, and with them the next loss, by much."""
    exact, rounded = (two_steps(objective, device, replace(tiny, precision=p)) for p in ("float32", "bfloat16"))
    assert 0 < distance(rounded["gradient"], exact["gradient"]) < 0.5
    assert distance(rounded["losses"][:1], exact["losses"][:1]) < 0.03


def test_resumed_training_continues_the_loss_curve(
    device: str,
    tiny: PretrainingSettings,
    frames_file: Path,
    video_ids: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    videos = tmp_path / "videos.tsv"
    write_columns(videos, [{"video_id": name, "label": ""} for name in video_ids], ["video_id", "label"])

    def losses(folder: Path) -> list[float]:
        files, workers = TrainingFiles(videos, [frames_file]), 2 if device == "cuda" else 0
        output, checkpoints = folder / "model.pt", folder / "checkpoints"
        options = {"objective": "instance", "seed": 0, "settings": tiny, "workers": workers}
        train(files, output, checkpoints, "run", **options)
        return [entry["loss"] for entry in torch.load(output, weights_only=True)["history"]]

    whole, saved = losses(tmp_path / "whole"), []

    def save_and_stop(state: dict[str, Any], folder: Path) -> None:
        save_checkpoint(state, folder)
        saved.append(folder)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "save_checkpoint", save_and_stop)
        losses(tmp_path / "stopped")
    assert losses(tmp_path / "stopped") == pytest.approx(whole, rel=1e-6 if device == "cpu" else 0.01)
    assert len(whole) == tiny.epochs


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_step_does_not_synchronise(objective: str, precision: str, tiny: PretrainingSettings) -> None:
    """Neither the step nor `to_input` of a pinned batch synchronises."""
    learner = new_learner(objective, "cuda", replace(tiny, negatives=8, precision=precision))
    draws = [Draw(0, flip=bool(n % 2), color=Color(hue=0.1)) for n in range(len(ROWS))]
    drawn = collate([(np.full((16, 50 + n, 50 + n, 3), 100, np.uint8), draw) for n, draw in enumerate(draws)])
    pinned = Squares(*(part.pin_memory() for part in drawn if part is not None))
    for step in range(3):
        torch.cuda.set_sync_debug_mode("default" if step == 0 else "error")  # the first step allocates
        try:
            sums = learner.step(to_input(pinned, 48, "cuda"), ROWS, 0, step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(sums).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_load_inputs_agrees_with_the_cpu(frames_file: Path, video_ids: list[str], device: str, workers: int) -> None:
    """On a GPU, the batches come from pinned memory."""
    clips = DrawnClips(FrameStore([frames_file]), video_ids, 8, partial(draw_training, 0, 3, color=True))
    batches = epoch_batches(12, 4, 0, 3)
    on_cpu = load_inputs(clips, batches, 32, torch.device("cpu"))
    on_device = load_inputs(clips, batches, 32, torch.device(device), workers)
    for expected, actual in zip(on_cpu, on_device, strict=True):
        assert actual.device.type == device
        torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=0.1)


def test_finetuning_agrees_with_the_cpu(
    device: str,
    only_cpu: Callable[[], AbstractContextManager[None]],
    tiny: PretrainingSettings,
    frames_file: Path,
    video_ids: list[str],
    tmp_path: Path,
) -> None:
    """The precision may be lower on a GPU, so the losses agree only roughly."""
    splits, columns = tmp_path / "splits.tsv", ["split", "video_id", "part", "label", "group"]
    rows = [
        {"split": 1, "video_id": name, "part": "train" if n < 8 else "test", "label": "ab"[n % 2], "group": ""}
        for n, name in enumerate(video_ids)
    ]
    write_columns(splits, rows, columns)
    settings = EvaluationSettings(clips=2, finetune_epochs=2, finetune_batch_size=4, finetune_lr=0.01)
    shape = Architecture(**{name: getattr(tiny, name) for name in Architecture.__dataclass_fields__})

    def record(workers: int) -> dict[str, Any]:
        output, folder = tmp_path / f"{workers}.json", tmp_path / "checkpoints"
        task = Task("scratch", 1, "toy")
        finetune(splits, [frames_file], output, task, folder, settings, shape, workers=workers)
        return read_record(output)

    with only_cpu():
        expected = record(workers=0)
    actual = record(workers=2)
    losses, expected_losses = ([row["loss"] for row in one["history"]] for one in (actual, expected))
    assert losses == pytest.approx(expected_losses, rel=1e-6 if device == "cpu" else 0.1)
    assert actual["n_test"] == expected["n_test"] == 4
