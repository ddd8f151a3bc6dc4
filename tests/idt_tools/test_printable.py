"""`idt`, `dtc`, the stages and their logs print control characters as escapes."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idt_tools import cli
from idt_tools.printable import printable
from workflow_scripts import cli as dtc
from workflow_scripts.ground.stage import StageError

HOSTILE = "a\x1b[31m\x1b]0;owned\x07\r\x9b2J\u202egpj"
CONTROLS = set("\x1b\x07\r\x9b\u202e\x08\x00")


@given(st.text())
def test_printable_escapes_control_characters(text: str) -> None:
    shown = printable(text)
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert printable("naïve 名前 😀 a/b.mp4\n\tx") == "naïve 名前 😀 a/b.mp4\n\tx"
    if text.isascii() and text.isprintable():
        assert shown == text


def test_idt_prints_hostile_names(video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{HOSTILE}.h5"
    with h5py.File(path, "w") as file:
        file.attrs["stage"] = HOSTILE
        file.create_group(HOSTILE).attrs.update({"status": HOSTILE, "reason": HOSTILE})
    shutil.copy(video, tmp_path / f"{HOSTILE}.mp4")
    shutil.copy(path, tmp_path / "bad.mp4")
    assert cli.main(["inspect", str(path), f"{path}:{HOSTILE}", str(tmp_path / f"{HOSTILE}.mp4")]) == 1
    assert cli.main(["extract", str(tmp_path / f"{HOSTILE}.mp4"), "-o", f"{tmp_path}/{HOSTILE}.txt"]) == 0
    assert cli.main(["extract", str(path), str(tmp_path / "bad.mp4"), "-o", f"{tmp_path}/{HOSTILE}/"]) == 1
    with pytest.raises(SystemExit):
        cli.main(["extract", "a.mp4", "-o", "a.h5", f"--{HOSTILE}"])
    shown = capfd.readouterr()
    assert not CONTROLS & set(shown.out + shown.err)
    assert shown.out.count(r"a\x1b[31m") > 3 and shown.err.count(r"a\x1b[31m") > 2


def test_dtc_and_stages_print_hostile_names(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dtc.main(["neighbours", HOSTILE, "--among", str(tmp_path / HOSTILE)]) == 1
    arguments = ["--videos", str(tmp_path / HOSTILE), "--output", "x", "--store", "y", "--detector", "hog"]
    log = tmp_path / "log.txt"
    done = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.persons.detect_persons", *arguments, "--log", str(log)],
        capture_output=True,
        text=True,
    )
    shown = capfd.readouterr()
    text = shown.out + shown.err + done.stdout + done.stderr + log.read_text()
    assert done.returncode and text.count(r"a\x1b[31m") >= 3 and not CONTROLS & set(text)
    assert not CONTROLS & set(str(StageError(HOSTILE)))  # Snakemake prints this text
