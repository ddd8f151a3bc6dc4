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

# Fixtures that run stages, train networks or build pages.
SLOW_FIXTURES = {"dataset", "embedded", "results", "run_train", "small_disk"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Marks the tests that use a slow fixture as slow: `make test-fast` leaves them out. Skips gpu without a GPU."""
    for item in items:
        if SLOW_FIXTURES & {*item.fixturenames}:
            item.add_marker("slow")
    if gpu_tests := [item for item in items if item.get_closest_marker("gpu")]:
        import torch  # here, because most tests do not need it

        for item in gpu_tests if not torch.cuda.is_available() else []:
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files and real videos in the parent folder of the repository."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "videos").is_dir():
        pytest.skip("needs the reference files and videos in ../shared, which are not distributed with the project")
    return folder
