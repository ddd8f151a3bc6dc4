"""The whole pipeline on 225 real clips of UCF101: the shipped config with short trainings.

It takes minutes, so `make test-ucf` runs it and `make test` does not.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
# Saves time: the networks hardly learn, and the tracker sees frames of half the size.
SMALL: dict[str, Any] = {
    "trajectories": {"max_side": 160},
    "descriptors": {"idt": {"channels": ["mbh"]}},  # with all channels, the SVM has 56 % at 160 pixels
    "pretraining": {"epochs": 2, "lr_milestones": [], "runs": {"la_idt_tune": {"epochs": 1}}},
    "evaluation": {"finetune_epochs": 1, "clips": 2},
}
DESCRIPTORS = {"idt", "motion", "mbh"}
NETWORKS = {"scratch", "ir", "la", "la_idt", "la_motion", "la_mbh", "la_idt_tune"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """The folder of the tables after a whole run."""
    folder, clips = tmp_path_factory.mktemp("run"), shared / "videos" / "ucf101_subset"
    ucf101 = {"root": str(clips / "videos"), "annotations": str(clips / "ucfTrainTestlist")}
    paths = folder / "my_paths.yaml"
    paths.write_text(yaml.safe_dump({**SMALL, "datasets": {"ucf101": ucf101}}))
    command = [Path(sys.executable).parent / "snakemake", "--cores", "2", "--directory", folder]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--workflow-profile", REPOSITORY / "profiles" / "default"]
    command += ["--configfile", REPOSITORY / "configs" / "ucf101_subset.yaml", paths]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return folder / "results" / "tables"


def test_ucf101_subset_compares_all_runs_on_the_official_split(tables: Path) -> None:
    accuracies = pd.read_csv(tables / "method_table.tsv", sep="\t")
    print(accuracies[["run", "protocol", "shots", "accuracy", "interval_low", "interval_high"]].to_string())
    assert set(accuracies["splits"].astype(str)) == {"1"}
    assert set(accuracies["n_train"]) == {162} and set(accuracies["n_test"]) == {63}
    shots = {protocol: set(rows["shots"]) for protocol, rows in accuracies.groupby("protocol")}
    assert shots == {"finetune": {"all"}, "knn": {"all"}, "svm": {"all"}, "linear": {"1", "5", "10", "all"}}
    for protocol, rows in accuracies.groupby("protocol"):
        assert set(rows["run"]) == ({"idt"} if protocol == "svm" else NETWORKS)
    whole = accuracies[accuracies["shots"] == "all"]
    assert (whole["interval_low"] <= whole["accuracy"]).all() and (whole["accuracy"] <= whole["interval_high"]).all()
    assert (whole["interval_low"] < whole["interval_high"]).all()
    idt = whole.set_index("run").loc["idt"]
    assert idt["accuracy"] > 0.7 and idt["interval_low"] > 0.5  # chance is a third


def test_ucf101_subset_compares_clusters_with_class_and_recording(tables: Path) -> None:
    clusters = pd.read_csv(tables / "cluster_table.tsv", sep="\t")
    print(clusters.to_string())
    assert {(row.label, row.score) for row in clusters.itertuples()} == {
        (label, score) for label in ("class", "recording") for score in ("NMI", "AMI")
    }
    assert set(clusters["n_videos"]) == {162}
    assert DESCRIPTORS | NETWORKS - {"scratch"} == set(clusters["run"])
    assert np.isfinite(clusters["value"]).all()
    page = (tables.parent / "report" / "index.html").read_text()
    assert "Class or recording?" in page and "Video LA + IDT prior" in page


def test_ucf101_subset_pretrains_on_the_training_part_and_tracks_once(tables: Path) -> None:
    pretraining = tables.parent / "pretraining" / "videos"
    splits = pd.read_csv(tables.parent / "ucf101" / "videos" / "splits.tsv", sep="\t")
    of_split = splits[(splits["split"] == 1) & (splits["part"] == "train")]
    assert {path.name for path in (tables.parent / "ucf101" / "trajectories").glob("[!.]*")} == {"idt"}
    for descriptors in DESCRIPTORS:
        videos = pd.read_csv(pretraining / descriptors / "split1.tsv", sep="\t")
        assert set(videos["video_id"]) == set(of_split["video_id"])
