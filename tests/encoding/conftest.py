"""Descriptors of some videos, and a codebook."""

from pathlib import Path

import numpy as np
import pytest
from trajectories_file import SMALL, Videos, write_trajectories

from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.ground.artifacts import write_columns


@pytest.fixture(scope="module")
def videos() -> Videos:
    """Six videos of 20 to 220 descriptors, and an unreadable one."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(12, 426)) / np.arange(1, 13)[:, None]
    readable: Videos = {f"video-{i}": rng.normal(size=(20 + 40 * i, 12)) @ basis * 0.1 for i in range(6)}
    return readable | {"broken": "corrupted"}


@pytest.fixture
def sample(tmp_path: Path, videos: Videos) -> Path:
    write_columns(tmp_path / "sample.tsv", [{"video_id": video_id} for video_id in videos], ["video_id"])
    return tmp_path / "sample.tsv"


@pytest.fixture
def codebook(tmp_path: Path, videos: Videos, sample: Path) -> Path:
    fit_codebook(sample, [write_trajectories(tmp_path / "all.h5", videos)], tmp_path / "codebook.h5", SMALL)
    return tmp_path / "codebook.h5"
