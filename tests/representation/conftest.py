"""Generated videos, a model and the embeddings of the videos, for all tests in this folder."""

from pathlib import Path

import pytest
from embedded_files import write_model

from workflow_scripts.cli import main
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=1, frames=20, width=96, height=72
    )
    generate_videos(root, settings)
    return root


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.pt")


@pytest.fixture(scope="session")
def embedded(videos: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("embedded") / "all.h5"
    assert main(["embed", str(videos), "--model", str(model), "-o", str(output), "--clips", "1"]) == 0
    return output
