"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

# Snakemake queries SLURM at each start, and waits 9 seconds if its controller does not run. The tests of SLURM start a
# controller and set this variable to its configuration.
os.environ["SLURM_CONF"] = "/dev/null"

# A property test has no time limit per example: a busy machine must not fail it.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files and real videos in the parent folder of the repository."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "videos").is_dir():
        pytest.skip("needs the reference files and videos in ../shared, which are not distributed with the project")
    return folder
