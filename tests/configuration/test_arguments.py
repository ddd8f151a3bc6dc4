"""Lists of files in the shell commands of rules."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.configuration.arguments import TEXTS, argument
from workflow_scripts.ground.stage import command_line


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_argument_of_files_is_quoted_for_the_shell(files: list[str]) -> None:
    text = argument("the_files", files)
    command = ["bash", "-c", f"printf '%s\\0' {text}"]
    words = subprocess.run(command, capture_output=True, check=True).stdout.split(b"\0")[:-1]
    paths = [f"./{file}" if file.startswith("-") else file for file in files]  # not an option
    assert words == ([name.encode() for name in ("--the-files", *paths)] if files else [b""])


def test_argument_of_thousands_of_files_goes_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [
        f"results/evaluation/run{run}/seed0/{dataset}/split{split}/{protocol}.json"
        for run in range(1000)
        for dataset in ("ucf101", "my data")
        for split in (1, 2, 3)
        for protocol in ("finetune", "linear")
    ]
    text = argument("the_files", files)
    assert len(text) < 200 and text == argument("the_files", files)
    assert text != argument("the_files", files[:-1])
    seen: list[Path] = []

    def stage(the_files: list[Path]) -> None:
        seen.extend(the_files)

    command_line(stage, shlex.split(text))
    assert seen == [Path(file) for file in files]
    (written,) = [path for path in (tmp_path / TEXTS).iterdir() if path.name in text]
    written.write_text("[1,")
    with pytest.raises(SystemExit):
        command_line(stage, shlex.split(text))
    argument("the_files", files)
    assert json.loads(written.read_text()) == files, "a damaged list is written again"
