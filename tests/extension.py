"""Copies the code of the project, so that a test can add methods and run the pipeline with them."""

import importlib
import shutil
from pathlib import Path

from workflow import REPOSITORY

CODE = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "idt_tools", "envs", "profiles")

# Python runs this file at its start. Without the finder of the editable install, imports come from the copy.
SITECUSTOMIZE = """\
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__name__.startswith("ScikitBuild")]
"""


def copy_code(folder: Path) -> Path:
    """Copies the project's code to `folder`, the compiled tracker included, and returns the folder.

    Run the copy with `Workflow(..., repository=folder)`.
    """
    for name in CODE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    compiled = Path(str(importlib.import_module("idt_tools._core_baseline").__file__))
    for library in compiled.parent.glob("_core_*.so"):
        shutil.copy(library, folder / "idt_tools" / library.name)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return folder


def add_lines(path: Path, after: str, lines: str) -> None:
    """Inserts `lines` in a file after the text `after`, which must occur exactly once."""
    content = path.read_text()
    assert content.count(after) == 1, f"{path} has {content.count(after)} times {after!r}"
    path.write_text(content.replace(after, after + lines))
