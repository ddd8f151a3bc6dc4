"""The device that a stage computes on. Imports torch alone."""

import torch


def best_device(gpu: int = 0) -> torch.device:
    """GPU number `gpu`, or the CPU of a machine without a GPU."""
    return torch.device("cuda", gpu) if torch.cuda.is_available() else torch.device("cpu")
