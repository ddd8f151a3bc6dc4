"""A new method needs one file and one entry. The pipeline runs with it, from the videos to the report."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from extension import add_lines, copy_code
from workflow import Workflow

# A clustering method: slices along the first coordinate.
SLICES = """\
import numpy as np

from workflow_scripts.clusters.cluster import Clustering


def cluster(points, settings, device):
    labels = np.empty(len(points), np.int32)
    for label, rows in enumerate(np.array_split(points[:, 0].argsort(kind="stable"), settings.k)):
        labels[rows] = label
    centroids = np.stack([points[labels == label].mean(axis=0) for label in range(settings.k)])
    return Clustering(labels, centroids, np.zeros(1))
"""
SLICES_ENTRY = "METHODS = {\n", '    "slices": "workflow_scripts.clusters.slices",\n'

# A metric: the accuracy above that of equally likely classes.
KAPPA = """\
def kappa(answers):
    by_chance = 1 / answers.n_classes
    return max(0.0, float(((answers.predicted == answers.truth).mean() - by_chance) / (1 - by_chance)))
"""
KAPPA_ENTRY = '    "accuracy": Metric("Top-1", accuracy),\n', '    "kappa": Metric("Kappa above chance", kappa),\n'
KAPPA_IMPORT = "import numpy as np\n", "from workflow_scripts.evaluation.kappa import kappa\n"


# An objective: embeddings approach the bank rows of their videos.
ATTRACTION = """\
def loss(batch):
    return 1 - (batch.outputs * batch.bank[batch.own_rows]).sum(dim=1).mean()
"""
ATTRACTION_ENTRY = (
    "OBJECTIVES = {\n",
    '    "attraction": Objective("Attraction", {"": Style("Video attraction", "#123456")}, BANK_KEYS),\n',
)

LA_IDT = {"objective": "local_aggregation", "clusters": "idt"}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, tiny_config: dict[str, Any]) -> Workflow:
    """The tiny config, and a copy of the code with the toy methods of this module."""
    code = copy_code(tmp_path_factory.mktemp("code") / "copy")
    scripts = code / "workflow_scripts"
    (scripts / "clusters" / "slices.py").write_text(SLICES)
    add_lines(scripts / "clusters" / "methods.py", *SLICES_ENTRY)
    (scripts / "evaluation" / "kappa.py").write_text(KAPPA)
    add_lines(scripts / "evaluation" / "metrics.py", *KAPPA_ENTRY)
    add_lines(scripts / "evaluation" / "metrics.py", *KAPPA_IMPORT)
    (scripts / "pretraining" / "objectives" / "attraction.py").write_text(ATTRACTION)
    add_lines(scripts / "pretraining" / "objectives" / "__init__.py", *ATTRACTION_ENTRY)
    workflow = Workflow(tmp_path_factory.mktemp("extended"), tiny_config, code)
    make_schema = [sys.executable, "-m", "workflow_scripts.configuration.make_schema"]
    subprocess.run(make_schema, check=True, env=workflow.environment, cwd=code)
    config = {
        **tiny_config,
        "clusters": {**tiny_config["clusters"], "method": "slices"},
        "pretraining": {**tiny_config["pretraining"], "runs": {"la_idt": LA_IDT, "toy": {"objective": "attraction"}}},
        "evaluation": {
            **tiny_config["evaluation"],
            "runs": ["scratch", "la_idt", "toy"],
            "protocols": ["linear", "knn"],
        },
    }
    return replace(workflow, config=config)


@pytest.fixture(scope="module")
def finished(extended: Workflow) -> Workflow:
    """The extended pipeline after a whole run."""
    extended.run()
    return extended


def test_copy_code_imports_come_from_the_copy(extended: Workflow) -> None:
    script = "import idt_tools._core_baseline, workflow_scripts; print(idt_tools.__file__, workflow_scripts.__file__)"
    command = [sys.executable, "-c", script]
    printed = subprocess.check_output(command, text=True, env=extended.environment, cwd=extended.folder)
    assert printed.split() == [
        str(Path(extended.repository, name, "__init__.py")) for name in ("idt_tools", "workflow_scripts")
    ]


def test_new_clustering_method_makes_all_clusters(finished: Workflow) -> None:
    results = finished.folder / "results"
    [of_idt] = (results / "tiny" / "clusters").rglob("*.h5")
    assert of_idt.name.startswith("slices_k3_m2_")
    for path in (of_idt, results / "evaluation" / "la_idt" / "seed0" / "clusters.h5"):
        with h5py.File(path) as file:
            assert np.bincount(file["labels"][0]).tolist() == [4, 4, 4], "twelve videos in three slices"


def test_new_metric_is_in_records_tables_and_report(finished: Workflow) -> None:
    results = finished.folder / "results"
    for path in (results / "evaluation").rglob("split1/*.json"):
        record = json.loads(path.read_text())
        assert record["kappa"] == pytest.approx(max(0, (record["accuracy"] - 1 / 3) / (2 / 3)))
    assert "kappa" in (results / "tables" / "method_table.tsv").read_text().splitlines()[0].split("\t")
    assert "Kappa above chance" in (results / "report" / "index.html").read_text()


def test_new_objective_is_trained_and_in_the_report(finished: Workflow) -> None:
    model = torch.load(finished.folder / "results/pretraining/toy/seed0/model.pt", weights_only=True)
    assert model["objective"] == "attraction" and model["bank"].shape == (12, 16)
    page = (finished.folder / "results" / "report" / "index.html").read_text()
    assert "Video attraction" in page and "#123456" in page
