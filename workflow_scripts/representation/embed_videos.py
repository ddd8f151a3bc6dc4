"""`dtc embed`: computes vectors of videos by a trained network and writes them to one HDF5 file.

A video's clips are centre crops, spread evenly over its length. Its frames are resized and compressed as JPEG as in the
frames stage, so that the input is like that of the training. The vectors of a video are means over its clips,
normalised to unit length: `features` (512 x width), the input of the paper's linear classifiers (4.4), and `embedding`,
the space of the memory bank, if the network has one. `dtc neighbours` searches the file.
"""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import idt_tools
from idt_tools.attributes import read_attributes
from idt_tools.commands.files import readable
from idt_tools.reading import ReadingFailed
from idt_tools.untrusted_hdf5 import TEXT, checked_array
from idt_tools.whole_file import hidden_beside
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.ground.artifacts import dataset, read_hdf5, write_hdf5
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.process_shard import UnreadVideos, process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.work_keys import file_stamp, keys_by_video
from workflow_scripts.pretraining.augmentation import draw_even
from workflow_scripts.pretraining.dataset import DrawnClips, load_inputs
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised, weights_digest
from workflow_scripts.videos.folders import video_files

log = logging.getLogger(__name__)

VERSION = 4
KINDS = ("features", "embedding")

CLIPS = 5  # per video, by default


@dataclass(frozen=True)
class Representation:
    """A trained network with its head, in evaluation mode, and the shape of its input."""

    network: ResNet3D
    architecture: Architecture
    has_embedding: bool  # if not, the head is a classifier
    digest: str  # of the weights and the architecture

    @classmethod
    def read(cls, model: Path) -> "Representation":
        """The network of a model.pt, on the GPU if there is one. Raises StageError if the file is not a model."""
        pretrained = read_pretrained(model, Architecture())
        assert pretrained.state_dict is not None
        network = pretrained.network(outputs=len(pretrained.state_dict["fc.bias"]), seed=0)
        load_backbone(network, pretrained.state_dict, head=True)
        weights = weights_digest(pretrained.state_dict)
        model_digest = digest(weights, pretrained.architecture)
        return cls(network.eval(), pretrained.architecture, pretrained.bank is not None, model_digest)

    @torch.no_grad()
    def vectors(self, store: FrameStore, name: str, clips: int) -> dict[str, np.ndarray]:
        """The `features` (512 x width,) and, if there is one, the `embedding` of a stored video: float32, length 1."""
        shape = self.architecture
        drawn = DrawnClips(store, [name], shape.clip_length, partial(draw_even, n_clips=clips), shape.frame_interval)
        (inputs,) = load_inputs(drawn, [[0]], shape.crop_size, best_device())
        with autocast(shape.precision, inputs.device):
            features = self.network.features(inputs)
            spaces = {"features": features.float()}
            if self.has_embedding:
                spaces["embedding"] = normalised(self.network.fc(features))
        return {kind: normalised(rows.mean(dim=0)[None])[0].cpu().numpy() for kind, rows in spaces.items()}


class Row(NamedTuple):
    """A video in the file: a digest of all that its vectors depend on; its vectors, or why it has none."""

    key: str
    result: Result


def embed_videos(
    videos: Sequence[Path],
    model: Path,
    output: Path,
    *,
    clips: int = CLIPS,
    short_side: int = 0,
    threads: int = 1,
    force: bool = False,
) -> int:
    """Writes the vectors of videos to an HDF5 file.

    Videos of earlier calls stay in the file. A video is computed again if its file has changed. A video that cannot be
    decoded has its status and reason in the file. A store beside `output` has the finished videos until the end, so
    that a stopped call can resume.

    Args:
        videos: Videos, and folders whose videos are all embedded.
        model: The model.pt of the network.
        output: The HDF5 file to write or to add to.
        clips: Clips per video, whose vectors are averaged.
        short_side: The short side of the resized frames in pixels; 0: 15 / 7 of the network's input, as 240 for 112.
        threads: Videos to decode at a time.
        force: Whether to replace `output` by a file with only the videos of this call.

    Returns:
        The number of videos of this call that have no vectors.

    Raises:
        StageError: The model or `output` cannot be used. Or, after all other videos are written: the system could not
            read some videos just now.
    """
    if output.suffix != ".h5":
        raise StageError(f"{output}: the name must end in .h5")
    representation = Representation.read(model)
    settings = FramesSettings(short_side=short_side or usual_short_side(representation.architecture.crop_size))
    paths = {readable(path): path for path in _expanded(videos)}
    parameters = {"clips": clips, "short_side": settings.short_side}
    rows = _read_rows(output, parameters, representation.digest) if output.exists() and not force else {}

    def key_of(name: str) -> str:
        return digest(VERSION, parameters, representation.digest, file_stamp(paths[name]))

    keys, unread = keys_by_video(paths, key_of)
    todo = {name: key for name, key in keys.items() if name not in rows or rows[name].key != key}

    def compute(name: str) -> Result:
        return embed(paths[name], representation, clips, settings)

    store = hidden_beside(output, "store")
    results, reasons = _results(store, todo, compute, threads, unread)
    if results:
        rows |= {name: Row(todo[name], result) for name, result in results.items()}
        _write_rows(output, rows, parameters, representation.digest)
    store.unlink(missing_ok=True)
    if reasons:
        raise UnreadVideos("embed", reasons, len(paths), indexed=False)
    log.info("%s: %d of %d videos embedded, %d existed", output, len(results), len(keys), len(keys) - len(todo))
    return sum(rows[name].result.status != "ok" for name in keys)


