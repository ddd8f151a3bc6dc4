"""idt_tools without the pipeline: it imports nothing of it, and its commands work where it is not there."""

import re
import subprocess
import sys
from pathlib import Path

import idt_tools

FOLDER = Path(idt_tools.__file__).parents[1] / "idt_tools"
WITHOUT_PIPELINE = (
    "import sys; sys.modules['workflow_scripts'] = None; from idt_tools import cli; sys.exit(cli.main(sys.argv[1:]))"
)


def idt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_PIPELINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_file_of_idt_tools_names_the_pipeline() -> None:
    files = [path for path in FOLDER.rglob("*.py*") if path.suffix in (".py", ".pyi")]
    assert files
    named = [path.name for path in files if re.search(r"workflow_scripts|IDTR|model\.pt\b", path.read_text())]
    assert named == []


def test_commands_without_the_pipeline(video: Path, tmp_path: Path) -> None:
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


def test_detection_without_the_pipeline_says_what_is_missing(video: Path, tmp_path: Path) -> None:
    done = idt("boxes", video, "--detector", "hog", "-o", tmp_path / "people")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --detector hog: ") and "Traceback" not in done.stderr
