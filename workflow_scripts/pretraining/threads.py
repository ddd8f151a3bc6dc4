"""The CPU threads of every stage that runs a network: training and evaluation choose them alike."""

from collections.abc import Mapping
from typing import Any

import torch

from workflow_scripts.pretraining.settings import useful_threads


def use_threads(device: torch.device, shape: Mapping[str, Any], batch_size: int) -> None:
    """Lets torch compute in as many threads as a network gains from (`useful_threads`), at most those that it has.

    shape: depth, width, clip_length and crop_size of the network, among others; batch_size: clips of a
    step. Beside a GPU nothing changes.
    """
    if device.type == "cpu":
        own = {key: shape[key] for key in ("depth", "width", "clip_length", "crop_size")}
        torch.set_num_threads(min(torch.get_num_threads(), useful_threads(**own, batch_size=batch_size)))
