"""Chooses the device that a stage computes on. It needs only torch."""

import torch


def best_device(gpu: int = 0) -> torch.device:
    """Returns GPU number `gpu`, or the CPU if the machine has no GPU."""
    return torch.device("cuda", gpu) if torch.cuda.is_available() else torch.device("cpu")
