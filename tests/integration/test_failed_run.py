"""After a failed job, the targets that depend on its output are not up to date. Names may have shell syntax."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from workflow import Workflow

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

LA = "results/pretraining/la/seed0/model.pt"


@pytest.fixture
def changed(tiny: Workflow, tmp_path: Path) -> Workflow:
    """The tiny run with a changed `ir`, whose training fails."""
    shutil.copytree(tiny.folder, tmp_path / "changed")
    config = copy.deepcopy(tiny.config)
    config["pretraining"]["runs"]["ir"]["lr"] = 1.0e30
    return Workflow(tmp_path / "changed", config)


def test_failed_run_retrains_dependent_runs(changed: Workflow) -> None:
    failed = changed.snakemake(LA)
    assert failed.returncode != 0 and "the loss is nan" in failed.stdout + failed.stderr
    assert (changed.folder / LA).exists()
    assert changed.planned(LA)["pretraining"] == 2, "the same command and config as before"
    assert changed.planned()["pretraining"] == 4
    fixed = copy.deepcopy(changed.config)
    fixed["pretraining"]["runs"]["ir"]["lr"] = 0.02
    changed.run(LA, config=fixed)
    assert "Nothing to be done" in changed.run("--dry-run", LA, config=fixed)


def test_pipeline_with_hostile_names(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    folder = "zz;touch X;echo $(touch X) 'v' \"q\""
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks",), per_pair=3, frames=22, width=96, height=96
    )
    generate_videos(tmp_path / "made" / folder, settings)
    title = "--help {x} `touch X` <b>;touch X"
    config = {
        **tiny_config,
        "datasets": {"-x": {"layout": "folder", "root": "made", "shards": 1}},
        "descriptors": {"all": {"boxes": "none"}},
        "clusters": {"k": 2, "m": 1, "iterations": 2},
        "evaluation": {"datasets": []},
        "report": {**tiny_config["report"], "title": title},
    }
    runs = {"-r": {"objective": "local_aggregation", "clusters": "idt", "neighbours": 2}}
    config["pretraining"] = {
        **tiny_config["pretraining"],
        "dataset": "-x",
        "subset": folder,
        "batch_size": 3,
        "runs": runs,
    }
    workflow = Workflow(tmp_path, config)
    workflow.run()
    assert (tmp_path / "results/pretraining/-r/seed0/model.pt").exists()
    assert not list(tmp_path.rglob("X"))
    assert re.search(
        re.escape(title.replace("<", "&lt;").replace(">", "&gt;")), (tmp_path / "results/report/index.html").read_text()
    )
