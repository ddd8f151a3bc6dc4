"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

# Snakemake asks SLURM at each start, and waits 9 seconds where SLURM is configured and its controller does not run.
# The tests of SLURM start a controller and name its configuration.
os.environ["SLURM_CONF"] = "/dev/null"

# A property test has no time limit per example: a busy machine must not fail it.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files and real videos that lies beside a developer's checkout."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "videos").is_dir():
        pytest.skip("needs the reference files and videos in ../shared, which are not distributed with the project")
    return folder
