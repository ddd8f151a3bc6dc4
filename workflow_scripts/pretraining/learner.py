"""The state of a training run (network, optimizer, memory bank and clusters), and its training step."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.pretraining.clusterings import cluster_points, joint_space
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.objectives.batch import Batch
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings


def learning_rate(settings: PretrainingSettings, epoch: int) -> float:
    """The learning rate of an epoch (from 0): `lr` times `lr_gamma` per milestone up to this epoch."""
    return settings.lr * settings.lr_gamma ** sum(epoch >= milestone for milestone in settings.lr_milestones)


def make_optimizer(model: ResNet3D, settings: PretrainingSettings) -> torch.optim.SGD:
    """SGD with momentum. Weight decay applies to all parameters except those of batch norm."""
    decayed: list[torch.nn.Parameter] = []
    not_decayed: list[torch.nn.Parameter] = []
    for module in model.modules():
        group = not_decayed if isinstance(module, torch.nn.BatchNorm3d) else decayed
        group.extend(module.parameters(recurse=False))
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": not_decayed, "weight_decay": 0.0}]
    fused = decayed[0].is_cuda  # no faster on a CPU
    return torch.optim.SGD(
        groups, lr=settings.lr, momentum=settings.momentum, dampening=settings.dampening, fused=fused
    )


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which convolutions use `precision`. auto is bfloat16 if the device has instructions for it."""
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = torch.cpu.get_capabilities().get("avx512_bf16", False)
        precision = "bfloat16" if native else "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@dataclass(frozen=True)
class Targets:
    """The inputs of a run besides the clips and the bank. N videos, m clusterings."""

    classes: Tensor | None = None  # (N,) int64, for an objective that needs labels
    fixed: Tensor | None = None  # (m, N) clusters that do not change during training (idt)
    sketches: Tensor | None = None  # (N, S), concatenated with the bank for clustering (joint)


class Learner:
    """The state of one run, whose `objective` is a name in OBJECTIVES.

    If the objective needs clusters, `targets.fixed` holds them (idt), or the bank (network) or the bank concatenated
    with `targets.sketches` (joint) is clustered before every epoch. With several `ranks`, each process learns from its
    part of a batch, and all hold the same state.
    """

    def __init__(
        self,
        objective: str,
        model: ResNet3D,
        bank: MemoryBank,
        settings: PretrainingSettings,
        seed: int,
        *,
        targets: Targets | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.objective, self.settings, self.seed = OBJECTIVES[objective], settings, seed
        self.loss = import_module(f"workflow_scripts.pretraining.objectives.{objective}").loss
        self.ranks = ranks or Ranks()
        self.device = next(model.parameters()).device
        self.model = model
        for weight in model.parameters():
            if weight.dim() == 5:  # channels innermost, as bfloat16 convolutions need
                weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        if settings.compile:
            self.model.compile()
        self.optimizer = make_optimizer(model, settings)
        self.network = self.ranks.wrap_ddp(model)
        self.bank = bank.to(self.device)
        self.ranks.broadcast(self.bank.rows)
        targets = targets or Targets()
        self.classes = None if targets.classes is None else targets.classes.to(self.device)
        self.sketches = None if targets.sketches is None else targets.sketches.to(self.device)
        self.fixed = targets.fixed
        self.labels: Tensor | None = None  # (m, N) clusters in use

    def start_epoch(self, epoch: int) -> None:
        """Sets the learning rate of an epoch, and the clusters where the objective needs them."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, epoch)
        if not self.objective.clusters:
            return
        if self.fixed is not None:
            self.labels = self.fixed.to(self.device)
        else:
            points = self.bank.rows if self.sketches is None else joint_space(self.bank.rows, self.sketches)
            self.labels = cluster_points(points, self.settings, self.seed, epoch, self.ranks)

    def step(self, clips: Tensor, batch: list[int], epoch: int, step: int) -> Tensor:
        """Trains on one batch without synchronising with the device.

        Args:
            clips: The part of the batch of this process, (B, 3, T, S, S) float32.
            batch: The rows of the videos in the bank, of the whole batch.
            epoch: Number of the epoch, from 0.
            step: Number of the step in the epoch, from 0.

        Returns:
            (3,) float64 on the device: the sum of the losses of the clips, the number of clips that the class head
            classified correctly (0 without one), and the norm of the gradient.
        """
        # Pinned, because a copy of pageable memory to a GPU may synchronise.
        rows = torch.tensor(batch, pin_memory=self.device.type == "cuda").to(self.device, non_blocking=True)
        local_rows = self.ranks.local_part(rows)
        self.model.train()
        with autocast(self.settings.precision, self.device):
            outputs = self.network(clips)
        outputs = outputs.float() if self.objective.class_head else normalised(outputs)
        random_key = (self.seed, epoch, step)
        loss: Tensor = self.loss(
            Batch(outputs, rows, self.bank.rows, self.classes, self.labels, self.settings, self.ranks, random_key)
        )
        self.optimizer.zero_grad(set_to_none=True)
        # DistributedDataParallel averages the processes with equal weights, but one may have a clip more.
        (loss * (len(local_rows) * self.ranks.size / len(rows))).backward()
        norm = torch.nn.utils.get_total_norm(
            [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        )
        self.optimizer.step()
        if self.objective.bank:  # after the loss, which uses the earlier embeddings
            embeddings = self.ranks.all_gather(outputs.detach(), len(rows))
            self.bank.update(rows, embeddings, self.settings.bank_momentum)
        n_correct = torch.zeros((), device=self.device)
        if self.objective.class_head and self.classes is not None:
            n_correct = (outputs.argmax(1) == self.classes[local_rows]).sum()
        sums = self.ranks.all_reduce(torch.stack([loss.detach().double() * len(local_rows), n_correct.double()]))
        return torch.cat([sums, norm.double()[None]])

    def state(self) -> dict[str, Any]:
        """Everything that changes during the training."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "bank": self.bank.rows,
            "labels": self.labels,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.bank.rows.copy_(state["bank"])
        self.labels = None if state["labels"] is None else state["labels"].to(self.device)
