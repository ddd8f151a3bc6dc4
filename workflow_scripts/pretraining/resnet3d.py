"""The 3D ResNet of Hara, Kataoka and Satoh (CVPR 2018), reference [14] of the paper, with basic blocks.

Stem: 7x7x7 convolution with stride 1 in time and 2 in space, 3x3x3 max-pool with stride 2 in all three; four stages of
3x3x3 blocks with 64, 128, 256 and 512 channels, strides 1, 2, 2, 2 in time and space; mean over what is left; one
linear layer. Where the shape changes, shortcuts are of type B, 1x1x1 convolutions, as in the paper and the weights of
Hara et al. of 2020; or of type A, without weights, as in theirs of 2018 (resnet-18-kinetics.pth). Modules are named as
in those files (conv1, bn1, layer1.0.conv1, ..., layer2.0.downsample.0, fc), so that they load by name.
"""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # blocks per stage


class Conv3d(nn.Conv3d):
    """torch's convolution, never in bfloat16 on a CPU where a map is smaller than the kernel.

    There the weight gradient of oneDNN (torch 2.13) reads beyond the map, with channels innermost: it is another at
    every call, at times not a number.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cpu and any(extent < kernel for extent, kernel in zip(x.shape[2:], self.kernel_size, strict=True)):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.to(self.weight.dtype))
        return super().forward(x)


class PaddedShortcut(nn.Module):
    """Type A: every `stride`-th value in time and space, and zeros for the channels that are more."""

    def __init__(self, more_channels: int, stride: int) -> None:
        super().__init__()
        self.more_channels, self.stride = more_channels, stride

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, T, H, W) -> (B, C, T', H', W')
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.more_channels))


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
    """Clips (B, 3, T, H, W), values 0..255 minus the mean, to (B, outputs): an embedding (not normalised) or logits.

    `depth` is 10, 18 or 34 and `shortcut` A or B (ValueError otherwise); `width` multiplies all channel numbers. The
    weights are drawn from torch's global generator: seed it before.
    """

    def __init__(self, depth: int, outputs: int, width: float = 1.0, shortcut: str = "B") -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(
                f"there is no 3D ResNet of depth {depth} here; choose one of {', '.join(map(str, BLOCKS))}"
            )
        if shortcut not in ("A", "B"):
            raise ValueError(f"there is no shortcut of type {shortcut!r} here; choose A or B")
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
            if isinstance(module, nn.Conv3d):  # as Hara et al.; batch norm and linear layers keep torch's defaults
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def n_features(self) -> int:
        """Length of `features`: 512 times the width."""
        return self.fc.in_features

    def features(self, x: Tensor) -> Tensor:  # (B, 3, T, H, W) -> (B, n_features)
        """What the last stage gives, averaged over time and space: the input of the head."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, T, H, W) -> (B, outputs)
        return self.fc(self.features(x))


def load_backbone(model: ResNet3D, state_dict: Mapping[str, Tensor], *, head: bool = False) -> None:
    """Copies weights into `model` by name: all but the head `fc`, or with `head` that too.

    Takes what `matching_weights` takes, and raises what it raises.
    """
    model.load_state_dict(matching_weights(model, state_dict, head=head), strict=False)


def matching_weights(model: ResNet3D, state_dict: Mapping[str, Tensor], *, head: bool = False) -> dict[str, Tensor]:
    """The weights by the names that they have in `model`: all but the head `fc`, or with `head` that too.

    Takes state dicts of this class, of Hara et al. and of the paper's authors: a prefix `module.` (DataParallel) is
    dropped. Raises ValueError naming the weights when one of the model's is missing or of another shape, or when
    something else than a head is left over: then it is another network.
    """
    given = {name.removeprefix("module."): weight for name, weight in state_dict.items()}
    given = {name: weight for name, weight in given.items() if head or not name.startswith("fc.")}
    wanted = {name: weight for name, weight in model.state_dict().items() if head or not name.startswith("fc.")}
    # Checkpoints of the time before torch 0.4.1 do not count batches; nothing here uses the count.
    wrong = {name for name in wanted if name not in given and not name.endswith("num_batches_tracked")}
    wrong |= given.keys() - wanted.keys()
    wrong |= {name for name in given.keys() & wanted.keys() if given[name].shape != wanted[name].shape}
    if wrong:
        raise ValueError(
            f"these weights are of another network: {len(wrong)} of {len(wanted)} do not match by name and shape "
            f"({', '.join(sorted(wrong)[:4])} ...); depth, width and shortcut must be those it was trained with"
        )
    return given


def weights_digest(state_dict: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits of the weights' bytes."""
    content = hashlib.blake2b(digest_size=8)
    for weight in state_dict.values():
        content.update(weight.cpu().numpy().tobytes())
    return content.hexdigest()


def normalised(embeddings: Tensor) -> Tensor:  # (B, D) -> (B, D)
    """Rows of unit length in float32, whatever the network computed in."""
    return functional.normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), dim=1)
