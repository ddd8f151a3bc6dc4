"""The stage that reads a vector per video from a user's file."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from workflow_scripts.encoding.read_vectors import read_file, read_vectors
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.identity import video_id
from workflow_scripts.ground.stage import StageError

PATHS = ["walk/a.mp4", "walk/NA.mp4", "jump/ö, 1.mp4", "jump/d.mp4"]
IDS = [video_id(path) for path in PATHS]
ROWS = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, -2.0], [1e-3, 0.0, 0.0], [5.0, 0.0, 12.0]])
Write = Callable[[Path, str, Sequence[str], np.ndarray], None]


def _hdf5(path: Path, key: str, names: Sequence[str], rows: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file[key] = np.char.encode(list(names), "utf-8")
        file["vectors"] = rows


def _npz(path: Path, key: str, names: Sequence[str], rows: np.ndarray) -> None:
    np.savez(path, **{key: list(names), "vectors": rows})


def _table(key: str, names: Sequence[str], rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[f"v{number}" for number in range(rows.shape[1])]).assign(**{key: list(names)})


def _csv(path: Path, key: str, names: Sequence[str], rows: np.ndarray) -> None:
    _table(key, names, rows).to_csv(path, index=False)


def _parquet(path: Path, key: str, names: Sequence[str], rows: np.ndarray) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, which is not a dependency")
    _table(key, names, rows).to_parquet(path)


def _parquet_of_lists(path: Path, key: str, names: Sequence[str], rows: np.ndarray) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, which is not a dependency")
    pd.DataFrame({key: list(names), "vectors": list(rows)}).to_parquet(path)


FORMATS = [
    ("own.h5", _hdf5),
    ("own.hdf5", _hdf5),
    ("own.npz", _npz),
    ("own.csv", _csv),
    ("own.parquet", _parquet),
    ("lists.parquet", _parquet_of_lists),
]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Returns a function that runs the stage on a file for a shard with all videos but the last, and opens its output.

    The index has one video more.
    """
    rows = [{"video_id": name, "path": str(tmp_path / "videos" / path)} for name, path in zip(IDS, PATHS, strict=True)]
    write_columns(tmp_path / "index.tsv", rows, ["video_id", "path"])
    write_columns(tmp_path / "shard.tsv", rows[:3], ["video_id", "path"])

    def run(file: Path) -> dict[str, Any]:
        output = tmp_path / "out.h5"
        read_vectors(tmp_path / "shard.tsv", tmp_path / "index.tsv", file, tmp_path / "videos", output)
        with h5py.File(output) as read:
            return {key: read[key].asstr()[:] if read[key].dtype.kind == "S" else read[key][:] for key in read}

    return run


@pytest.mark.parametrize(("name", "write"), FORMATS, ids=[write.__name__ + name for name, write in FORMATS])
@pytest.mark.parametrize("key", ["video_id", "path"])
def test_read_vectors_of_each_format_are_rows_at_unit_length(
    tmp_path: Path, read: Callable[..., dict[str, Any]], name: str, write: Write, key: str
) -> None:
    order = [2, 0, 3, 1]  # not that of the shard
    names = IDS if key == "video_id" else PATHS
    write(tmp_path / name, key, [names[i] for i in order], ROWS[order])
    output = read(tmp_path / name)
    assert list(output["video_id"]) == sorted(IDS[:3]) and set(output["status"]) == {"ok"}
    expected = {IDS[0]: [0.6, 0.8, 0], IDS[1]: [0, 0, -1], IDS[2]: [1, 0, 0]}
    assert output["sketch"].dtype == np.float32
    np.testing.assert_allclose(output["sketch"], [expected[one] for one in output["video_id"]], rtol=1e-6)


def test_read_vectors_takes_the_paths_of_the_index(tmp_path: Path, read: Callable[..., dict[str, Any]]) -> None:
    _npz(tmp_path / "own.npz", "path", [str(tmp_path / "videos" / path) for path in PATHS], ROWS)
    assert set(read(tmp_path / "own.npz")["status"]) == {"ok"}


