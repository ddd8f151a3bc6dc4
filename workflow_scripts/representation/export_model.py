"""`dtc export`: writes a trained network for other programs."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.ground.artifacts import replacing, write_text
from workflow_scripts.pretraining.inputs import MEAN
from workflow_scripts.pretraining.resnet3d import Conv3d, ResNet3D
from workflow_scripts.representation.embed_videos import CLIPS, Representation, usual_short_side

TIME_STRIDES = (2, 4, 8, 16)  # frames per value along time, after each stage of the network
Lengths = tuple[int, int | None]  # fewest and most frames of a clip; None: no limit

FILES = ("backbone.pt2", "backbone.pt", "preprocessing.json")


class Exported(nn.Module):
    """The exported module: it maps clips to features and the head's outputs."""

    def __init__(self, network: ResNet3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, T, S, S) to features (B, 512 x width) and the head's outputs (B, E)."""
        features = self.network.features(clips)
        return features, self.network.fc(features)


def export_model(model: Path, folder: Path) -> dict[Path, str]:
    """Writes the network of model.pt into `folder`, for use without this code.

    `backbone.pt2` is the network as torch.export writes it, for any number of clips. `backbone.pt` is its state dict,
    with the names of Hara et al. `preprocessing.json` describes the network's input, and how the vectors of `dtc embed`
    are computed from its output. Returns a description of each file.

    Raises StageError if model.pt is not a model, or the folder cannot be written.
    """
    representation = Representation.read(model)
    network = representation.network.cpu().float()
    for module in network.modules():
        if isinstance(module, Conv3d):
            module.__class__ = nn.Conv3d  # type: ignore[assignment]  # ours differs only for bfloat16 on a CPU
    program, lengths = _program(network, representation.architecture)
    description = preprocessing(representation, lengths)
    program_file, weights_file, preprocessing_file = (folder / name for name in FILES)
    with replacing(program_file) as file:
        torch.export.save(program, file)
    with replacing(weights_file) as file:
        torch.save(network.state_dict(), file)
    write_text(preprocessing_file, json.dumps(description, indent=1) + "\n")
    length = f"{lengths[0]} to {lengths[1]} frames" if lengths[1] else f"{lengths[0]} frames or more"
    return {
        program_file: f"the network for torch.export.load, any number of clips of {length}",
        weights_file: "its weights, a state dict",
        preprocessing_file: "its input, and how the vectors of `dtc embed` are computed from its output",
    }


def _program(network: ResNet3D, architecture: Architecture) -> tuple[torch.export.ExportedProgram, Lengths]:
    """The exported network, for any number of clips, and the numbers of frames that a clip may have."""
    trained = architecture.clip_length
    clips = (torch.zeros(2, 3, trained, architecture.crop_size, architecture.crop_size),)
    batch = {0: torch.export.Dim("batch", min=1)}
    # torch.export specialises on whether a stage outputs one frame or several, which limits the number of frames.
    least = 1 + max((stride for stride in TIME_STRIDES if stride < trained), default=0)
    most = min((stride for stride in TIME_STRIDES if trained <= stride), default=None)
    try:
        free = {"clips": {**batch, 2: torch.export.Dim("frames", min=least, max=most)}}
        program = torch.export.export(
            Exported(network), clips, dynamic_shapes=free, prefer_deferred_runtime_asserts_over_guards=True
        )
        return program, (least, most)
    except (torch._dynamo.exc.UserError, ValueError):
        fixed = {"clips": batch}
        return torch.export.export(Exported(network), clips, dynamic_shapes=fixed), (trained, trained)


def preprocessing(representation: Representation, lengths: Lengths) -> dict[str, Any]:
    """The steps from a video file to the vectors of `dtc embed`: values as numbers, rules as sentences."""
    network, architecture = representation.network, representation.architecture
    frames = FramesSettings(short_side=usual_short_side(architecture.crop_size))
    head = "embedding" if representation.has_embedding else "logits"
    vectors = {"features": "the mean over the clips, divided by its Euclidean norm"}
    if representation.has_embedding:
        vectors["embedding"] = (
            "that of each clip divided by its Euclidean norm; their mean over the clips, divided by its Euclidean norm"
        )
    return {
        "steps": "frames, stored, clips, input, network, vectors: each takes the output of the one before",
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
            "interval": architecture.frame_interval,
            "span": "(frames - 1) * interval + 1",
            "start": "of clip i = 0, 1, ...: floor(max(length of the video - span, 0) * (2 i + 1) / (2 number))",
            "frame": "t = 0, 1, ... of a clip: start + t * interval",
            "short_videos": "past its end a video starts again from its first frame",
        },
        "input": {
            "shape": ["clips", 3, "frames", architecture.crop_size, architecture.crop_size],
            "side": architecture.crop_size,
            "crop": "the largest centre square: top and left are floor((height or width - shorter side) / 2)",
            "resizing": "to side x side, bilinear, antialiased, in float32, not rounded",
            "mean": list(MEAN),
            "values": "float32, RGB of 0..255, mean subtracted",
        },
        "network": {
            "clips": "any number",
            "least_frames": lengths[0],
            "most_frames": lengths[1],
            "outputs": ["features", head],
            "sizes": {"features": network.n_features, head: network.fc.out_features},
            "depth": architecture.depth,
            "width": architecture.width,
            "shortcut": architecture.shortcut,
        },
        "vectors": vectors,
    }
