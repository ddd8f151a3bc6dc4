"""`dtc embed`: what a trained network makes of videos, as vectors in one HDF5 file that can be searched.

A video's clips lie evenly over its length and are centre crops; its frames are resized and pass through JPEG as in the
frames stage, so that the network sees what it was trained on. Its vectors are means over the clips, of unit length:
`features` (512 x width), on which the paper's linear classifiers stand (4.4), and `embedding`, the space of the memory
bank, where the network has learned one.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import idt_tools
from idt_tools.commands.files import readable
from workflow_scripts.artifacts import dataset, write_hdf5
from workflow_scripts.evaluation.network import device, read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.identity import digest, video_id
from workflow_scripts.pretraining.augmentation import draw_even
from workflow_scripts.pretraining.dataset import DrawnClips, load_inputs
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised, weights_digest
from workflow_scripts.stage import StageError
from workflow_scripts.store import Result, file_stamp, process_shard
from workflow_scripts.videos.listing import video_files

VERSION = 1


@dataclass(frozen=True)
class Representation:
    """A trained network with its head, in evaluation mode, and what it is fed."""

    network: ResNet3D
    architecture: Architecture
    has_embedding: bool  # or its head tells classes
    digest: str  # of its weights

    @classmethod
    def read(cls, model: Path) -> "Representation":
        """The network of a model.pt, on the GPU if there is one. Raises StageError where the file is not one."""
        pretrained = read_pretrained(model, Architecture())
        assert pretrained.state_dict is not None
        network = pretrained.network(outputs=len(pretrained.state_dict["fc.bias"]), seed=0)
        load_backbone(network, pretrained.state_dict, head=True)
        weights = weights_digest(pretrained.state_dict)
        return cls(network.eval(), pretrained.architecture, pretrained.bank is not None, weights)

    @torch.no_grad()
    def vectors(self, store: FrameStore, name: str, clips: int) -> dict[str, np.ndarray]:
        """`features` (512 x width,) and, where there is one, `embedding` of a stored video: float32, of unit length."""
        drawn = DrawnClips(store, [name], self.architecture.clip_length, partial(draw_even, n_clips=clips))
        (inputs,) = load_inputs(drawn, [[0]], self.architecture.size, device())
        features = self.network.features(inputs)
        found = {"features": features}
        if self.has_embedding:
            found["embedding"] = normalised(self.network.fc(features))
        return {kind: normalised(rows.mean(dim=0)[None])[0].cpu().numpy() for kind, rows in found.items()}


def embed_videos(
    videos: Sequence[Path], model: Path, output: Path, *, clips: int = 5, short_side: int = 0, threads: int = 1
) -> int:
    """Writes the vectors of videos, and of those below folders, to the HDF5 file `output`; returns how many failed.

    `clips` of each video are averaged; its frames are resized to a short side of `short_side` pixels, by default 8 / 7
    of the network's input, as 128 of 112. Videos are decoded in `threads`. Beside `output` a store keeps what is done,
    so that a stopped call goes on, and one with more videos computes those alone. A video that cannot be read has its
    status and reason in the file. Raises StageError where a file cannot be used.
    """
    if output.suffix != ".h5":
        raise StageError(f"{output}: the name must end in .h5")
    representation = Representation.read(model)
    settings = FramesSettings(short_side=short_side or round(representation.architecture.size * 8 / 7))
    paths = {video_id(path.as_posix()): path for path in _expanded(videos)}
    parameters = {"clips": clips, "short_side": settings.short_side}
    keys = {name: digest(VERSION, parameters, representation.digest, file_stamp(path)) for name, path in paths.items()}

    def compute(name: str) -> Result:
        return embed(paths[name], representation, clips, settings)

    found = dict(process_shard(output.parent / f".{output.name}.store", keys, compute, stage="embed", threads=threads))
    names = sorted(found)
    with write_hdf5(
        output, stage="representation", version=VERSION, parameters=parameters, model=representation.digest
    ) as file:
        dataset(file, "video", [readable(paths[name]) for name in names])
        dataset(file, "status", [found[name].status for name in names])
        dataset(file, "reason", [found[name].reason for name in names])
        for kind in ("features", "embedding"):
            sizes = [len(result.arrays[kind]) for result in found.values() if kind in result.arrays]
            if sizes:
                nothing = np.zeros(sizes[0], np.float32)
                rows = np.stack([found[name].arrays.get(kind, nothing) for name in names])
                dataset(file, kind, rows, meaning=f"{kind} of each video, of unit length; zeros where it failed")
    return sum(result.status != "ok" for result in found.values())


def embed(video: Path, representation: Representation, clips: int, settings: FramesSettings) -> Result:
    """The vectors of one video, or the status and reason why there are none: `not_finite` where the network's output
    overflows."""
    result = encode_frames(idt_tools.read_video(video), settings)
    if result.status != "ok":
        return Result(result.status, result.reason)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.h5"
        write_frames(path, settings, "", [("video", result)], {"video": 0.0})
        vectors = representation.vectors(FrameStore([path]), "video", clips)
    # A vector that overflowed has lost its length: dividing by it gives NaN or zeros.
    if not all(np.isclose(np.linalg.norm(vector), 1, atol=1e-3) for vector in vectors.values()):
        return Result("not_finite", "the network's output for it is zero or not a finite number")
    return Result(arrays=vectors)


def _expanded(places: Sequence[Path]) -> list[Path]:
    """The videos, and those below folders, each once."""
    found = [path for place in places for path in (video_files(place) if place.is_dir() else [place])]
    if not found:
        raise StageError(f"{', '.join(map(str, places))}: there is no video")
    return list(dict.fromkeys(found))
