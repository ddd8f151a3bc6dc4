"""`open_results`: the tables and arrays of a whole run, and its errors."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot
from workflow import REPOSITORY, Workflow

from workflow_scripts import open_results
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.results import Results

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def results(tiny: Workflow) -> Results:
    return open_results(tiny.folder / "results")


@pytest.fixture
def damaged(tiny: Workflow, tmp_path: Path) -> Path:
    """A copy of the results, to be damaged."""
    shutil.copytree(tiny.folder / "results", tmp_path / "results")
    return tmp_path / "results"


def test_tables_join_by_video_id(results: Results) -> None:
    assert results.datasets == ["tiny", "tiny_test"] and results.config["clusters"]["k"] == 3
    index, sketches, clusters = results.index(), results.sketches(), results.clusters()
    assert len(index) == 12 and set(index["label"]) == {"wave", "walk", "spin"}
    assert sketches.shape == (12, 64) and results.embeddings("la").shape == (12, 16)
    assert results.features("la").shape == (12, 64)
    table = index.join(clusters["idt", "all kmeans_k3_m2_s0", 1].rename("cluster")).join(sketches)
    assert len(table) == 12 and table.notna().all(axis=None) and {0, 1, 2} >= set(table["cluster"])
    splits = results.splits("tiny_test")
    assert len(splits) == 12 and splits.index.isin(results.index("tiny_test").index).all()


def test_training_free_prints_a_row_per_description(tiny: Workflow) -> None:
    command = [sys.executable, "-m", "benchmarks.training_free", "results"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tiny.folder, env=environment)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    names = ["color histogram", "mean frame", "flow histogram", "IDT: trajectory", "IDT: hog", "IDT: hof", "IDT: mbh"]
    assert [row[0] for row in rows] == [*names, "IDT: all channels"] + ["random network"] * (len(rows) - 8)
    for _, *accuracies, motion, place in rows:
        for accuracy in accuracies:
            mean, low, high = map(float, re.findall(r"[\d.]+", accuracy))
            assert 0 <= low <= mean <= high <= 100
        assert 0 <= float(motion) <= 1 and 0 <= float(place) <= 1


def test_tables_equal_files(results: Results) -> None:
    with h5py.File(next(results.folder.glob("tiny/encoding/idt/*.h5"))) as file:
        ids = file["video_id"].asstr()[:]
        assert (results.sketches().loc[ids].to_numpy() == file["sketch"][:]).all()
    with h5py.File(results.folder / "evaluation/la/seed0/clusters.h5") as file:
        labels = pd.DataFrame(file["labels"][:].T, file["video_id"].asstr()[:])
    clusters = results.clusters()["la", "seed0"].dropna()
    assert (clusters.loc[labels.index].to_numpy() == labels.to_numpy()).all()
    rows = read_columns(results.folder / "tables" / "method_table.tsv")
    accuracies = results.accuracies().groupby(["run", "protocol"])["accuracy"].mean()
    for row in rows:
        if row["shots"] in ("", "all"):
            assert accuracies[row["run"], row["protocol"]] == pytest.approx(float(row["accuracy"]), abs=1e-4)


def test_trajectories_are_read_when_indexed(results: Results) -> None:
    trajectories = results.trajectories()
    assert set(trajectories) == set(results.index().index) and len(trajectories) == 12
    of_video = next(iter(trajectories.values()))
    assert of_video.info.shape[1] == 10 and of_video.descriptors[:2].shape == (2, 426)
    assert len(np.asarray(of_video.info, np.float64)) == len(of_video.descriptors) > 0


def test_boxes_are_read_when_indexed(results: Results, damaged: Path) -> None:
    for shard in ("000of002", "001of002"):
        path = damaged / "tiny" / "persons" / "hog" / f"{shard}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for video_id in results.index().query("shard == @shard").index:
                group = file.create_group(video_id)
                group.attrs.update(status="ok", reason="")
                group["boxes"] = np.ones((3, 6), np.float32)
    boxes = open_results(damaged).boxes(detector="hog")
    assert len(boxes) == 12 and all(array[1:].shape == (2, 6) for array in boxes.values())


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda results: results.index("other"), "holds no dataset other; it holds tiny, tiny_test"),
        (lambda results: results.sketches(descriptors="other"), "other.*no such file"),
        (lambda results: results.trajectories(descriptors="other"), "other.*no such file"),
        (lambda results: results.embeddings("la", seed=7), r"seed7.*no such file"),
        (lambda results: results.features("la", dataset="tiny"), "features.h5"),
        (lambda results: results.boxes(), "name a detector"),
        (lambda results: results.trajectories()["other"], "no file holds the video other"),
    ],
)
def test_errors_name_file_and_remedy(results: Results, read: Callable[[Results], object], reason: str) -> None:
    with pytest.raises(StageError, match=reason):
        read(results)


def test_damaged_and_missing_files_raise_stage_error(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="run snakemake first"):
        open_results(tmp_path)
    results = open_results(damaged)
    next(damaged.glob("tiny/encoding/idt/*.h5")).write_bytes(b"damaged")
    with pytest.raises(StageError, match="damaged"):
        results.sketches()
    shutil.rmtree(damaged / "evaluation")
    with pytest.raises(StageError, match="no evaluation yet"):
        results.accuracies()
    shutil.rmtree(damaged / "tiny" / "clusters")
    with pytest.raises(StageError, match="no clusters yet"):
        results.clusters()
    (damaged / "tiny" / "videos" / "index.tsv").write_text("edited")
    with pytest.raises(StageError, match="edited"):
        results.index()


def test_model_without_bank_has_no_embeddings(damaged: Path) -> None:
    path = damaged / "pretraining" / "la" / "seed0" / "model.pt"
    torch.save({**torch.load(path, weights_only=True), "bank": None}, path)
    with pytest.raises(StageError, match=r"without a memory bank.*features\(\)"):
        open_results(damaged).embeddings("la")


def test_tutorial_runs(tiny: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook reads `../results`, since Jupyter runs it in `docs`."""
    notebook = REPOSITORY / "docs" / "tutorial.ipynb"
    assert notebook.stat().st_size < 500_000
    (tiny.folder / "docs").mkdir(exist_ok=True)
    monkeypatch.chdir(tiny.folder / "docs")
    names: dict[str, object] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert isinstance(names["rows"], dict) and len(names["rows"]) == 3
    pyplot.close("all")


def test_documentation_lists_every_method() -> None:
    page = (REPOSITORY / "docs" / "python_api.md").read_text()
    methods = {name for name, _ in inspect.getmembers(Results, inspect.isfunction) if not name.startswith("_")}
    assert set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)) == methods
