"""Texts for the shell commands of rules: lists of files as options, and files for texts that are too long."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.identity import digest

# Long texts are written here, in Snakemake's own folder.
TEXTS = Path(".snakemake/lists")

LONGEST_ARGUMENT = 8192  # bytes; a rule has fewer than ten lists


def argument(name: str, files: Sequence[str]) -> str:
    """Returns `--name file ...` for a shell; an empty text if there are no files.

    A long list goes through a file, as `--name-in FILE`, because Linux allows 128 KiB for a shell's command. The file
    is named after its content, so the same list gives the same command.
    """
    if not files:
        return ""
    files = [f"./{file}" if file.startswith("-") else file for file in files]  # no option
    option = f"--{name.replace('_', '-')}"
    text = f"{option} {shlex.join(files)}"
    if len(os.fsencode(text)) <= LONGEST_ARGUMENT:
        return text
    return f"{option}-in {in_file(json.dumps(files))}"


def in_file(content: str) -> Path:
    """Returns a file with this text, named after its digest."""
    path = TEXTS / digest(content)
    if not path.exists() or path.read_text() != content:
        write_text(path, content)
    return path
