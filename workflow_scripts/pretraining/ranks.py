"""The processes that train one model together, one per GPU, as `torchrun --standalone` starts them on one node.

Element i of a batch belongs to process i mod W. DistributedDataParallel averages the gradients. The memory bank and the
clusters are the same in all processes: each receives every embedding of the batch, and they share the clusterings among
them. Batch norm computes its statistics over each process' own clips; the running statistics of process 0 are saved.
Only process 0 writes and reports.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from workflow_scripts.ground.devices import best_device

# How long processes wait for one that clusters, validates or writes to a slow disk. PyTorch's ten minutes on a GPU are
# too short. torchrun notices a process that fails at once.
TIMEOUT = timedelta(hours=12)

Batch = TypeVar("Batch", list[int], Tensor)


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size`. A single process, the default, exchanges nothing."""

    rank: int = 0
    size: int = 1

    def local_part(self, batch: Batch) -> Batch:
        """This process' elements of a batch."""
        return batch[self.rank :: self.size]

    def wrap_ddp(self, model: nn.Module) -> nn.Module:
        """`model` such that the backward pass averages the gradients of all processes."""
        if self.size == 1:
            return model
        # The channels of a 1x1x1 kernel are innermost in either layout, about which PyTorch warns.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def all_gather(self, rows: Tensor, n: int) -> Tensor:
        """Rows (n, D) of a whole batch in its order, from every process' part; without a gradient."""
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
    """This process among those that torchrun started, and its device: a GPU of its own, or the CPU."""
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
