"""The number of CPU threads, which training and evaluation choose alike."""

from collections.abc import Mapping
from typing import Any

import torch

from workflow_scripts.pretraining.settings import useful_threads


def use_threads(device: torch.device, shape: Mapping[str, Any], batch_size: int) -> None:
    """Limits torch's threads to `useful_threads`. Does nothing for a GPU.

    Args:
        device: Where the network computes.
        shape: The keys depth, width, clip_length and crop_size of the network.
        batch_size: Clips per step.
    """
    if device.type == "cpu":
        network = {key: shape[key] for key in ("depth", "width", "clip_length", "crop_size")}
        torch.set_num_threads(min(torch.get_num_threads(), useful_threads(**network, batch_size=batch_size)))
