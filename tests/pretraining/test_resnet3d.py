"""The network: its shapes, gradients, and loading of published weights by name."""

import pytest
import torch
from published_checkpoints import published_state

from workflow_scripts.pretraining.resnet3d import PaddedShortcut, ResNet3D, load_backbone


@pytest.mark.parametrize(("depth", "blocks"), [(10, (1, 1, 1, 1)), (18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_load_backbone_published_checkpoints(depth, blocks):
    """Saved by DataParallel before torch 0.4.1, with a head of 400 classes."""
    with torch.device("meta"):
        model = ResNet3D(depth, 128)
    model = model.to_empty(device="cpu")
    published = {name.removeprefix("module."): w for name, w in published_state("B", 400, blocks=blocks).items()}
    load_backbone(model, published)
    state = model.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in published.items() if not name.startswith("fc."))
    assert {name for name in state if not name.endswith("num_batches_tracked")} == set(published)


def test_load_backbone_with_head():
    model, other = ResNet3D(10, 16, width=0.125), ResNet3D(10, 16, width=0.125)
    load_backbone(model, other.state_dict())
    assert not torch.equal(model.fc.weight, other.fc.weight)
    load_backbone(model, other.state_dict(), head=True)
    assert torch.equal(model.fc.weight, other.fc.weight)


@pytest.mark.parametrize("other", [ResNet3D(18, 16, width=0.125), ResNet3D(10, 16, width=0.25)])
def test_load_backbone_of_another_network_is_an_error(other):
    with pytest.raises(ValueError, match=r"another network"):
        load_backbone(ResNet3D(10, 16, width=0.125), other.state_dict())
    with pytest.raises(ValueError, match="depth 50"):
        ResNet3D(50, 16)


@pytest.mark.parametrize(("frames", "size"), [(16, 112), (8, 32), (5, 20), (64, 56)])
def test_resnet3d_output_shape(frames, size):
    model = ResNet3D(10, 7, width=0.125).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, frames, size, size)).shape == (2, 7)
        assert model.features(torch.zeros(2, 3, frames, size, size)).shape == (2, model.n_features) == (2, 64)


def test_resnet3d_stage_shapes():
    model = ResNet3D(10, 7, width=0.125).eval()
    shapes = []
    for module in (model.conv1, model.maxpool, model.layer1, model.layer2, model.layer3, model.layer4):
        module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        model(torch.zeros(1, 3, 16, 112, 112))
    assert shapes == [(8, 16, 56, 56), (8, 8, 28, 28), (8, 8, 28, 28), (16, 4, 14, 14), (32, 2, 7, 7), (64, 1, 4, 4)]


@pytest.mark.parametrize(
    ("frames", "size"), [(16, 48), (8, 32), (4, 17), pytest.param(16, 112, marks=pytest.mark.slow)]
)
def test_resnet3d_bfloat16_gradients_agree_with_float32(frames, size):
    """A kernel that reads beyond a small input gives wrong values in some calls only, so the test repeats calls."""
    torch.manual_seed(0)
    model = ResNet3D(10, 4, 0.125).eval()  # batch statistics of three clips would amplify rounding errors
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


def test_padded_shortcut_subsamples_and_adds_zeros():
    x = torch.randn(2, 3, 5, 6, 7)
    y = PaddedShortcut(4, 2)(x)
    assert y.shape == (2, 7, 3, 3, 4)
    assert torch.equal(y[:, :3], torch.nn.functional.avg_pool3d(x, 1, 2)) and not y[:, 3:].any()
    torch.manual_seed(0)
    model = ResNet3D(10, 4, 0.125, "A")
    assert not any("downsample" in name for name in model.state_dict())
    model(torch.randn(2, 3, 8, 32, 32)).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
    with pytest.raises(ValueError, match="shortcut of type 'C'"):
        ResNet3D(10, 4, shortcut="C")