def _results(
    store: Path, todo: dict[str, str], compute: Callable[[str], Result], threads: int, unread: dict[str, ReadingFailed]
) -> tuple[dict[str, Result], dict[str, str]]:
    """The results of the videos `todo`, and why the system could not read the other videos."""
    try:
        return dict(process_shard(store, todo, compute, stage="embed", threads=threads, unread=unread)), {}
    except UnreadVideos as error:
        others = {name: key for name, key in todo.items() if name not in error.reasons}
        return dict(process_shard(store, others, compute, stage="embed", threads=threads)), error.reasons


def _write_rows(output: Path, rows: Mapping[str, Row], parameters: Mapping[str, int], model: str) -> None:
    """Writes the whole file, with a row per video, sorted by path."""
    names = sorted(rows)
    results = [rows[name].result for name in names]
    with write_hdf5(output, stage="representation", version=VERSION, parameters=parameters, model=model) as file:
        dataset(file, "video", names)
        dataset(file, "status", [result.status for result in results])
        dataset(file, "reason", [result.reason for result in results])
        dataset(file, "key", [rows[name].key for name in names], meaning="digest of all that the vectors depend on")
        for kind in KINDS:
            sizes = [len(result.arrays[kind]) for result in results if kind in result.arrays]
            if sizes:
                nothing = np.zeros(sizes[0], np.float32)
                vectors = np.stack([result.arrays.get(kind, nothing) for result in results])
                dataset(file, kind, vectors, meaning=f"{kind} of each video, of unit length; zeros where it failed")


def _read_rows(output: Path, parameters: Mapping[str, int], model: str) -> dict[str, Row]:
    """The rows of the file, by video. Raises StageError if it is damaged or has another model or other parameters."""
    advice = "choose another name, or replace it by --force"
    with read_hdf5(output) as file:
        written = read_attributes(file)
        reason = ""
        if written.get("stage") != "representation":
            reason = "it was not written by `dtc embed`"
        elif written.get("VERSION") != VERSION or "key" not in file:
            reason = "it was written by an earlier version of `dtc embed`"
        elif (written.get("input_model"), written.get("parameters")) != (model, json.dumps(parameters, sort_keys=True)):
            reason = "it was written with another model, or with other --clips or --short-side"
        if reason:
            raise StageError(f"{output}: the file exists, but {reason}; {advice}")
        try:
            texts = [checked_array(file, name, TEXT) for name in ("video", "status", "reason", "key")]
            vectors = {kind: checked_array(file, kind) for kind in KINDS if kind in file}
        except ValueError as error:
            raise StageError(f"{output}: the file is damaged ({error}); {advice}") from None
    names, statuses, reasons, keys = texts
    is_whole = all(text.shape == names.shape == (names.size,) for text in texts)
    if not is_whole or any(rows.ndim != 2 or len(rows) != len(names) for rows in vectors.values()):
        raise StageError(f"{output}: the file is damaged: its datasets have different lengths; {advice}")
    rows = {}
    for i, name in enumerate(names):
        arrays = {kind: values[i] for kind, values in vectors.items()} if statuses[i] == "ok" else {}
        rows[name] = Row(keys[i], Result(statuses[i], reasons[i], arrays))
    return rows


def usual_short_side(size: int) -> int:
    """The short side of the frames for an input of `size` pixels: 15 / 7 of it, as 240 for 112."""
    return round(size * 15 / 7)


def embed(video: Path, representation: Representation, clips: int, settings: FramesSettings) -> Result:
    """The vectors of one video, or the status and reason why there are none.

    The status is `not_finite` if the network's output overflows.
    """
    result = encode_frames(idt_tools.read_video(video), settings)
    if result.status != "ok":
        return Result(result.status, result.reason)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.h5"
        write_frames(path, settings, "", [("video", result)], {"video": 0.0})
        vectors = representation.vectors(FrameStore([path]), "video", clips)
    # Normalising a vector that overflowed gives NaN or zeros.
    if not all(np.isclose(np.linalg.norm(vector), 1, atol=1e-3) for vector in vectors.values()):
        return Result("not_finite", "the network's output for it is zero or not finite")
    return Result(arrays=vectors)


def _expanded(paths: Sequence[Path]) -> list[Path]:
    """The videos, and those below the folders, each once."""
    # os.path.isdir, unlike Path.is_dir, returns False on an I/O error; then only this video fails.
    videos = [video for path in paths for video in (video_files(path) if os.path.isdir(path) else [path])]
    if not videos:
        raise StageError(f"{', '.join(map(str, paths))}: there is no video")
    return list(dict.fromkeys(videos))
