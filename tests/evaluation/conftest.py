"""A tiny dataset on disk, as the stages before the evaluation write it.

The two classes differ in motion and in color: a random texture drifts across in reddish light, or down in bluish light.
(Left and right would look like one class, because training clips are flipped at random.)
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from workflow_scripts.evaluation.features import features
from workflow_scripts.evaluation.results import Record, read_record
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.ground import artifacts, identity
from workflow_scripts.ground.stage import command_line
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings

Labels = dict[str, str]
TINY: dict[str, Any] = {"depth": 10, "width": 0.125, "clip_length": 8, "crop_size": 32}


@dataclass(frozen=True)
class Dataset:
    """Paths of a dataset's files and the labels of its videos by part."""

    splits: Path
    encodings: list[Path]
    frames: list[Path]
    train: Labels
    test: Labels


def write_splits(path: Path, train: Labels, test: Labels, groups: Labels | None = None) -> Path:
    rows = [
        {"split": "1", "video_id": name, "part": part, "label": label, "group": (groups or {}).get(name, "")}
        for part, labels in (("train", train), ("test", test))
        for name, label in labels.items()
    ]
    artifacts.write_columns(path, rows, ["split", "video_id", "part", "label", "group"])
    return path


def write_encoding(path: Path, sketches: dict[str, np.ndarray], failed: Sequence[str] = ()) -> Path:
    video_ids = sorted([*sketches, *failed])
    zero = np.zeros_like(next(iter(sketches.values())))
    with artifacts.write_hdf5(path, stage="encoding", version=1, parameters={}) as file:
        artifacts.dataset(file, "video_id", video_ids)
        artifacts.dataset(file, "sketch", np.stack([sketches.get(name, zero) for name in video_ids]))
        artifacts.dataset(file, "n_trajectories", np.ones(len(video_ids), np.int64))
        artifacts.dataset(file, "status", ["no_trajectories" if n in failed else "ok" for n in video_ids])
        artifacts.dataset(file, "reason", ["nothing moves" if n in failed else "" for n in video_ids])
    return path


def write_frames(path: Path, videos: dict[str, np.ndarray], failed: Sequence[str] = ()) -> Path:
    """videos: (T, H, W, 3) uint8 RGB by video_id."""
    with artifacts.write_hdf5(path, stage="frames", version=1, parameters={}) as file:
        for video_id, video in videos.items():
            jpegs = [cv2.imencode(".jpg", frame[..., ::-1])[1] for frame in video]
            group = file.create_group(video_id)
            artifacts.dataset(group, "jpeg", np.concatenate(jpegs))
            artifacts.dataset(group, "offsets", np.cumsum([0, *map(len, jpegs)]).astype(np.int64))
            group.attrs.update(width=video.shape[2], height=video.shape[1], n_frames=len(video), fps=25.0)
            group.attrs.update(status="ok", reason="")
        for video_id in failed:
            group = file.create_group(video_id)
            artifacts.dataset(group, "jpeg", np.empty(0, np.uint8))
            artifacts.dataset(group, "offsets", np.zeros(1, np.int64))
            group.attrs.update(width=0, height=0, n_frames=0, fps=0.0, status="unreadable", reason="damaged")
    return path


def drifting_texture(video_id: str, label: str, n_frames: int = 12, side: int = 40) -> np.ndarray:
    """A random texture that moves by 3 pixels per frame, (T, side, side, 3) uint8 RGB."""
    rng = identity.rng("texture", video_id)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (side, side)).astype(np.float32), (0, 0), 2.5)
    texture = (texture - texture.min()) / np.ptp(texture)
    axis, light = {"across": (1, (255, 170, 110)), "down": (0, (110, 170, 255))}[label]
    color = np.array(light) * rng.uniform(0.7, 1, 3)
    frames = [np.roll(texture, 3 * t, axis)[..., None] * color for t in range(n_frames)]
    return np.stack(frames).astype(np.uint8)


