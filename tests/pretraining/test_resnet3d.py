"""The network: shapes, names and sizes of the published one, and loading by name."""

import pytest
import torch

from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone


def published_names(blocks: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the checkpoints of Hara et al. (shortcut B), written down from their description."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7, 7)}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)

    norm("bn1", 64)
    before = 64
    for stage, n_blocks in enumerate(blocks):
        channels = 64 * 2**stage
        for block in range(n_blocks):
            name = f"layer{stage + 1}.{block}"
            shapes[f"{name}.conv1.weight"] = (channels, before, 3, 3, 3)
            shapes[f"{name}.conv2.weight"] = (channels, channels, 3, 3, 3)
            norm(f"{name}.bn1", channels)
            norm(f"{name}.bn2", channels)
            if before != channels:
                shapes[f"{name}.downsample.0.weight"] = (channels, before, 1, 1, 1)
                norm(f"{name}.downsample.1", channels)
            before = channels
    return shapes


@pytest.mark.parametrize(("depth", "blocks"), [(10, (1, 1, 1, 1)), (18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_published_checkpoints_load_by_name(depth, blocks):
    """As saved by DataParallel before torch 0.4.1, with a head of 400 classes."""
    with torch.device("meta"):
        model = ResNet3D(depth, 128)
    model = model.to_empty(device="cpu")
    shapes = published_names(blocks)
    generator = torch.Generator().manual_seed(0)
    published = {f"module.{name}": torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    published |= {"module.fc.weight": torch.zeros(400, 512), "module.fc.bias": torch.zeros(400)}
    load_backbone(model, published)
    state = model.state_dict()
    assert all(torch.equal(state[name], published[f"module.{name}"]) for name in shapes)
    assert {name for name in state if not name.endswith("num_batches_tracked")} == {
        *shapes,
        "fc.weight",
        "fc.bias",
    }


def test_head_is_loaded_when_asked_for():
    model, other = ResNet3D(10, 16, width=0.125), ResNet3D(10, 16, width=0.125)
    load_backbone(model, other.state_dict())
    assert not torch.equal(model.fc.weight, other.fc.weight)
    load_backbone(model, other.state_dict(), head=True)
    assert torch.equal(model.fc.weight, other.fc.weight)


@pytest.mark.parametrize("other", [ResNet3D(18, 16, width=0.125), ResNet3D(10, 16, width=0.25)])
def test_weights_of_another_network_are_refused(other):
    with pytest.raises(ValueError, match=r"another network"):
        load_backbone(ResNet3D(10, 16, width=0.125), other.state_dict())
    with pytest.raises(ValueError, match="depth 50"):
        ResNet3D(50, 16)


@pytest.mark.parametrize(("frames", "size"), [(16, 112), (8, 32), (5, 20), (64, 56)])
def test_any_clip_gives_one_row(frames, size):
    model = ResNet3D(10, 7, width=0.125).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, frames, size, size)).shape == (2, 7)
        assert model.features(torch.zeros(2, 3, frames, size, size)).shape == (2, model.n_features) == (2, 64)


def test_stem_halves_space_and_the_pool_all():
    model = ResNet3D(10, 7, width=0.125).eval()
    shapes = []
    for module in (model.conv1, model.maxpool, model.layer1, model.layer2, model.layer3, model.layer4):
        module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        model(torch.zeros(1, 3, 16, 112, 112))
    assert shapes == [(8, 16, 56, 56), (8, 8, 28, 28), (8, 8, 28, 28), (16, 4, 14, 14), (32, 2, 7, 7), (64, 1, 4, 4)]


@pytest.mark.parametrize(("frames", "size"), [(16, 48), (8, 32), (4, 17), (16, 112)])
def test_gradients_in_bfloat16_are_those_of_float32(frames, size):
    """At every size of map, time after time: a kernel that reads beyond a small one gives garbage now and then."""
    torch.manual_seed(0)
    model = ResNet3D(10, 4, 0.125).eval()  # statistics of three clips would magnify the rounding
    for weight in model.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
    clips = torch.randn(3, frames, size, size, 3).permute(0, 4, 1, 2, 3) * 60

    def gradient(enabled: bool) -> torch.Tensor:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = model(clips)
        outputs.float().square().sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    exact, fast = gradient(False), [gradient(True) for _ in range(4)]
    assert float((fast[0] - exact).norm() / exact.norm()) < 0.1
    assert all(torch.equal(fast[0], again) for again in fast)
