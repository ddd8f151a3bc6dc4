"""Files are whole or not there, say what they are, and equal work gives equal bytes."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.artifacts import dataset, read_columns, write_columns, write_hdf5, write_json


def _write(path: Path, value: float = 1.0) -> None:
    with write_hdf5(path, stage="test", version=3, parameters={"k": 2}, codebook="abc") as file:
        dataset(file, "numbers", np.full((5, 2), value, np.float32), unit="px", meaning="five points")
        dataset(file, "names", ["ä", "b"])
        dataset(file, "empty", np.zeros((0, 426), np.float16))


def test_a_file_tells_what_it_is_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "x.h5")
    _write(tmp_path / "b" / "x.h5")
    assert (tmp_path / "a" / "x.h5").read_bytes() == (tmp_path / "b" / "x.h5").read_bytes()
    with h5py.File(tmp_path / "a" / "x.h5") as file:
        assert (file.attrs["stage"], file.attrs["VERSION"], file.attrs["input_codebook"]) == ("test", 3, "abc")
        assert file["numbers"].attrs["unit"] == "px" and file["numbers"].fletcher32
        assert list(file["names"].asstr()[:]) == ["ä", "b"]
        assert file["empty"].shape == (0, 426)


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    _write(path, 1.0)
    with pytest.raises(RuntimeError), write_hdf5(path, stage="test", version=3, parameters={}):
        raise RuntimeError("killed")
    with h5py.File(path) as file:
        assert (file["numbers"][:] == 1.0).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.h5"]


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2))
def test_any_text_keeps_a_table_rectangular(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    path = tmp_path_factory.mktemp("table") / "t.tsv"
    write_columns(path, [{"a": values[0], "b": values[1]}, {"a": "1", "b": '"2"'}], ["a", "b"])
    rows = read_columns(path)
    assert [set(row) for row in rows] == [{"a", "b"}] * 2
    assert rows[1] == {"a": "1", "b": '"2"'}
    if not set("".join(values)) & set("\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        assert rows[0] == {"a": values[0], "b": values[1]}
