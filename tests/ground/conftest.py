"""Three generated videos."""

import shutil
from pathlib import Path

import pytest
from reading_stages import Videos

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated") / "videos"
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=1, frames=22, width=96, height=72
    )
    generate_videos(root, settings)
    return root


@pytest.fixture
def videos(generated: Path, tmp_path: Path) -> Videos:
    shutil.copytree(generated, tmp_path / "videos")
    return Videos(tmp_path)
