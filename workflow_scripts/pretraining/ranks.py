"""Distributed training: one process per GPU of a node, started by `torchrun --standalone`.

Process r of W has the elements r, r + W, ... of a batch. DistributedDataParallel averages the gradients. Each process
receives all embeddings of a batch, so all have the same memory bank. Each computes some of the clusterings and
broadcasts them. Each process has batch norm statistics of its own clips; those of process 0 are saved. Only process 0
writes files and logs.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from workflow_scripts.ground.devices import best_device

# How long processes wait for one that clusters, validates or writes to a slow disk. PyTorch's default, ten minutes on a
# GPU, is too short. A failed process ends the run at once, because torchrun notices it.
TIMEOUT = timedelta(hours=12)

Batch = TypeVar("Batch", list[int], Tensor)


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size`. With one process, the default, all methods return their argument."""

    rank: int = 0
    size: int = 1

    def local_part(self, batch: Batch) -> Batch:
        """The elements of a batch that belong to this process."""
        return batch[self.rank :: self.size]

    def wrap_ddp(self, model: nn.Module) -> nn.Module:
        """The model in DistributedDataParallel, which averages the gradients of all processes in the backward pass."""
        if self.size == 1:
            return model
        # PyTorch warns because the strides of 1x1x1 kernels are ambiguous.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def no_sync(self, network: nn.Module) -> AbstractContextManager[None]:
        """The context in which a backward pass of the wrapped network adds to the gradients of this process alone."""
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def all_gather(self, rows: Tensor, n: int) -> Tensor:
        """The rows (n, D) of a whole batch, in its order, from the rows of each process; without gradient."""
        if self.size == 1:
            return rows
        padded = rows.new_zeros(-(-n // self.size), rows.shape[1])  # the parts differ by one row at most
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[:n]

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def broadcast(self, values: Tensor, source: int = 0) -> Tensor:
        """The `values` of process `source`, in place."""
        if self.size > 1:
            distributed.broadcast(values, src=source)
        return values


@contextmanager
def process_group() -> Iterator[tuple[Ranks, torch.device]]:
    """Joins the processes that torchrun started. Yields this one's rank and device: its own GPU, or the CPU."""
    device = best_device(int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks(), device
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size())
    if ranks.rank > 0:
        logging.disable(logging.WARNING)
    try:
        yield ranks, device
    finally:
        distributed.destroy_process_group()
