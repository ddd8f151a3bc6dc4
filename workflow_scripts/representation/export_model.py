"""`dtc export`: a trained network for programs that know nothing of this one."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_scripts.artifacts import replacing, write_text
from workflow_scripts.pretraining.augmentation import SCALES
from workflow_scripts.pretraining.inputs import MEAN
from workflow_scripts.pretraining.resnet3d import Conv3d, ResNet3D
from workflow_scripts.representation.embed_videos import Representation


class Exported(nn.Module):
    """What is exported: clips in, features and head out."""

    def __init__(self, network: ResNet3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, T, S, S) to features (B, 512 x width) and the head's outputs (B, E)."""
        features = self.network.features(clips)
        return features, self.network.fc(features)


def export_model(model: Path, folder: Path) -> None:
    """Writes into `folder`: the network of model.pt as `backbone.pt2` (torch.export, any number of clips), its weights
    as `backbone.pt` (a plain state dict, named as those of Hara et al.), and `preprocessing.json`: what it is fed.

    Raises StageError where model.pt is not one, or the folder cannot be written.
    """
    representation = Representation.read(model)
    network, architecture = representation.network.cpu().float(), representation.architecture
    for module in network.modules():
        if isinstance(module, Conv3d):
            module.__class__ = nn.Conv3d  # type: ignore[assignment]  # ours only minds bfloat16 on a CPU
    shape = (2, 3, architecture.clip_length, architecture.size, architecture.size)
    dynamic = {"clips": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(Exported(network), (torch.zeros(shape),), dynamic_shapes=dynamic)
    with replacing(folder / "backbone.pt2") as file:
        torch.export.save(program, file)
    with replacing(folder / "backbone.pt") as file:
        torch.save(network.state_dict(), file)
    described = {
        "input": "clips (batch, 3, frames, side, side), float32, RGB of 0..255 with the mean subtracted",
        "frames": architecture.clip_length,
        "side": architecture.size,
        "mean": MEAN,
        "resizing": "the largest centre square of each frame, by an antialiased bilinear filter (PIL's BILINEAR)",
        "largest_square": SCALES[0],
        "outputs": {
            "features": network.n_features,
            "embedding" if representation.has_embedding else "logits": network.fc.out_features,
        },
        "architecture": {"depth": architecture.depth, "width": architecture.width, "shortcut": architecture.shortcut},
    }
    write_text(folder / "preprocessing.json", json.dumps(described, indent=1) + "\n")
