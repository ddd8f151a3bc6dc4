"""A small dataset for the tests of pretraining: colored squares that move before noisy walls."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.pretraining.train import TrainingFiles, train

N_VIDEOS = 12
TINY = PretrainingSettings(
    depth=10,
    width=0.125,
    embedding_dim=16,
    clip_length=8,
    crop_size=32,
    k=3,
    m=2,
    epochs=2,
    batch_size=4,
    lr_milestones=(1,),
)


@pytest.fixture(scope="session")
def tiny() -> PretrainingSettings:
    """Settings of a run that takes less than a second."""
    return TINY


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


def moving_square(number: int, n_frames: int = 12) -> np.ndarray:
    """(n_frames, 40, 52, 3) uint8: a square that moves right on a dark wall (even numbers) or down on a bright one."""
    random = np.random.default_rng(number)
    frames = (
        random.integers(20 + 100 * (number % 2), 120 + 100 * (number % 2), (1, 40, 52, 1))
        .astype(np.uint8)
        .repeat(n_frames, 0)
        .repeat(3, 3)
    )
    color = random.integers(0, 255, 3)
    for t in range(n_frames):
        top, left = (10, 2 * t) if number % 2 == 0 else (2 * t, 20)
        frames[t, top : top + 12, left : left + 12] = color
    return frames


@pytest.fixture(scope="session")
def video_ids() -> list[str]:
    return [f"video{number:02d}" for number in range(N_VIDEOS)]


@pytest.fixture(scope="session")
def frames_files(tmp_path_factory: pytest.TempPathFactory, video_ids: list[str]) -> list[Path]:
    """The dataset's frames in two shards."""
    folder = tmp_path_factory.mktemp("frames")
    settings = FramesSettings(short_side=40)
    encoded = {name: encode_frames(moving_square(number), settings) for number, name in enumerate(video_ids)}
    paths = [folder / "000of002.h5", folder / "001of002.h5"]
    for number, path in enumerate(paths):
        shard = {name: encoded[name] for name in video_ids[number::2]}
        write_frames(path, settings, f"digest{number}", shard.items(), dict.fromkeys(shard, 25.0))
    return paths


@pytest.fixture(scope="session")
def videos_table(tmp_path_factory: pytest.TempPathFactory, video_ids: list[str]) -> Path:
    path = tmp_path_factory.mktemp("videos") / "all.tsv"
    rows = [{"video_id": name, "label": ("right", "down")[n % 2]} for n, name in enumerate(video_ids)]
    write_columns(path, rows, ["video_id", "label"])
    return path


@pytest.fixture
def clusters_file(tmp_path: Path, video_ids: list[str]) -> Path:
    """IDT clusters in another order than that of the videos, with an additional video."""
    path = tmp_path / "clusters.h5"
    names = [*reversed(video_ids), "another"]
    labels = np.array([[int(name[5:]) % 2 if name != "another" else 0 for name in names]] * 2, np.int32)
    with h5py.File(path, "w") as file:
        file.create_dataset("video_id", data=names, dtype=h5py.string_dtype())
        file.create_dataset("labels", data=labels)
    return path


@pytest.fixture
def encoding_files(tmp_path: Path, video_ids: list[str]) -> list[Path]:
    """IDT sketches in two shards. Videos n, n + 3, ... are near each other."""
    paths = [tmp_path / "encoding0.h5", tmp_path / "encoding1.h5"]
    random = np.random.default_rng(5)
    for number, path in enumerate(paths):
        names = video_ids[number::2]
        sketch = random.normal(0, 0.1, (len(names), 2000)).astype(np.float32)
        sketch[range(len(names)), [int(name[5:]) % 3 for name in names]] += 5
        with h5py.File(path, "w") as file:
            for column, values in (("video_id", names), ("status", ["ok"] * len(names)), ("reason", [""] * len(names))):
                file.create_dataset(column, data=values, dtype=h5py.string_dtype())
            file.create_dataset("sketch", data=sketch)
    return paths


@pytest.fixture(scope="session")
def train_in(frames_files: list[Path], videos_table: Path) -> Callable[..., dict[str, object]]:
    """Trains on the tiny dataset in this process, with results in a folder, and returns the content of model.pt."""

    def run(folder: Path, name: str = "run", objective: str = "instance", **options: object) -> dict[str, object]:
        changed = options.pop("changed", {})
        output = folder / name / "model.pt"
        videos = options.pop("videos", videos_table)
        names = {field.name for field in dataclasses.fields(TrainingFiles)} & options.keys()
        files = TrainingFiles(videos, frames_files, **{field: options.pop(field) for field in names})
        arguments = {"seed": 0, "settings": replace(TINY, **changed), **options}
        train(files, output, folder / name / "checkpoints", name, objective=objective, **arguments)
        return torch.load(output, weights_only=True)

    return run


@pytest.fixture
def run_train(tmp_path: Path, train_in: Callable[..., dict[str, object]]) -> Callable[..., dict[str, object]]:
    """`train_in` the folder of the test."""
    return partial(train_in, tmp_path)


@pytest.fixture(scope="session")
def usual(train_in: Callable[..., dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model.pt of a run of the objective instance with the tiny settings. Tests must not change it."""
    folder = tmp_path_factory.mktemp("usual")
    train_in(folder)
    return folder / "run" / "model.pt"
