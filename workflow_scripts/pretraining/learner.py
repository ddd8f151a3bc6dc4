"""What is learned in a run, and one step of learning it: network, optimizer, memory bank and clusters."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.clusterings import cluster_points, joint_space
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import draw_negatives, instance_loss, local_aggregation_loss
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings


def learning_rate(settings: PretrainingSettings, epoch: int) -> float:
    """The rate of an epoch (from 0): `lr`, multiplied by `lr_gamma` at each of `drops` that has come."""
    return settings.lr * settings.lr_gamma ** sum(epoch >= drop for drop in settings.lr_milestones)


def make_optimizer(model: ResNet3D, settings: PretrainingSettings) -> torch.optim.SGD:
    """SGD with momentum; weight decay on everything but batch norm's scales and shifts."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = []
    for module in model.modules():
        kept = free if isinstance(module, torch.nn.BatchNorm3d) else decayed
        kept.extend(module.parameters(recurse=False))
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    fused = decayed[0].is_cuda  # one kernel for all weights; on a CPU it is no faster
    return torch.optim.SGD(
        groups, lr=settings.lr, momentum=settings.momentum, dampening=settings.dampening, fused=fused
    )


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which convolutions take `precision`; auto: bfloat16 where the device has instructions for it."""
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = torch.cpu.get_capabilities().get("avx512_bf16", False)
        precision = "bfloat16" if native else "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class Learner:
    """The state of one run. `objective` is instance, local_aggregation or supervised.

    `classes` (N,) int64 of the videos are used by the supervised objective alone. `fixed` (m, N) are clusters that
    never change (idt); without them they are those of the bank (network), or of the bank beside `sketches` (joint).
    With several `ranks` each process learns from its share of a batch, and all hold the same state.
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
        ranks: Ranks | None = None,
    ) -> None:
        self.objective, self.settings, self.seed = objective, settings, seed
        self.ranks = ranks or Ranks()
        self.device = next(model.parameters()).device
        self.model = model
        for weight in model.parameters():
            if weight.dim() == 5:  # channels innermost, as the clips are: convolutions in bfloat16 want it
                weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        if settings.compile:
            self.model.compile()
        self.optimizer = make_optimizer(model, settings)
        self.network = self.ranks.together(model)
        self.bank = bank.to(self.device)
        self.ranks.broadcast(self.bank.rows)
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
            self.labels = self.fixed.to(self.device)
        else:
            points = self.bank.rows if self.sketches is None else joint_space(self.bank.rows, self.sketches)
            self.labels = cluster_points(points, self.settings, self.seed, epoch, self.ranks)

    def step(self, clips: Tensor, batch: list[int], epoch: int, step: int) -> Tensor:
        """Learns from one batch; (2,) float64 on the device: the sum of the clips' losses and, of the supervised
        objective, how many the class head got right. Waits for nothing that the device still computes.

        `batch` are the videos' rows in the bank, `clips` (B, 3, T, S, S) float32 this process' share of them.
        """
        # Of the whole batch; pinned, because a copy of other memory to a GPU may wait for what is computed there.
        rows = torch.tensor(batch, pin_memory=self.device.type == "cuda").to(self.device, non_blocking=True)
        own = self.ranks.share(rows)
        self.model.train()
        with autocast(self.settings.precision, self.device):
            outputs = self.network(clips)
        n_correct = torch.zeros((), device=self.device)
        if self.objective == "supervised":
            assert self.classes is not None
            outputs = outputs.float()
            loss = functional.cross_entropy(outputs, self.classes[own])
            n_correct = (outputs.argmax(1) == self.classes[own]).sum()
        else:
            embeddings = normalised(outputs)
            loss = self._unsupervised_loss(embeddings, rows, epoch, step)
        self.optimizer.zero_grad(set_to_none=True)
        # Processes are averaged with equal weights: a share of one clip more must count for more.
        (loss * (len(own) * self.ranks.size / len(rows))).backward()
        self.optimizer.step()
        if self.objective != "supervised":  # after the loss: a clip is compared with what its video was before
            every = self.ranks.gather(embeddings.detach(), len(rows))
            self.bank.update(rows, every, self.settings.bank_momentum)
        return self.ranks.add_up(torch.stack([loss.detach().double() * len(own), n_correct.double()]))

    def _unsupervised_loss(self, embeddings: Tensor, rows: Tensor, epoch: int, step: int) -> Tensor:
        settings, bank = self.settings, self.bank.rows
        own = self.ranks.share(rows)
        if self.objective == "local_aggregation":
            assert self.labels is not None
            return local_aggregation_loss(
                embeddings,
                bank,
                own,
                self.labels,
                temperature=settings.temperature,
                neighbours=settings.neighbours,
            )
        negatives = None  # all others, where there are not more than would be drawn
        if settings.negatives < len(bank) - 1:
            generator = torch.Generator(self.device)
            generator.manual_seed(int(digest(self.seed, "negatives", epoch, step), 16) >> 1)
            negatives = draw_negatives(rows, len(bank), settings.negatives, generator)
            negatives = self.ranks.share(negatives)
        return instance_loss(embeddings, bank, own, temperature=settings.temperature, negatives=negatives)

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
