"""A SLURM cluster, a small config for it, and the results of this config without a cluster."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import Cluster, missing_requirement
from workflow import REPOSITORY, Workflow

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if missing_requirement():
        pytest.skip(missing_requirement())
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path has at most 107 letters
    started = Cluster(folder)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tiny config with fewer runs, on folders of videos that all runs share, in four shards."""
    settings: dict[str, Any] = yaml.safe_load((REPOSITORY / "tests" / "integration" / "tiny.yaml").read_text())
    for name, per_pair in (("tiny", 2), ("tiny_test", 4)):
        dataset = settings["datasets"][name]
        root = tmp_path_factory.mktemp(name)
        generate_videos(root, GeneratedSettings(**dataset.pop("generated") | {"per_pair": per_pair, "frames": 30}))
        settings["datasets"][name] = {**dataset, "layout": "folder", "root": str(root), "shards": 4}
    runs = settings["pretraining"]["runs"]
    settings["pretraining"]["runs"] = {"ir": {**runs["ir"], "epochs": 30}, "la_idt": runs["la_idt"]}
    settings["evaluation"]["runs"] = ["la_idt", "idt"]
    return settings


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A run of the config without a cluster. The results of every test must equal it."""
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed"), config)
    workflow.run("--max-threads", "1")
    return workflow
