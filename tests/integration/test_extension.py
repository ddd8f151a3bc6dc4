"""A developer adds a method by one file and one entry; the pipeline runs with it to the report."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from extension import copy_code
from workflow import Workflow


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, tiny_config: dict[str, Any]) -> Workflow:
    """The tiny config and a copy of the code, to which this module's toy methods are added."""
    code = copy_code(tmp_path_factory.mktemp("code") / "copy")
    return Workflow(tmp_path_factory.mktemp("extended"), tiny_config, code)


def test_imports_of_a_copy_come_from_the_copy(extended: Workflow) -> None:
    script = "import idt_tools._core_baseline, workflow_scripts; print(idt_tools.__file__, workflow_scripts.__file__)"
    command = [sys.executable, "-c", script]
    printed = subprocess.check_output(command, text=True, env=extended.environment, cwd=extended.folder)
    assert printed.split() == [
        str(Path(extended.repository, name, "__init__.py")) for name in ("idt_tools", "workflow_scripts")
    ]
