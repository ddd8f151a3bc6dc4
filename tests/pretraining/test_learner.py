"""The optimizer and the training step."""

import dataclasses
import math

import pytest
import torch

from workflow_scripts.pretraining.learner import Learner, Targets, make_optimizer
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.resnet3d import ResNet3D


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
