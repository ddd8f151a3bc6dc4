"""What is learned in a run, and one step of learning it: network, optimizer, memory bank and clusters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.identity import digest
from workflow_scripts.pretraining.clusterings import cluster, joint_space
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import draw_negatives, instance_loss, local_aggregation_loss
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings


def learning_rate(settings: PretrainingSettings, epoch: int) -> float:
    """The rate of an epoch (from 0): `lr`, multiplied by `drop_factor` at each of `drops` that has come."""
    return settings.lr * settings.drop_factor ** sum(epoch >= drop for drop in settings.drops)


def make_optimizer(model: ResNet3D, settings: PretrainingSettings) -> torch.optim.SGD:
    """SGD with momentum; weight decay on everything but batch norm's scales and shifts."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = []
    for module in model.modules():
        kept = free if isinstance(module, torch.nn.BatchNorm3d) else decayed
        kept.extend(module.parameters(recurse=False))
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)


class Learner:
    """The state of one run. `objective` is instance, local_aggregation or supervised.

    `classes` (N,) int64 of the videos are used by the supervised objective alone. `fixed` (m, N) are clusters that
    never change (idt); without them they are those of the bank (network), or of the bank beside `sketches` (joint).
    """

    def __init__(
        self,
        objective: str,
        model: ResNet3D,
        bank: MemoryBank,
        settings: PretrainingSettings,
        seed: int,
        *,
        classes: Tensor | None = None,
        fixed: Tensor | None = None,
        sketches: Tensor | None = None,
    ) -> None:
        self.objective, self.settings, self.seed = objective, settings, seed
        self.device = next(model.parameters()).device
        self.model = model
        self.optimizer = make_optimizer(model, settings)
        self.bank = bank.to(self.device)
        self.classes = None if classes is None else classes.to(self.device)
        self.sketches = None if sketches is None else sketches.to(self.device)
        self.fixed = fixed
        self.labels: Tensor | None = None  # (m, N) clusters in use

    def start_epoch(self, epoch: int) -> None:
        """Before the first step of an epoch: its learning rate, and its clusters from the bank as it is now."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, epoch)
        if self.objective != "local_aggregation":
            return
        if self.fixed is not None:
            labels = self.fixed
        else:
            points = self.bank.rows if self.sketches is None else joint_space(self.bank.rows, self.sketches)
            labels = cluster(points, self.settings, self.seed, epoch)
        self.labels = labels.to(self.device)

    def step(self, clips: Tensor, indices: Tensor, epoch: int, step: int) -> tuple[float, int]:
        """Learns from one batch; the mean loss of its clips, and how many the class head got right (supervised).

        `clips` (B, 3, T, S, S) float32 as `to_input` makes them, `indices` (B,) the videos' rows in the bank.
        """
        indices = indices.to(self.device)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            outputs = self.model(clips)
        n_correct = 0
        if self.objective == "supervised":
            assert self.classes is not None
            outputs = outputs.float()
            loss = functional.cross_entropy(outputs, self.classes[indices])
            n_correct = int((outputs.argmax(1) == self.classes[indices]).sum())
        else:
            embeddings = normalised(outputs)
            loss = self._unsupervised_loss(embeddings, indices, epoch, step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.objective != "supervised":  # after the loss: a clip is compared with what its video was before
            self.bank.update(indices, embeddings.detach(), self.settings.bank_momentum)
        return loss.item(), n_correct

    def _unsupervised_loss(self, embeddings: Tensor, indices: Tensor, epoch: int, step: int) -> Tensor:
        settings, bank = self.settings, self.bank.rows
        if self.objective == "local_aggregation":
            assert self.labels is not None
            return local_aggregation_loss(
                embeddings,
                bank,
                indices,
                self.labels,
                temperature=settings.temperature,
                neighbours=settings.neighbours,
            )
        negatives = None  # all others, where there are not more than would be drawn
        if settings.negatives < len(bank) - 1:
            generator = torch.Generator().manual_seed(int(digest(self.seed, "negatives", epoch, step), 16) >> 1)
            negatives = draw_negatives(indices, len(bank), settings.negatives, generator)
        return instance_loss(embeddings, bank, indices, temperature=settings.temperature, negatives=negatives)

    def state(self) -> dict[str, Any]:
        """All that changes while learning."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "bank": self.bank.rows,
            "labels": self.labels,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.bank.rows.copy_(state["bank"])
        self.labels = None if state["labels"] is None else state["labels"].to(self.device)


def knn_accuracy(rows: Tensor, labels: Sequence[str], neighbours: int = 5, queries: int = 2000) -> float:
    """Share of videos whose class wins among their nearest in the bank (cosine), each leaving itself out.

    A curve to look at while training; no run learns from it. At most `queries` evenly spaced rows are asked. With
    N rows of unit length, `rows` (N, D); 0..1.
    """
    names = sorted(set(labels))
    classes = torch.tensor([names.index(label) for label in labels], device=rows.device)
    asked = torch.arange(0, len(rows), max(1, -(-len(rows) // queries)), device=rows.device)
    cosines = rows[asked] @ rows.T
    cosines[torch.arange(len(asked)), asked] = -torch.inf
    near, which = cosines.topk(min(neighbours, len(rows) - 1), dim=1)
    # Ties between classes go to the nearer neighbours, by the weights of [46].
    votes = torch.zeros(len(asked), len(names), device=rows.device)
    votes.scatter_add_(1, classes[which], torch.exp(near / 0.07 - 1 / 0.07))
    return float((votes.argmax(1) == classes[asked]).float().mean())
