"""`dtc neighbours`: the videos that are nearest to one."""

import shutil
from pathlib import Path

import h5py
import pytest
from embedded_files import read_embedded, write_model

from workflow_scripts.cli import main


def test_find_neighbours_equals_a_sorted_product(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_embedded(embedded)
    for space in ("embedding", "features"):
        assert main(["neighbours", "walk_beach_00", "--among", str(embedded), "-n", "3", "--space", space]) == 0
        lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        own = next(i for i, name in enumerate(rows["video"]) if name.endswith("walk_beach_00.mp4"))
        cosines = rows[space] @ rows[space][own]
        others = sorted((i for i in range(4) if i != own), key=lambda i: -cosines[i])
        assert [name for _, name in lines] == [rows["video"][i] for i in others]
        assert [float(cosine) for cosine, _ in lines] == pytest.approx([cosines[i] for i in others], abs=1e-4)
    other = shutil.copy(videos / "spin" / "spin_bricks_00.mp4", tmp_path / "mine.mp4")
    assert main(["neighbours", str(other), "--among", str(embedded), "-n", "1", "--model", str(model)]) == 0
    cosine, name = capsys.readouterr().out.split()
    assert float(cosine) == pytest.approx(1, abs=1e-4) and name.endswith("spin_bricks_00.mp4")


def test_find_neighbours_reports_a_mistake_in_one_sentence(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_model(tmp_path / "other.pt", seed=1)
    mine = shutil.copy(videos / "walk" / "walk_beach_00.mp4", tmp_path / "mine.mp4")
    damaged = Path(shutil.copy(embedded, tmp_path / "damaged.h5"))
    with h5py.File(damaged, "r+") as file:
        del file.attrs["parameters"]
    for command, sentence in (
        (["neighbours", "nobody", "--among", str(embedded)], "nobody: it is neither a video in"),
        (["neighbours", str(mine), "--among", str(embedded)], "give --model"),
        (["neighbours", str(mine), "--among", str(embedded), "--model", str(other)], "another network made"),
        (["neighbours", str(mine), "--among", str(damaged), "--model", str(model)], "parameters cannot be read"),
        (["neighbours", "x", "--among", str(tmp_path / "none.h5")], "there is no such file"),
    ):
        assert main(command) == 1
        lines = capsys.readouterr().err.strip().splitlines()
        assert sentence in lines[-1] and lines[-1].startswith("error: ")


def test_find_neighbours_has_no_embedding_of_a_supervised_network(videos: Path, tmp_path: Path) -> None:
    supervised = write_model(tmp_path / "supervised.pt", classes=3)
    assert main(["embed", str(videos / "walk"), "--model", str(supervised), "-o", str(tmp_path / "o.h5")]) == 0
    assert "embedding" not in read_embedded(tmp_path / "o.h5")
    assert main(["neighbours", "walk_beach_00", "--among", str(tmp_path / "o.h5"), "--space", "embedding"]) == 1
