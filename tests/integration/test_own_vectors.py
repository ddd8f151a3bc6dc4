"""A prior of the user's own: a file with a vector per video takes the place of IDT."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
from workflow import Workflow

from workflow_scripts import open_results
from workflow_scripts.ground.artifacts import read_columns

MOTIONS = ("wave", "walk", "spin")
SVM = "results/evaluation/idt/seed0/tiny_test/split1/svm.json"
MODEL = "results/pretraining/tune/seed0/model.pt"
CLUSTERS = "results/tiny/clusters/own/all/kmeans_k3_m2_s0.h5"


def write_vectors(path: Path, labels: dict[str, str], seed: int) -> None:
    """Writes vectors that point in a direction per motion, with a little noise; `labels`: motion by path."""
    noise = np.random.default_rng(seed).normal(size=(len(labels), 5)) * 0.01
    np.savez(path, path=[*labels], vectors=np.eye(5)[[MOTIONS.index(one) for one in labels.values()]] * 40 + noise)


def test_vectors_replace_sketches_in_clusters_joint_space_and_svm(tiny: Workflow, tmp_path: Path) -> None:
    shutil.copytree(tiny.folder, tmp_path / "own")
    runs = {"tune": {"objective": "local_aggregation", "clusters": "joint", "descriptors": "own"}}
    config = {
        **tiny.config,
        "descriptors": {"own": {"vectors": "own.npz"}},
        "pretraining": {**tiny.config["pretraining"], "runs": runs},
        "evaluation": {**tiny.config["evaluation"], "runs": ["tune", "idt"]},
    }
    workflow = Workflow(tmp_path / "own", config)
    targets = (CLUSTERS, MODEL, SVM)
    rows = [
        row
        for dataset in ("tiny", "tiny_test")
        for row in read_columns(workflow.folder / f"results/{dataset}/videos/index.tsv")
    ]
    without = rows.pop()["video_id"]
    file = workflow.folder / "own.npz"
    labels_of = {row["path"]: row["label"] for row in rows}
    write_vectors(file, labels_of, seed=0)

    output = workflow.run(*targets)
    assert f"{without} is no_vector: own.npz has no vector of this video" in output
    assert "rule vectors" in output and "rule trajectories" not in output and "rule codebook" not in output
    sketches = open_results(workflow.folder / "results").sketches("tiny", "own")
    assert sketches.shape == (12, 5)
    np.testing.assert_allclose(np.linalg.norm(sketches, axis=1), 1, rtol=1e-6)
    with h5py.File(workflow.folder / CLUSTERS) as clusters:
        vectors = sketches.loc[clusters["video_id"].asstr()[:]].to_numpy()
        for labels, centroids in zip(clusters["labels"][:], clusters["centroids"][:], strict=True):
            for cluster in np.unique(labels):
                np.testing.assert_allclose(vectors[labels == cluster].mean(axis=0), centroids[cluster], atol=1e-5)
    record = json.loads((workflow.folder / SVM).read_text())
    assert record["accuracy"] == 1 and {*record["left_out"], *record["unused"]} == {without}

    assert not workflow.planned(*targets)
    write_vectors(file, labels_of, seed=1)
    planned = workflow.planned(*targets)
    assert planned["vectors"] == 3 and planned["clusters"] == planned["pretraining"] == planned["svm"] == 1
