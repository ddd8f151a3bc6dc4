"""The curves of a training: the rows of history.csv and TensorBoard's events, also after a restart."""

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workflow_scripts.ground.curves import COLUMNS, PLOTTED, Curves, newest_values, read_rows
from workflow_scripts.ground.stage import StageError

REPOSITORY = Path(__file__).parents[2]


def add_rows(curves: Curves, *steps: int) -> None:
    for step in steps:
        curves.add({"epoch": 0, "step": step, "loss": 1 / step, "knn": 0.5 if step % 10 == 0 else None})


def steps(folder: Path) -> list[int]:
    return [int(row["step"]) for row in read_rows(folder / "history.csv")]


def plotted(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve as TensorBoard reads them."""
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_curves_go_on_after_a_restart(tmp_path: Path) -> None:
    add_rows(Curves(tmp_path, "a", 0, 40), 5, 10, 15)
    with open(tmp_path / "history.csv", "a") as file:
        file.write("a,2026-01-01T00:00:00+00:00,0,16,")  # a kill during the writing of a row
    add_rows(Curves(tmp_path, "a", 12, 40), 17, 20)
    assert steps(tmp_path) == [5, 10, 17, 20]
    points = plotted(tmp_path)
    assert points["learning/loss"] == [(step, pytest.approx(1 / step)) for step in (5, 10, 17, 20)]
    assert points["quality/knn"] == [(10, 0.5), (20, 0.5)]
    assert set(points) == {"learning/loss", "quality/knn", "speed/remaining"}
    rows = read_rows(tmp_path / "history.csv")
    assert float(rows[0]["loss"]) == 1 / 5 and rows[0]["knn"] == "" and list(rows[0]) == list(COLUMNS)


def test_curves_of_another_training_are_replaced(tmp_path: Path) -> None:
    """The step of a checkpoint says nothing about the rows of a training with other settings."""
    add_rows(Curves(tmp_path, "a", 0, 40), 5, 10)
    add_rows(Curves(tmp_path, "b", 20, 40), 25)
    assert steps(tmp_path) == [25] and plotted(tmp_path)["learning/loss"] == [(25, pytest.approx(1 / 25))]


def test_curves_keep_the_rows_of_a_file_with_fewer_columns(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("training,step,time\na,5,2026-01-01T00:00:00+00:00\n")
    add_rows(Curves(tmp_path, "a", 5, 40), 10)
    assert steps(tmp_path) == [5, 10]


def test_curves_without_tensorboard_are_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)  # its import fails
    add_rows(Curves(tmp_path, "a", 0, 40), 5)
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"] and steps(tmp_path) == [5]
    assert [record.levelname for record in caplog.records] == ["DEBUG"] and "pip install '.[watch]'" in caplog.text


def test_curves_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    curves = Curves(tmp_path, "a", 0, 40)
    (tmp_path / "history.csv").unlink()
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(StageError, match=r"history\.csv: Is a directory"):
        add_rows(curves, 5)


def test_newest_values_are_the_last_of_each_column(tmp_path: Path) -> None:
    add_rows(Curves(tmp_path, "a", 0, 40), 5, 10, 15)
    newest = newest_values(tmp_path / "history.csv")
    assert (newest["step"], newest["knn"]) == ("15", "0.5") and "accuracy" not in newest
    assert newest_values(tmp_path / "none.csv") == {}


def test_docs_explain_every_column() -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    assert [name for name in COLUMNS if f"`{name}`" not in page] == []
    assert [group for group in PLOTTED if f"`{group}`" not in page] == []
