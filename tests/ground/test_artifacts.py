"""Artifacts are complete or absent, and damage is detected."""

import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idt_tools.attributes import read_attributes, write_attributes
from workflow_scripts.ground.artifacts import (
    dataset,
    read_columns,
    read_hdf5,
    read_json,
    remove,
    write_columns,
    write_hdf5,
    write_json,
)
from workflow_scripts.ground.stage import StageError


def _write(path: Path, value: float = 1.0) -> None:
    with write_hdf5(path, stage="test", version=3, parameters={"k": 2}, codebook="abc") as file:
        dataset(file, "numbers", np.full((5, 2), value, np.float32), unit="px", meaning="five points")
        dataset(file, "names", ["ä", "b"])
        dataset(file, "empty", np.zeros((0, 426), np.float16))


def test_write_hdf5_describes_its_file_and_repeats_its_bytes(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "x.h5")
    _write(tmp_path / "b" / "x.h5")
    assert (tmp_path / "a" / "x.h5").read_bytes() == (tmp_path / "b" / "x.h5").read_bytes()
    with h5py.File(tmp_path / "a" / "x.h5") as file:
        attributes = read_attributes(file)
        assert (attributes["stage"], attributes["VERSION"], attributes["input_codebook"]) == ("test", 3, "abc")
        assert read_attributes(file["numbers"])["unit"] == "px" and file["numbers"].fletcher32
        assert list(file["names"].asstr()[:]) == ["ä", "b"]
        assert file["empty"].shape == (0, 426)


def test_write_hdf5_keeps_the_old_file_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    _write(path, 1.0)
    with pytest.raises(RuntimeError), write_hdf5(path, stage="test", version=3, parameters={}):
        raise RuntimeError("killed")
    with h5py.File(path) as file:
        assert (file["numbers"][:] == 1.0).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.h5"]


def _content(path: Path) -> dict[str, object]:
    """Returns all attributes and data of a file."""
    content: dict[str, object] = {}
    with read_hdf5(path) as file:
        content["/"] = read_attributes(file), sorted(file)

        def add(name: str, member: h5py.Group | h5py.Dataset) -> None:
            data = member[()].tobytes() if isinstance(member, h5py.Dataset) else b""
            content[name] = read_attributes(member), data

        file.visititems(add)
    return content


def test_read_hdf5_detects_flipped_bits(tmp_path: Path) -> None:
    path, damaged = tmp_path / "x.h5", tmp_path / "damaged.h5"
    with write_hdf5(path, stage="test", version=3, parameters={"k": 2}, codebook="abc") as file:
        for name in ("video", "another"):
            group = file.create_group(name)
            write_attributes(
                group, {"status": "ok", "reason": "", "key": "0123456789abcdef", "fps": 25.0, "n_frames": 4}
            )
            dataset(group, "numbers", np.arange(1000.0), unit="px", meaning="a thousand points")
        dataset(file, "names", ["ä", "b"])
    expected, content = _content(path), bytearray(path.read_bytes())
    n_detected = 0
    for place in range(0, len(content), 37):
        content[place] ^= 1 << place % 8
        damaged.write_bytes(content)
        content[place] ^= 1 << place % 8
        try:
            assert _content(damaged) == expected, f"byte {place}"  # an unused byte of the file
        except StageError as error:
            assert f"{damaged} is damaged" in str(error) and f"type `rm {damaged}`" in str(error)
            n_detected += 1
    assert n_detected > 0.8 * len(content) / 37


@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.99])
def test_read_hdf5_names_a_truncated_file_and_the_remedy(tmp_path: Path, fraction: float) -> None:
    _write(tmp_path / "it's.h5")
    content = (tmp_path / "it's.h5").read_bytes()
    (tmp_path / "it's.h5").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(StageError, match=r"it's\.h5 is damaged .*then run the same command again") as raised:
        _content(tmp_path / "it's.h5")
    (command,) = re.findall("`(rm .*)`", str(raised.value))
    subprocess.run(command, shell=True, check=True)
    assert not list(tmp_path.iterdir())


def test_read_hdf5_passes_on_errors_of_its_block(tmp_path: Path) -> None:
    _write(tmp_path / "x.h5")
    with pytest.raises(StageError, match="there is no such file"), read_hdf5(tmp_path / "y.h5"):
        pass
    with pytest.raises(KeyError), read_hdf5(tmp_path / "x.h5"):
        raise KeyError("key of a dict")


def test_write_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@given(st.lists(st.text() | st.text("\\\\tnrxu0\t\n\r\v\f\x1c\x85\u2028\ud800\udce9"), min_size=2, max_size=2))
def test_read_columns_returns_any_text_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.tsv"
    write_columns(path, [{"a": values[0], "b": values[1]}, {"a": "1", "b": '"2"'}], ["a", "b"])
    rows = read_columns(path)
    assert rows == [{"a": values[0], "b": values[1]}, {"a": "1", "b": '"2"'}]
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    assert [line.count("\t") for line in lines] == [1, 1, 1]


def _index(folder: Path) -> dict[str, Path]:
    """Writes tables and JSON like the stage that indexes videos."""
    rows = [{"video_id": f"video-{number:03d}", "label": "a b", "path": "x/ä.mp4"} for number in range(50)]
    files = {name: folder / "videos" / name for name in ("shards/000of001.tsv", "splits.tsv", "index.tsv")}
    for path in files.values():
        write_columns(path, rows, ["video_id", "label", "path"])
    write_json(folder / "videos" / "totals.json", {"videos": 50, "frames": 1234})
    return files | {"totals.json": folder / "videos" / "totals.json"}


@pytest.mark.parametrize("name", ["index.tsv", "splits.tsv", "shards/000of001.tsv", "totals.json"])
def test_read_text_detects_flipped_bits_and_names_the_remedy(tmp_path: Path, name: str) -> None:
    files = _index(tmp_path / "it's")
    path, read = files[name], read_json if name.endswith("json") else read_columns
    content, whole = path.read_bytes(), read(path)
    for place in range(0, len(content), 17):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(StageError, match="is damaged or was edited") as raised:
            read(path)
    path.write_bytes(content[:-9])
    with pytest.raises(StageError, match="is damaged or was edited"):
        read(path)
    remove_all, accept_edit = re.findall("`(rm .*?)`", str(raised.value))
    subprocess.run(accept_edit, shell=True, check=True)
    assert read_columns(path) if name.endswith("tsv") else path.exists()
    path.write_bytes(content)
    assert read(path) == whole
    subprocess.run(remove_all, shell=True, check=True)
    assert not path.exists() and not files["index.tsv"].exists()  # the stage videos then writes all files again
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_read_columns_of_a_copy_without_checksum(tmp_path: Path) -> None:
    path = _index(tmp_path)["index.tsv"]
    assert path.read_text().splitlines()[:2] == ["video_id\tlabel\tpath", "video-000\ta b\tx/ä.mp4"]
    copy = tmp_path / "copy.tsv"
    copy.write_bytes(path.read_bytes()[:-1])
    assert len(read_columns(copy)) == 50  # it has no checksum
    remove(path)
    assert not list(path.parent.glob("*index*")) and not list(path.parent.glob(".index*"))


def test_write_json_killed_before_the_rename_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    replace = os.replace

    def killed(source: str, target: Path) -> None:
        if Path(target) == path:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                write_json(path, 2)
    assert read_json(path) == 1
    write_json(path, 3)
    assert read_json(path) == 3
