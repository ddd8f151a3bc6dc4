"""The processes that train one model together, one a GPU, as `torchrun --standalone` starts them on one node.

Element i of a batch belongs to process i mod W. Gradients are averaged by DistributedDataParallel; the memory bank and
the clusters are the same in all processes: each gets every embedding of the batch, and they share the K-means runs.
Batch norm takes its statistics of each process' own clips, and its running ones are process 0's. Process 0 alone writes
and reports.
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

# How long processes wait for one of them, which clusters, asks the validation videos or writes to a slow disk: the ten
# minutes of torch on a GPU are too few. torchrun notices a process that fails at once.
PATIENCE = timedelta(hours=12)

Batch = TypeVar("Batch", list[int], Tensor)


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size`; alone by default, where nothing is exchanged."""

    rank: int = 0
    size: int = 1

    def share(self, batch: Batch) -> Batch:
        """This process' elements of a batch."""
        return batch[self.rank :: self.size]

    def together(self, model: nn.Module) -> nn.Module:
        """`model` such that gradients of all processes are averaged in backward."""
        if self.size == 1:
            return model
        # A 1x1x1 kernel has its channels innermost either way; torch wonders which (and no more).
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def gather(self, rows: Tensor, n: int) -> Tensor:
        """Rows (n, D) of a whole batch in its order, from every process' share of them; no gradient passes."""
        if self.size == 1:
            return rows
        padded = rows.new_zeros(-(-n // self.size), rows.shape[1])  # shares differ by one row at most
        padded[: len(rows)] = rows
        shares = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(shares, padded)
        return torch.stack(shares, dim=1).flatten(0, 1)[:n]

    def add_up(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def broadcast(self, values: Tensor, source: int = 0) -> Tensor:
        """`values` as process `source` has them, in place."""
        if self.size > 1:
            distributed.broadcast(values, src=source)
        return values


@contextmanager
def joined_ranks() -> Iterator[tuple[Ranks, torch.device]]:
    """This process among those that torchrun started, and its device: a GPU of its own, or the CPU."""
    place = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", place) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks(), device
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size())
    if ranks.rank > 0:
        logging.disable(logging.WARNING)
    try:
        yield ranks, device
    finally:
        distributed.destroy_process_group()
