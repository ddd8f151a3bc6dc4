"""Videos and settings for the tests of the CUDA code, which need only torch, numpy, h5py and OpenCV.

`make gpu-report` runs the tests with the mark `gpu`. Without a GPU they are skipped.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path

import pytest
import torch
from devices import DEVICES

from benchmarks.pretraining import generate_frames
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.pretraining.settings import PretrainingSettings

SETTINGS = PretrainingSettings(
    depth=10,
    width=0.125,
    embedding_dim=16,
    clip_length=16,
    crop_size=48,
    k=5,
    m=2,
    epochs=3,
    batch_size=6,
    lr_milestones=(2,),
    neighbours=16,
    precision="float32",
)


@contextmanager
def no_gpu() -> Iterator[None]:
    """The stages find no GPU in this context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield


@pytest.fixture
def only_cpu() -> Callable[[], AbstractContextManager[None]]:
    """`no_gpu`, for tests that compare a GPU with the CPU."""
    return no_gpu


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """cpu or cuda. In the case of cpu, the stages find no GPU."""
    with no_gpu() if request.param == "cpu" else nullcontext():
        yield request.param


@pytest.fixture(autouse=True)
def exact_float32() -> Iterator[None]:
    """Without TF32, float32 has the same precision on a GPU as on a CPU. (Matrix products have no TF32 by default.)"""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed


@pytest.fixture(scope="session")
def tiny() -> PretrainingSettings:
    """Settings of a training that takes seconds on a CPU."""
    return SETTINGS


@pytest.fixture(scope="session")
def video_ids() -> list[str]:
    return [f"video{number:02d}" for number in range(12)]


@pytest.fixture(scope="session")
def frames_file(tmp_path_factory: pytest.TempPathFactory, video_ids: list[str]) -> Path:
    """Twenty frames of 64 x 48 pixels of each video."""
    path, settings = tmp_path_factory.mktemp("frames") / "frames.h5", FramesSettings(short_side=48)
    encoded = [encode_frames(islice(generate_frames(number), 20), settings) for number in range(len(video_ids))]
    write_frames(path, settings, "gpu", zip(video_ids, encoded, strict=True), dict.fromkeys(video_ids, 25.0))
    return path
