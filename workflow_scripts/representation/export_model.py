"""`dtc export`: a trained network for programs that know nothing of this one."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.artifacts import replacing, write_text
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.pretraining.inputs import MEAN
from workflow_scripts.pretraining.resnet3d import Conv3d, ResNet3D
from workflow_scripts.representation.embed_videos import CLIPS, Representation, usual_short_side

FILES = ("backbone.pt2", "backbone.pt", "preprocessing.json")


class Exported(nn.Module):
    """What is exported: clips in, features and head out."""

    def __init__(self, network: ResNet3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, T, S, S) to features (B, 512 x width) and the head's outputs (B, E)."""
        features = self.network.features(clips)
        return features, self.network.fc(features)


def export_model(model: Path, folder: Path) -> dict[Path, str]:
    """Writes into `folder`: the network of model.pt as `backbone.pt2` (torch.export, any number of clips), its weights
    as `backbone.pt` (a plain state dict, named as those of Hara et al.), and `preprocessing.json`: what it is fed and
    how the vectors of `dtc embed` come from what it gives. Returns the files with what each is.

    Raises StageError where model.pt is not one, or the folder cannot be written.
    """
    representation = Representation.read(model)
    network = representation.network.cpu().float()
    for module in network.modules():
        if isinstance(module, Conv3d):
            module.__class__ = nn.Conv3d  # type: ignore[assignment]  # ours only minds bfloat16 on a CPU
    program, free_length = _program(network, representation.architecture)
    described = preprocessing(representation, free_length)
    program_file, weights_file, description = (folder / name for name in FILES)
    with replacing(program_file) as file:
        torch.export.save(program, file)
    with replacing(weights_file) as file:
        torch.save(network.state_dict(), file)
    write_text(description, json.dumps(described, indent=1) + "\n")
    length = "any number of frames" if free_length else f"{representation.architecture.clip_length} frames"
    return {
        program_file: f"the network for torch.export.load, any number of clips of {length}",
        weights_file: "its weights, a state dict",
        description: "what it is fed, and how the vectors of `dtc embed` come from what it gives",
    }


def _program(network: ResNet3D, architecture: Architecture) -> tuple[torch.export.ExportedProgram, bool]:
    """The exported network, and whether it takes clips of any length; where it cannot, they have the trained one."""
    shape = (2, 3, max(architecture.clip_length, 2), architecture.size, architecture.size)
    batch, frames = torch.export.Dim("batch", min=1), torch.export.Dim("frames", min=1)
    try:
        clips = (torch.zeros(shape),)
        return torch.export.export(Exported(network), clips, dynamic_shapes={"clips": {0: batch, 2: frames}}), True
    except (torch._dynamo.exc.UserError, ValueError):
        clips = (torch.zeros((*shape[:2], architecture.clip_length, *shape[3:])),)
        return torch.export.export(Exported(network), clips, dynamic_shapes={"clips": {0: batch}}), False


def preprocessing(representation: Representation, free_length: bool) -> dict[str, Any]:
    """From a video's file to the vectors of `dtc embed`, step by step: values as numbers, rules as sentences."""
    network, architecture = representation.network, representation.architecture
    frames = FramesSettings(short_side=usual_short_side(architecture.size))
    head = "embedding" if representation.has_embedding else "logits"
    vectors = {"features": "the mean over the clips, divided by its Euclidean norm"}
    if representation.has_embedding:
        vectors["embedding"] = (
            "that of each clip divided by its Euclidean norm; their mean over the clips, divided by its Euclidean norm"
        )
    return {
        "steps": "frames, stored, clips, input, network, vectors: each takes what the one before gives",
        "frames": "every frame of the video, upright, RGB, uint8 of 0..255",
        "stored": {
            "short_side": frames.short_side,
            "size": "the shorter side becomes short_side, the other round(side * short_side / shorter side)",
            "resizing": "bilinear, antialiased (torch.nn.functional.interpolate of uint8: mode bilinear, antialias)",
            "jpeg_quality": frames.jpeg_quality,
            "compression": "each frame is written as JPEG by OpenCV (4:2:0) and read again",
        },
        "clips": {
            "number": CLIPS,
            "frames": architecture.clip_length,
            "start": "of clip i = 0, 1, ...: floor(max(length of the video - frames, 0) * (2 i + 1) / (2 number))",
            "short_videos": "past its end a video starts again from its first frame",
        },
        "input": {
            "shape": ["clips", 3, "frames", architecture.size, architecture.size],
            "side": architecture.size,
            "crop": "the largest centre square: top and left are floor((height or width - shorter side) / 2)",
            "resizing": "to side x side, bilinear, antialiased, in float32, not rounded",
            "mean": list(MEAN),
            "values": "float32, RGB of 0..255, mean subtracted",
        },
        "network": {
            "clips": "any number",
            "frames": "any number" if free_length else architecture.clip_length,
            "outputs": ["features", head],
            "sizes": {"features": network.n_features, head: network.fc.out_features},
            "depth": architecture.depth,
            "width": architecture.width,
            "shortcut": architecture.shortcut,
        },
        "vectors": vectors,
    }
