"""Checkpoints with the format of the published ones."""

from collections import OrderedDict

import torch


def published_state(
    shortcut: str, outputs: int, *, blocks: tuple[int, ...] = (2, 2, 2, 2), width: float = 1.0, counts: bool = False
) -> OrderedDict[str, torch.Tensor]:
    """A random state dict with the names and shapes of the published ones, from their description.

    Names have the prefix `module.` (DataParallel). `counts` adds batch norm's count of batches, as torch does since
    0.4.1.
    """
    random = torch.Generator().manual_seed(len(blocks) + outputs)
    state: OrderedDict[str, torch.Tensor] = OrderedDict()

    def convolution(name: str, outgoing: int, incoming: int, side: int) -> None:
        spread = (2 / (incoming * side**3)) ** 0.5
        state[f"module.{name}.weight"] = spread * torch.randn(outgoing, incoming, *[side] * 3, generator=random)

    def norm(name: str, channels: int) -> None:
        for part, lowest in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            state[f"module.{name}.{part}"] = lowest + torch.rand(channels, generator=random)
        if counts:
            state[f"module.{name}.num_batches_tracked"] = torch.tensor(1000)

    channels = [round(width * base) for base in (64, 64, 128, 256, 512)]
    convolution("conv1", channels[0], 3, 7)
    norm("bn1", channels[0])
    for stage, n_blocks in enumerate(blocks, start=1):
        for block in range(n_blocks):
            name, before = f"layer{stage}.{block}", channels[stage - (block == 0)]
            convolution(f"{name}.conv1", channels[stage], before, 3)
            norm(f"{name}.bn1", channels[stage])
            convolution(f"{name}.conv2", channels[stage], channels[stage], 3)
            norm(f"{name}.bn2", channels[stage])
            if before != channels[stage] and shortcut == "B":
                convolution(f"{name}.downsample.0", channels[stage], before, 1)
                norm(f"{name}.downsample.1", channels[stage])
    state["module.fc.weight"] = 0.1 * torch.randn(outputs, channels[4], generator=random)
    state["module.fc.bias"] = torch.zeros(outputs)
    return state


def hara_2018(state: dict[str, torch.Tensor]) -> dict[str, object]:
    """A checkpoint as Hara et al. published it in 2018."""
    momenta = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.001, "params": [0]}]}
    return {"epoch": 200, "arch": "resnet-18", "state_dict": state, "optimizer": momenta}
