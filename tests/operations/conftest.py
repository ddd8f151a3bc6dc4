"""The config of the tests in this folder."""

from pathlib import Path
from typing import Any

import pytest
from operations_config import CONFIG

from workflow_scripts.configuration.resolve import resolve


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """CONFIG with its defaults, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return resolve(CONFIG)
