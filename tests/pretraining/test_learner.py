"""The optimizer and the training step."""

import dataclasses
import math

import pytest
import torch

from workflow_scripts.pretraining.learner import Learner, Targets, make_optimizer
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.precision import is_bfloat16_faster
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings, clips_per_pass


def test_make_optimizer_weight_decay_excludes_batch_norm(tiny):
    model = ResNet3D(10, 16, 0.125)
    decayed, free = make_optimizer(model, tiny).param_groups
    norms = {id(p) for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d) for p in m.parameters()}
    assert {id(p) for p in free["params"]} == norms and free["weight_decay"] == 0
    assert len(decayed["params"]) + len(norms) == len(list(model.parameters()))
    assert decayed["weight_decay"] == tiny.weight_decay


def learner_of_six_videos(objective, settings, labels=None):
    """A learner in float32 after `start_epoch`, four clips, and the rows of their videos."""
    torch.manual_seed(0)
    settings = dataclasses.replace(settings, precision="float32")
    bank = MemoryBank([f"v{n}" for n in range(6)], 16, seed=0)
    learner = Learner(objective, ResNet3D(10, 16, 0.125), bank, settings, seed=0, targets=Targets(fixed=labels))
    learner.start_epoch(0)
    return learner, torch.randn(4, 3, 8, 32, 32) * 50, [4, 0, 2, 5]


def test_step_updates_the_bank_after_the_loss(tiny):
    """The loss uses the old rows. Then the embeddings of the same forward pass update the rows."""
    learner, clips, rows = learner_of_six_videos("instance", dataclasses.replace(tiny, bank_momentum=0.25))
    bank, old = learner.bank, learner.bank.rows.clone()
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(learner.model(clips), dim=1)  # in training mode, as in the step
        exponents = embeddings @ old.T / 0.07
        expected = (exponents.logsumexp(1) - exponents[torch.arange(4), rows]).sum()
    loss, _, norm = learner.step(clips, rows, 0, 0).tolist()
    gradients = torch.cat([weight.grad.flatten() for weight in learner.model.parameters()])
    assert norm == pytest.approx(float(gradients.norm()), rel=1e-5)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    updated = torch.nn.functional.normalize(0.25 * old[rows] + 0.75 * embeddings, dim=1)
    torch.testing.assert_close(bank.rows[rows], updated)
    assert torch.equal(bank.rows[[1, 3]], old[[1, 3]])


@pytest.mark.parametrize("size", [1, 4, 5, 6, 4096])
@pytest.mark.parametrize("objective", ["instance", "local_aggregation"])
def test_step_small_bank_gives_the_exact_loss(tiny, objective, size):
    """With six videos, five negatives or six neighbours are all that exist. More are the same."""
    labels = torch.tensor([[0, 0, 1, 1, 2, 2]])
    settings = dataclasses.replace(tiny, negatives=size, neighbours=size)
    learner, clips, rows = learner_of_six_videos(objective, settings, labels)
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(learner.model(clips), dim=1).double()
    terms = (embeddings @ learner.bank.rows.T.double() / 0.07).exp()
    close = (
        labels[0] == labels[0][rows][:, None]
        if objective == "local_aggregation"
        else torch.tensor(rows)[:, None] == torch.arange(6)
    )
    exact = -((terms * close).sum(1) / terms.sum(1)).log().mean()
    loss = float(learner.step(clips, rows, 0, 0)[0]) / 4
    if size >= (6 if objective == "local_aggregation" else 5):
        assert loss == pytest.approx(float(exact), rel=1e-4)
    else:
        assert math.isfinite(loss) and loss != pytest.approx(float(exact), rel=1e-4)


@pytest.mark.parametrize("objective", ["instance", "local_aggregation", "supervised"])
def test_step_micro_batches_give_the_same_gradients_without_batch_norm(tiny, objective):
    """Batch norm is left out, because it depends on the clips of a pass."""

    def step_of(micro_batch: int) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(0)
        model = ResNet3D(10, 16, 0.125)
        for name, module in list(model.named_modules()):
            if isinstance(module, torch.nn.BatchNorm3d):
                model.set_submodule(name, torch.nn.Identity())
        settings = dataclasses.replace(tiny, precision="float32", micro_batch=micro_batch, negatives=4, neighbours=5)
        bank = MemoryBank([f"v{n}" for n in range(9)], 16, seed=0)
        targets = Targets(classes=torch.arange(9) % 3, fixed=torch.arange(9)[None] % 4)
        learner = Learner(objective, model, bank, settings, seed=0, targets=targets)
        learner.start_epoch(0)
        clips = torch.randn(7, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))
        sums = learner.step(clips, [8, 4, 0, 2, 5, 1, 3], 0, 0)
        gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        return sums, torch.cat(gradients), bank.rows

    for whole, parts in zip(step_of(7), step_of(3), strict=True):
        assert float((whole - parts).norm()) < 1e-5 * float(whole.norm())


@pytest.mark.parametrize(("clip_length", "crop_size"), [(64, 112), (16, 224), (7, 77)])
def test_clips_per_pass_auto_keeps_every_array_below_2_to_the_31(clip_length, crop_size):
    n_clips = clips_per_pass(PretrainingSettings(clip_length=clip_length, crop_size=crop_size))
    with torch.device("meta"):
        clip = torch.empty(1, 3, clip_length, crop_size, crop_size)
        largest = max(clip.numel(), ResNet3D(18, 128).conv1(clip).numel())
    assert n_clips * largest < 2**31 <= (n_clips + 1) * largest


def test_clips_per_pass_the_papers_batch_of_16_frames_is_one_pass():
    assert clips_per_pass(PretrainingSettings()) >= PretrainingSettings().batch_size
    assert clips_per_pass(PretrainingSettings(micro_batch=32)) == 32


@pytest.mark.parametrize(
    ("cpu", "faster"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "AMD Zen4", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "AMD Zen2"}, False),
        ({}, False),
    ],
)
def test_is_bfloat16_faster_knows_the_processors(cpu, faster, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    assert is_bfloat16_faster(torch.device("cpu")) == faster