def test_read_vectors_gives_a_status_to_a_video_without_vector(
    tmp_path: Path, read: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rows = np.array([[np.nan, 1, 2], [0, 0, 0], [7, 7, 7]])
    _csv(tmp_path / "own.csv", "path", [PATHS[0], PATHS[1], "of/another/dataset.mp4"], rows)
    output = read(tmp_path / "own.csv")
    outcome = {
        name: (status, reason)
        for name, status, reason in zip(*(output[key] for key in ("video_id", "status", "reason")), strict=True)
    }
    assert outcome == {
        IDS[0]: ("not_finite", "own.csv: a number of its vector is missing or not finite"),
        IDS[1]: ("ok", ""),
        IDS[2]: ("no_vector", "own.csv has no vector of this video"),
    }
    assert not output["sketch"].any(), "zeros stay zeros"
    assert "1 of 3 rows name no video of this dataset, for example of/another/dataset.mp4" in caplog.text
    assert f"{IDS[2]} is no_vector" in caplog.text


def test_read_vectors_refuses_numbers_whose_length_overflows(
    tmp_path: Path, read: Callable[..., dict[str, Any]]
) -> None:
    _npz(tmp_path / "own.npz", "video_id", IDS[:3], ROWS[:3] * 1e300)
    assert set(read(tmp_path / "own.npz")["status"]) == {"not_finite"}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            [PATHS[0], PATHS[1], "walk/../walk/a.mp4", PATHS[3]],
            "two rows name the video walk/../walk/a.mp4; remove one",
        ),
        (
            ["b/1.mp4", "b/2.mp4", "b/3.mp4", "b/4.mp4"],
            "no path in it is that of a video in .*for example b/1.mp4, b/2",
        ),
    ],
)
def test_read_vectors_refuses_duplicate_and_foreign_rows(
    tmp_path: Path, read: Callable[..., dict[str, Any]], names: list[str], sentence: str
) -> None:
    _npz(tmp_path / "own.npz", "path", names, ROWS)
    with pytest.raises(StageError, match=f"own.npz: {sentence}"):
        read(tmp_path / "own.npz")


def _hdf5_of_strings(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["path"], file["vectors"] = PATHS, ROWS


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("key.npz", lambda path: np.savez(path, name=PATHS, vectors=ROWS), "it has no video_id and no path; it has name"),
    ("short.npz", lambda path: _npz(path, "path", PATHS[:3], ROWS), r"the shape \(4, 3\), not \(3, D\), for 3 names"),
    ("flat.h5", lambda path: _hdf5(path, "path", PATHS, ROWS[0]), r"the shape \(3,\), not \(4, D\)"),
    ("text.npz", lambda path: _npz(path, "path", PATHS, ROWS.astype(str)), "of type <U32, not numbers"),
    ("none.npz", lambda path: np.savez(path, path=PATHS), "vectors"),
    ("object.npz", lambda path: _npz(path, "path", PATHS, ROWS.astype(object)), "Object arrays cannot be loaded"),
    ("array.npz", lambda path: np.save(path.open("wb"), ROWS), "it is not an NPZ file, or it is damaged"),
    ("strings.h5", _hdf5_of_strings, "path is of type object, not text"),
    ("bytes.h5", lambda path: path.write_bytes(b"no"), "it is not an HDF5 file"),
    ("bytes.npz", lambda path: path.write_bytes(b"PKno"), "it is not an NPZ file"),
    ("empty.npz", lambda path: path.touch(), "it is not an NPZ file"),
    ("empty.csv", lambda path: path.touch(), "No columns to parse"),
    (
        "text.csv",
        lambda path: path.write_text("path,a,b\nx.mp4,1,wide\n"),
        "Unable to parse string 'wide' at position 0",
    ),
    ("long.csv", lambda path: path.write_text("path,a\nx.mp4,1,2\n"), "a line has more cells than the first"),
    ("longer.csv", lambda path: path.write_text("path,a\nx.mp4,1\ny.mp4,1,2\n"), "Expected 2 fields in line 3, saw 3"),
    ("bare.csv", lambda path: path.write_text("path\nx.mp4\n"), r"the shape \(1, 0\)"),
    ("latin.csv", lambda path: path.write_bytes(b"path,a\n\xe9.mp4,1\n"), "utf-8"),
]


@pytest.mark.parametrize(("name", "write", "reason"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_read_file_names_the_file_and_the_fault(
    tmp_path: Path, name: str, write: Callable[[Path], object], reason: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(StageError, match=rf"^{tmp_path}/{name}: .*({reason}).*; docs/datasets.md describes"):
        read_file(tmp_path / name)


def test_read_file_refuses_every_truncated_npz(tmp_path: Path) -> None:
    _npz(tmp_path / "own.npz", "path", PATHS, ROWS)
    whole = (tmp_path / "own.npz").read_bytes()
    for length in range(1, len(whole), 41):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(StageError, match=r"cut\.npz: "):
            read_file(tmp_path / "cut.npz")


def test_read_file_says_how_to_read_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "own.parquet").touch()
    with pytest.raises(StageError, match=r"own.parquet: it cannot be read without pyarrow; run `pip install pyarrow`"):
        read_file(tmp_path / "own.parquet")


def test_equal_files_give_equal_bytes(tmp_path: Path, read: Callable[..., dict[str, Any]]) -> None:
    _npz(tmp_path / "own.npz", "path", PATHS, ROWS)
    read(tmp_path / "own.npz")
    shutil.copy(tmp_path / "out.h5", tmp_path / "first.h5")
    read(tmp_path / "own.npz")
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "out.h5").read_bytes()
