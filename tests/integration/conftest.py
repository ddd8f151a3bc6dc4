"""The tiny config, and a run of it that tests share."""

from typing import Any

import pytest
import yaml
from workflow import REPOSITORY, Workflow


@pytest.fixture(scope="session")
def tiny_config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "tests" / "integration" / "tiny.yaml").read_text())
    return config


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_config: dict[str, Any]) -> Workflow:
    """The tiny config, run to its end once for all tests."""
    workflow = Workflow(tmp_path_factory.mktemp("tiny"), tiny_config)
    workflow.run()
    return workflow