def labelled(part: str, n: int) -> Labels:
    return {f"{part}-{i:02d}": ("across", "down")[i % 2] for i in range(n)}


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """24 training and 16 test videos; two more of each part without frames or without a sketch."""
    folder = tmp_path_factory.mktemp("dataset")
    train, test = labelled("train", 24), labelled("test", 16)
    labels = {**train, **test}
    sketches = {}
    for video_id, label in [*labels.items(), ("bad-frames", "across")]:
        noise = identity.rng("sketch", video_id).normal(size=50)
        sketches[video_id] = (noise + (label == "across") * np.eye(50)[0] * 8).astype(np.float32)
    videos = {name: drifting_texture(name, label) for name, label in {**labels, "bad-sketch": "down"}.items()}
    names = sorted(videos)
    return Dataset(
        splits=write_splits(folder / "splits.tsv", {**train, "bad-frames": "across"}, {**test, "bad-sketch": "down"}),
        encodings=[write_encoding(folder / "encoding.h5", sketches, ["bad-sketch"])],
        frames=[
            write_frames(folder / "1.h5", {name: videos[name] for name in names[::2]}, ["bad-frames"]),
            write_frames(folder / "2.h5", {name: videos[name] for name in names[1::2]}),
        ],
        train=train,
        test=test,
    )


@pytest.fixture
def write_parts():  # type: ignore[no-untyped-def]
    """`write_splits`, for tests with other splits."""
    return write_splits


@pytest.fixture
def make_splits_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Writes a split and the sketches of its videos; returns splits.tsv and the encoding shard."""

    def make(train: Labels, test: Labels, sketches: dict[str, np.ndarray]) -> tuple[Path, Path]:
        return write_splits(tmp_path / "splits.tsv", train, test), write_encoding(tmp_path / "e.h5", sketches)

    return make


@pytest.fixture(scope="session")
def model(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model.pt as the pretraining writes it, of a tiny network with random weights."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    settings = PretrainingSettings(**TINY)
    torch.manual_seed(3)
    network = ResNet3D(settings.depth, 16, settings.width)
    for value in network.state_dict().values():  # batch norm statistics of a trained network are not 0 and 1
        if value.dtype.is_floating_point:
            value += 0.01 * torch.rand_like(value)
    video_ids = sorted(dataset.train)
    torch.save(
        {
            "state_dict": network.state_dict(),
            "settings": dataclasses.asdict(settings),
            "run": "ir",
            "seed": 5,
            "video_ids": video_ids,
            "bank": torch.nn.functional.normalize(torch.randn(len(video_ids), 16), dim=1),
            "labels": None,
            "history": [],
            "classes": [],
            "version": 1,
        },
        path,
    )
    return path


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    """The architecture of `model`."""
    return Architecture(**TINY)


@pytest.fixture(scope="session")
def features_file(dataset: Dataset, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of the model. Another process that loads the clips gives the same bytes."""
    outputs = [tmp_path_factory.mktemp("features") / name for name in ("1.h5", "2.h5")]
    for workers, output in enumerate(outputs):
        arguments = ["--splits", dataset.splits, "--frames", *dataset.frames, "--seed", 2, "--model", model]
        arguments += ["--settings", '{"clips": 2}', "--output", output, "--workers", workers]
        command_line(features, [str(argument) for argument in arguments])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    return outputs[0]


@pytest.fixture
def evaluate(dataset: Dataset, features_file: Path):  # type: ignore[no-untyped-def]
    """Runs the command line of a protocol on the features of the model; returns the record."""

    def run(stage: Callable[..., None], output: Path, **settings: Any) -> Record:
        task = {"run": "ir", "seed": 2, "dataset": "toy"}
        arguments = ["--features", features_file, "--splits", dataset.splits, "--task", json.dumps(task)]
        arguments += ["--settings", json.dumps(settings), "--output", output]
        command_line(stage, [str(argument) for argument in arguments])
        return read_record(output)

    return run
