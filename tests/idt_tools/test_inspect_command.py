"""`idt inspect` on the files of every kind, and on files that are not HDF5 or are damaged."""

import pty
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from idt_tools import cli
from workflow_scripts.ground.artifacts import dataset, write_hdf5
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result

IDT = [sys.executable, "-m", "idt_tools.cli"]


def inspect(capsys: pytest.CaptureFixture[str], *places: Path | str) -> str:
    capsys.readouterr()
    assert cli.main(["inspect", *map(str, places)]) == 0
    return capsys.readouterr().out


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A file of the pipeline with a group per video for 50 videos, of which 5 failed."""
    path = tmp_path / "shard.h5"
    parameters = {"persons": "masked", "settings": {"max_side": 320}}
    with write_hdf5(path, stage="trajectories", version=7, parameters=parameters, videos="0123abcd") as file:
        for i in range(50):
            group = file.create_group(f"video_{i:02d}")
            failed = i % 10 == 3
            group.attrs.update({"status": "too_short" if failed else "ok", "reason": f"{i} frames" if failed else ""})
            group.attrs.update({"n_frames": i, "fps": 25.0, "key": str(i)})
            dataset(group, "info", np.zeros((i, 10), np.float32), unit="pixel", meaning="where and when")
            if i:
                dataset(group, "extra/more", np.zeros(3, np.int64))
    return path


def test_inspect_summarizes_groups(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspect(capsys, shard).splitlines()
    text = "\n".join(lines)
    assert len(lines) < 25
    assert lines[0].startswith(f"{shard}: HDF5, ")
    assert "trajectories, VERSION 7" in text and "settings.max_side: 320" in text and "videos 0123abcd" in text
    assert "50: 45 ok, 5 failed (too_short 5)" in text
    assert "video_03 is too_short: 3 frames" in text and "video_43" not in text and "and 2 more" in text
    assert "50 groups: video_00, video_01, video_02 and 47 more" in text
    assert "n_frames 0..49" in text and "fps 25," in text
    (info,) = [line for line in lines if line.startswith("  info ")]
    assert info.split() == ["info", "(0..49,", "10)", "float32", "where", "and", "when", "[pixel]"]
    assert "extra/more" in text and "(3)" in text and "int64 (in 49 of 50)" in text


def test_inspect_one_group(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = inspect(capsys, f"{shard}:video_13")
    assert "too_short" in text and "(13, 10)" in text and "video_12" not in text
    assert cli.main(["inspect", f"{shard}:video_99"]) == 1
    assert f"{shard}: it holds no group 'video_99'; it holds video_00" in capsys.readouterr().err


def test_inspect_file_of_extract(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "square.h5"
    assert cli.main(["extract", str(video), "-o", str(output)]) == 0
    text = inspect(capsys, output)
    with h5py.File(output) as file:
        assert f"({len(file['info'])}, 10)" in text
    assert "idt extract" in text and "sampling_step: 5" in text and "square.mp4" in text
    assert "end_frame, mean_x" in text and "trajectory_0 to mbhy_95" in text


def test_inspect_videos_in_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with write_hdf5(tmp_path / "rows.h5", stage="encoding", version=1, parameters={}) as file:
        dataset(file, "video_id", ["a", "b"])
        dataset(file, "status", ["ok", "corrupted"])
        dataset(file, "reason", ["", "decoding failed"])
    text = inspect(capsys, tmp_path / "rows.h5")
    assert "2: 1 ok, 1 failed (corrupted 1)" in text and "b is corrupted: decoding failed" in text
    assert "text" in text and "object" not in text


def test_inspect_other_files_one_sentence_each(
    shard: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(process_shard(tmp_path / "store", {"a": "1"}, lambda name: Result(), stage="test"))
    (tmp_path / "rows.txt").write_text("1\t2\t3\n")
    (tmp_path / "empty.h5").touch()
    whole = shard.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    expected = {
        tmp_path / "none.h5": "there is no such file",
        tmp_path: "it is a folder; name an HDF5 file in it",
        tmp_path / "store": "it is not an HDF5 file",
        tmp_path / "rows.txt": "it is not an HDF5 file but a text file",
        video: "it is not an HDF5 file",
        tmp_path / "empty.h5": "it is truncated",
        tmp_path / "cut.h5": "it is truncated; delete it and make it again",
    }
    capsys.readouterr()
    assert cli.main(["inspect", *map(str, expected), str(shard)]) == 1
    printed = capsys.readouterr()
    for line, (path, sentence) in zip(printed.err.splitlines(), expected.items(), strict=True):
        assert line.startswith(f"error: {path}: {sentence}")
    assert "50 groups" in printed.out  # the whole file


@pytest.mark.slow
def test_inspect_damaged_file_one_sentence(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = shard.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(40):
        damaged = np.frombuffer(whole, np.uint8).copy()
        start = draw.integers(len(damaged))
        damaged[start : start + 200] ^= 0xA5
        shard.write_bytes(damaged.tobytes())
        code = cli.main(["inspect", str(shard)])
        printed = capsys.readouterr()
        assert code == 0 or (code == 1 and printed.err.startswith(f"error: {shard}: "))


@pytest.mark.slow
def test_inspect_wraps_lines_only_in_terminal(shard: Path) -> None:
    piped = subprocess.run([*IDT, "inspect", shard], capture_output=True, text=True, check=True).stdout
    assert any(line.startswith("50 groups") and line.endswith("in each") for line in piped.splitlines())
    own_end, terminal_end = pty.openpty()
    environment = {"COLUMNS": "60", "PATH": "/usr/bin"}
    subprocess.run([*IDT, "inspect", shard.name], stdout=terminal_end, cwd=shard.parent, check=True, env=environment)
    with open(own_end, "rb", closefd=True) as terminal:
        shown = terminal.read1(65536).decode().splitlines()
    assert max(map(len, shown)) <= 60 < max(map(len, piped.splitlines()))


def test_inspect_closed_pipe(shard: Path) -> None:
    command = f"{sys.executable} -m idt_tools.cli inspect {shard} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
