"""Options for the shell commands of rules; long texts go through files."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.identity import digest

TEXTS = Path(".snakemake/lists")  # long texts

MAX_ARGUMENT_BYTES = 8192  # a rule has fewer than ten lists


def argument(name: str, files: Sequence[str]) -> str:
    """Returns `--name file ...` for a shell; an empty text without files.

    A long list goes through a file, as `--name-in FILE`, because Linux limits a shell command to 128 KiB. The file is
    named after its content, so the same list gives the same command.
    """
    if not files:
        return ""
    files = [f"./{file}" if file.startswith("-") else file for file in files]  # not an option
    option = f"--{name.replace('_', '-')}"
    text = f"{option} {shlex.join(files)}"
    if len(os.fsencode(text)) <= MAX_ARGUMENT_BYTES:
        return text
    return f"{option}-in {in_file(json.dumps(files))}"


def in_file(content: str) -> Path:
    """Writes a text to a file that is named after its digest, and returns the file."""
    path = TEXTS / digest(content)
    if not path.exists() or path.read_text() != content:
        write_text(path, content)
    return path
