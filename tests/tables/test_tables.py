"""Every table of configs/paper.yaml in miniature: the same runs and names, on generated videos."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import REPOSITORY, Workflow

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

# Small values instead of the paper's, so that each of the forty trainings takes seconds.
SMALL = {
    "clip_length": {32: 6, 64: 8},
    "crop_size": {224: 40},
    "short_side": {256: 48},
    "depth": {34: 18},
    "k": {30000: 7, 12000: 6, 3000: 3, 1500: 2},
    "subset": {"kinetics400:135000": "kinetics400:10", "kinetics400:185000": "kinetics400:12"},
    "batch_size": {128: 6},
}


@pytest.fixture(scope="module")
def paper() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text())
    return config


def kinetics(root: Path, settings: GeneratedSettings) -> dict[str, Any]:
    """Two releases in the official layout; the second has the videos of the first and 8 more."""
    (root / "annotations").mkdir(parents=True)
    for release, per_pair in (("kinetics400", 4), ("kinetics600", 6)):
        rows = generate_videos(root / release, dataclasses.replace(settings, per_pair=per_pair))
        lines = [f"{row['label']},{Path(row['path']).stem},0,10,train" for row in rows]
        text = "\n".join(["label,youtube_id,time_start,time_end,split", *lines])
        (root / "annotations" / f"{release}.csv").write_text(text + "\n")
    return {"layout": "kinetics", "root": str(root), "annotations": "annotations", "shards": 2}


@pytest.fixture(scope="module")
def workflow(paper: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    short: dict[str, Any] = {"epochs": 1, "lr_milestones": []}
    runs = {
        name: {key: SMALL.get(key, {}).get(value, value) for key, value in run.items() if key not in short} | short
        for name, run in paper["pretraining"]["runs"].items()
    }
    folder = tmp_path_factory.mktemp("tables")
    videos = {"motions": ["walk", "spin"], "scenes": ["bricks", "beach"], "frames": 20, "width": 128, "height": 96}
    evaluated = {"layout": "generated", "shards": 1, "splits": "random", "n_splits": 3, "test_fraction": 0.5}
    config = {
        "datasets": {
            "kinetics": kinetics(folder / "kinetics", GeneratedSettings(**videos)),
            "ucf101": {**evaluated, "generated": {**videos, "per_pair": 2, "seed": 1}},
            "hmdb51": {**evaluated, "generated": {**videos, "per_pair": 2, "seed": 2}},
        },
        "descriptors": {"idt": {"boxes": "hog"}, "idt_nodet": {"boxes": "none"}},
        "encoding": {
            "components": 4,
            "sample_videos": 8,
            "sample_descriptors": 40,
            "sketch_dim": 64,
            "em_iterations": 5,
        },
        "clusters": {"k": 4, "iterations": 5},
        "frames": {"short_side": 40},
        "pretraining": {
            **{"dataset": "kinetics", "subset": paper["pretraining"]["subset"]},
            **{"depth": 10, "width": 0.125, "clip_length": 4, "crop_size": 32, "embedding_dim": 16, "batch_size": 6},
            **{"negatives": 8, "neighbours": 8, "epochs": 1, "lr_milestones": [], "runs": runs},
        },
        "evaluation": paper["evaluation"]
        | {"finetune_epochs": 1, "clips": 2, "linear_shots": [1, 2], "linear_draws": 2},
        "report": {key: paper["report"][key] for key in ("tables", "sources")},
    }
    return Workflow(folder, config)


def trained(output: str) -> set[str]:
    """The runs whose training a dry run announces."""
    return {
        line.split("/")[2]
        for line in output.splitlines()
        if line.strip().startswith("output: results/pretraining/") and "model.pt" in line
    }


def test_table_plans_exactly_what_it_needs(workflow: Workflow) -> None:
    indexes = [f"results/{name}/videos/index.tsv" for name in ("kinetics", "ucf101", "hmdb51")]
    workflow.run(*indexes)
    output = workflow.run("--dry-run", "table2")
    assert trained(output) == {"ir_warmup", "ir", "la", "la_idt_fixed", "la_idt", "supervised"}
    planned = workflow.planned("table2")
    assert planned["linear"] == 5 and not planned["finetune"] and not planned["report"]
    assert "hmdb51/split" not in output and "split2" not in output
    assert "idt_nodet" not in output, "only table 5 tracks the videos again without the mask"
    assert trained(workflow.run("--dry-run", "table5")) == {
        *("ir_warmup", "la_idt_fixed", "la_idt", "la_nodet_fixed", "la_nodet", "supervised")
    }


def test_every_table_of_the_paper(workflow: Workflow, paper: dict[str, Any]) -> None:
    tables = paper["report"]["tables"]
    workflow.run(*tables)
    for name, table in tables.items():
        files = {kind: workflow.folder / "results" / "tables" / f"{name}.{kind}" for kind in ("tsv", "md", "tex")}
        lines = read_columns(files["tsv"])
        assert list(dict.fromkeys(line["method"] for line in lines)) == [row["method"] for row in table["rows"]]
        ours = [line for line in lines if line["ours"]]
        assert {line["run"] for line in ours} == {row["run"] for row in table["rows"] if "run" in row}
        assert {line["dataset"] for line in ours} == {*table.get("datasets", ("ucf101", "hmdb51"))}
        n_splits = str(len(table.get("splits", [1, 2, 3])))
        assert all(line["n_splits"] == n_splits and 0 <= float(line["ours"]) <= 100 for line in ours)
        assert "pretraining.epochs: 1 (paper 4.2: 200)" in files["md"].read_text()
        print(files["md"].read_text())
    assert workflow.planned(*tables) == Counter()
    selected = workflow.folder / "results" / "pretraining" / "videos"
    models = list((workflow.folder / "results" / "pretraining").glob("*/seed0/model.pt"))
    needed = {row["run"] for table in tables.values() for row in table["rows"] if "run" in row}
    assert needed - {"scratch", "scratch_32", "scratch_64", "idt_fisher"} <= {path.parts[-3] for path in models}
    n_trained = {
        subset: len(read_columns(selected / "idt" / f"{subset}.tsv"))
        for subset in ("all", "kinetics400", "kinetics400:10")
    }
    assert n_trained == {"all": 24, "kinetics400": 16, "kinetics400:10": 10}
    assert len(models) == len([run for run in paper["pretraining"]["runs"] if not run.startswith("scratch")])
