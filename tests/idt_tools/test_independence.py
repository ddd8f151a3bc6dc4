"""idt_tools does not import the pipeline, and its commands work without it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import idt_tools

FOLDER = Path(idt_tools.__file__).parents[1] / "idt_tools"
WITHOUT_PIPELINE = (
    "import sys; sys.modules['workflow_scripts'] = None; from idt_tools import cli; sys.exit(cli.main(sys.argv[1:]))"
)


def idt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_PIPELINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_idt_tools_does_not_name_pipeline() -> None:
    files = [path for path in FOLDER.rglob("*.py*") if path.suffix in (".py", ".pyi")]
    assert files
    named = [path.name for path in files if re.search(r"workflow_scripts|IDTR|model\.pt\b", path.read_text())]
    assert named == []


@pytest.mark.slow
def test_commands_without_pipeline(video: Path, tmp_path: Path) -> None:
    output = tmp_path / "trajectories.h5"
    for arguments in (
        ["extract", video, "-o", output],
        ["inspect", output],
        ["show", video, "-o", tmp_path / "trajectories.png"],
        ["boxes", "--help"],
        ["encode", "--help"],
    ):
        done = idt(*arguments)
        assert done.returncode == 0, done.stderr


def test_detection_without_pipeline_one_sentence(video: Path, tmp_path: Path) -> None:
    done = idt("boxes", video, "--detector", "hog", "-o", tmp_path / "people")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --detector hog: ") and "Traceback" not in done.stderr
