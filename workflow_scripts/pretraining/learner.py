"""The state of a training run (network, optimizer, memory bank and clusters), and its training step."""

import itertools
import math
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.pretraining.clusterings import cluster_points, joint_space
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.objectives.batch import Batch
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings, clips_per_pass


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
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        outputs, sums = [], torch.zeros(2, dtype=torch.float64, device=self.device)  # losses, correct clips
        parts = self._micro_batches(len(clips), len(rows))
        for number, part in enumerate(parts, start=1):
            # DistributedDataParallel adds up the gradients of the processes in the last backward pass only.
            with nullcontext() if number == len(parts) else self.ranks.no_sync(self.network):
                part_outputs, part_sums = self._accumulate(clips[part], rows, part, (self.seed, epoch, step))
            outputs.append(part_outputs)
            sums += part_sums
        norm = torch.nn.utils.get_total_norm(
            [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        )
        self.optimizer.step()
        if self.objective.bank:  # after the loss, which uses the earlier embeddings
            embeddings = self.ranks.all_gather(torch.cat(outputs), len(rows))
            self.bank.update(rows, embeddings, self.settings.bank_momentum)
        return torch.cat([self.ranks.all_reduce(sums), norm.double()[None]])

    def _micro_batches(self, n_clips: int, n_batch: int) -> list[slice]:
        """The parts of the clips of this process, as equal as possible; of one number in all processes.

        Batch norm needs two clips, so a part of three is not divided.
        """
        fewest, most = n_batch // self.ranks.size, math.ceil(n_batch / self.ranks.size)  # clips of a process
        n_parts = max(1, min(math.ceil(most / clips_per_pass(self.settings)), fewest // 2))
        ends = [n_clips * number // n_parts for number in range(n_parts + 1)]
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    def _accumulate(
        self, clips: Tensor, rows: Tensor, part: slice, random_key: tuple[int, int, int]
    ) -> tuple[Tensor, Tensor]:
        """Adds the gradient of a micro-batch.

        Args:
            clips: Those of the micro-batch.
            rows: Those of the whole batch.
            part: The place of the micro-batch among the clips of this process.
            random_key: Seed, epoch and step.

        Returns:
            The outputs, without gradient, and (2,) float64: the sum of the losses, and the number of correct clips.
        """
        ranks = self.ranks
        part_of_batch = slice(ranks.rank + ranks.size * part.start, ranks.rank + ranks.size * part.stop, ranks.size)
        with autocast(self.settings.precision, self.device):
            outputs = self.network(clips)
        outputs = outputs.float() if self.objective.class_head else normalised(outputs)
        batch = Batch(
            outputs, rows, self.bank.rows, self.classes, self.labels, self.settings, part_of_batch, random_key
        )
        loss: Tensor = self.loss(batch)
        # DistributedDataParallel averages the processes with equal weights, but one may have a clip more.
        (loss * (len(clips) * ranks.size / len(rows))).backward()
        n_correct = torch.zeros((), device=self.device)
        if self.objective.class_head and self.classes is not None:
            n_correct = (outputs.argmax(1) == self.classes[batch.own_rows]).sum()
        return outputs.detach(), torch.stack([loss.detach().double() * len(clips), n_correct.double()])

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
