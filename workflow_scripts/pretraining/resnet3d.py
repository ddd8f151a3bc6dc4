"""The 3D ResNet of Hara, Kataoka and Satoh (CVPR 2018), reference [14] of the paper, with basic blocks.

Stem: 7x7x7 convolution with stride 1 in time and 2 in space, 3x3x3 max-pool with stride 2 in time and space. Four
stages of 3x3x3 blocks with 64, 128, 256 and 512 channels, strides 1, 2, 2, 2 in time and space. Mean over time and
space. One linear layer. Shortcuts that change the shape are of type B (1x1x1 convolutions, as in the paper and in the
weights that Hara et al. published in 2020) or of type A (without weights, as in resnet-18-kinetics.pth of 2018).
Modules have the names of these files (conv1, bn1, layer1.0.conv1, ..., layer2.0.downsample.0, fc).
"""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # blocks per stage


class Conv3d(nn.Conv3d):
    """A convolution that uses float32 on a CPU if the input is smaller than the kernel.

    In bfloat16 with channels innermost, the weight gradient of oneDNN (torch 2.13) reads beyond such an input. It
    differs between calls and is sometimes not a number.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cpu and any(extent < kernel for extent, kernel in zip(x.shape[2:], self.kernel_size, strict=True)):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.to(self.weight.dtype))
        return super().forward(x)


class PaddedShortcut(nn.Module):
    """Shortcut of type A: every `stride`-th value in time and space, and zeros for the additional channels."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, T, H, W) -> (B, C, T', H', W')
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.new_channels))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions around a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, shortcut: str = "B") -> None:
        super().__init__()
        self.conv1 = Conv3d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.conv2 = Conv3d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(channels)
        self.downsample: nn.Module | None = None
        if stride == 1 and channels_in == channels:
            return
        if shortcut == "A":
            self.downsample = PaddedShortcut(channels - channels_in, stride)
        else:
            convolution = Conv3d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm3d(channels))

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, T, H, W) -> (B, C, T', H', W')
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(x)) + shortcut, inplace=True)


class ResNet3D(nn.Module):
    """Maps clips (B, 3, T, H, W) of 0..255 minus the mean to embeddings (not normalised) or logits (B, outputs).

    Torch's global generator draws the weights. Seed it before.

    Args:
        depth: 10, 18 or 34.
        outputs: Dimensions of an embedding, or classes.
        width: Factor on all numbers of channels.
        shortcut: A or B.

    Raises:
        ValueError: There is no such depth or shortcut.
    """

    def __init__(self, depth: int, outputs: int, width: float = 1.0, shortcut: str = "B") -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"a 3D ResNet cannot have depth {depth}; choose one of {', '.join(map(str, BLOCKS))}")
        if shortcut not in ("A", "B"):
            raise ValueError(f"there is no shortcut of type {shortcut!r}; choose A or B")
        channels = [max(1, round(base * width)) for base in (64, 128, 256, 512)]
        self.conv1 = Conv3d(3, channels[0], 7, (1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(channels[0])
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        stages = []
        for stage, n_blocks in enumerate(BLOCKS[depth]):
            inputs = [channels[max(stage - 1, 0)]] + [channels[stage]] * (n_blocks - 1)
            strides = [1 if stage == 0 else 2] + [1] * (n_blocks - 1)
            blocks = [BasicBlock(i, channels[stage], s, shortcut) for i, s in zip(inputs, strides, strict=True)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(channels[3], outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # like Hara et al.; batch norm and linear layers have torch's defaults
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                # The layout of the clips, which bfloat16 convolutions need
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)

    @property
    def n_features(self) -> int:
        """Dimensions of `features`: 512 times the width."""
        return self.fc.in_features

    def features(self, x: Tensor) -> Tensor:  # (B, 3, T, H, W) -> (B, n_features)
        """The output of the last stage, averaged over time and space: the input of the head."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, T, H, W) -> (B, outputs)
        return self.fc(self.features(x))


def load_backbone(model: ResNet3D, state_dict: Mapping[str, Tensor], *, head: bool = False) -> None:
    """Copies the weights that `matching_weights` returns into `model`."""
    model.load_state_dict(matching_weights(model, state_dict, head=head), strict=False)


def matching_weights(model: ResNet3D, state_dict: Mapping[str, Tensor], *, head: bool = False) -> dict[str, Tensor]:
    """Returns the weights with the names that `model` uses.

    Args:
        model: The network whose names and shapes of weights must match.
        state_dict: Weights of this class, of Hara et al. or of the paper's authors. The prefix `module.` is removed.
        head: Whether the head `fc` is included.

    Raises:
        ValueError: Weights are missing, of another shape or unknown, which the error names.
    """
    weights = {name.removeprefix("module."): weight for name, weight in state_dict.items()}
    weights = {name: weight for name, weight in weights.items() if head or not name.startswith("fc.")}
    expected = {name: weight for name, weight in model.state_dict().items() if head or not name.startswith("fc.")}
    # Checkpoints from before torch 0.4.1 do not count batches. Nothing here uses the count.
    wrong = {name for name in expected if name not in weights and not name.endswith("num_batches_tracked")}
    wrong |= weights.keys() - expected.keys()
    wrong |= {name for name in weights.keys() & expected.keys() if weights[name].shape != expected[name].shape}
    if wrong:
        raise ValueError(
            f"these weights belong to another network: {len(wrong)} of {len(expected)} do not match by name and shape "
            f"({', '.join(sorted(wrong)[:4])} ...); set depth, width and shortcut of that network"
        )
    return weights


def weights_digest(state_dict: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits of the weights' bytes."""
    content = hashlib.blake2b(digest_size=8)
    for weight in state_dict.values():
        content.update(weight.cpu().numpy().tobytes())
    return content.hexdigest()


def normalised(embeddings: Tensor) -> Tensor:  # (B, D) -> (B, D)
    """The rows scaled to unit length, in float32 or float64."""
    return functional.normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), dim=1)
