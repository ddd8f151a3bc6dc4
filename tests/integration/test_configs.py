"""Config files on the command line of Snakemake: one replaces the demo's config, a second one adds to the first."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import REPOSITORY, Workflow

from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings


def test_paper_config_inherits_nothing_from_demo(tmp_path: Path) -> None:
    for place in ("kinetics/annotations", "ucf101/ucfTrainTestlist", "hmdb51/testTrainMulti_7030_splits"):
        (tmp_path / place).mkdir(parents=True)
    roots = {name: {"root": str(tmp_path / name)} for name in ("kinetics", "ucf101", "hmdb51")}
    (tmp_path / "my_paths.yaml").write_text(yaml.safe_dump({"datasets": roots}))
    paper = yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text())
    workflow = Workflow(tmp_path, paper)
    workflow.run(
        "results/config.yaml", "--configfile", str(tmp_path / "test_config.yaml"), str(tmp_path / "my_paths.yaml")
    )
    resolved = yaml.safe_load((tmp_path / "results" / "config.yaml").read_text())
    assert set(resolved["datasets"]) == {"kinetics", "ucf101", "hmdb51"}
    assert resolved["datasets"]["ucf101"]["root"] == str(tmp_path / "ucf101")
    assert resolved["clusters"] == {"method": "kmeans", "k": 6000, "m": 3, "iterations": 20}
    assert (resolved["pretraining"]["epochs"], resolved["pretraining"]["crop_size"]) == (200, 112)
    demo = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    for section in ("encoding", "clusters", "frames", "evaluation"):
        for key, value in demo[section].items():
            assert resolved[section][key] != value, (section, key)


def test_kinetics_grows_by_videos_found_later(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    small = GeneratedSettings(motions=("walk",), scenes=("bricks",), per_pair=1, frames=16, width=64, height=48)
    (row,) = generate_videos(tmp_path / "made", small)
    root = tmp_path / "kinetics"
    (root / "yoga").mkdir(parents=True)
    lines = ["label,youtube_id,time_start,time_end,split", "yoga,-aaaaaaaaaa,0,10,train", "yoga,_bbbbbbbbbb,5,15,val"]
    (root / "all.csv").write_text("\n".join(lines) + "\n")
    shutil.copy(tmp_path / "made" / row["path"], root / "yoga" / "-aaaaaaaaaa_000000_000010.mp4")
    dataset = {"layout": "kinetics", "root": str(root), "annotations": "all.csv"}
    config = _changed(tiny_config, "datasets", to={**tiny_config["datasets"], "tiny_test": dataset})
    workflow, index = Workflow(tmp_path, config), "results/tiny_test/videos/index.tsv"
    workflow.run(index)
    videos = tmp_path / "results" / "tiny_test" / "videos"
    assert [row["name"] for row in read_columns(videos / "missing.tsv")] == ["_bbbbbbbbbb_000005_000015"]
    assert read_columns(videos / "splits.tsv") == []
    assert workflow.planned(index) == {}
    failed = workflow.snakemake("--dry-run")
    assert failed.returncode != 0 and "evaluation.datasets: tiny_test has no splits" in failed.stdout + failed.stderr
    shutil.copy(tmp_path / "made" / row["path"], root / "yoga" / "_bbbbbbbbbb_000005_000015.mp4")
    assert workflow.planned(index) == {"videos": 1}
    workflow.run(index)
    assert sorted(row["part"] for row in read_columns(videos / "splits.tsv")) == ["test", "train"]
    assert not (videos / "missing.tsv").exists()


ODD_FOLDERS = ("brace{x}", "new\nline {dataset}", 'quote\'s "$(touch here)"')


def test_folder_names_with_braces_line_breaks_and_quotes(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    """Snakemake takes a name in braces for a pattern in input files and parameters."""
    small = GeneratedSettings(motions=("walk",), scenes=("bricks",), per_pair=2, frames=22, width=128, height=96)
    generated = generate_videos(tmp_path / "made", small)
    root = tmp_path / "root {x}"
    for folder in ODD_FOLDERS:
        (root / folder).mkdir(parents=True)
        for row in generated:
            shutil.copy(tmp_path / "made" / row["path"], root / folder / f"tab\there{row['group']}.mp4")
    config = _changed(tiny_config, "datasets", to={"tiny": {"layout": "folder", "root": str(root), "shards": 1}})
    config = _changed(config, "evaluation", to={})
    workflow = Workflow(tmp_path, config)
    workflow.run("results/tiny/frames/40/000of001.h5", "results/config.yaml")
    videos = tmp_path / "results" / "tiny" / "videos"
    rows = read_columns(videos / "index.tsv")
    assert sorted(row["label"] for row in rows) == sorted(ODD_FOLDERS * 2) and {row["status"] for row in rows} == {"ok"}
    with read_hdf5(tmp_path / "results" / "tiny" / "frames" / "40" / "000of001.h5") as file:
        assert set(file) == {row["video_id"] for row in rows} and {
            group.attrs["status"] for group in file.values()
        } == {b"ok"}
    subsets = workflow.planned("results/pretraining/videos/idt/all.tsv", "results/pretraining/videos/idt/split1.tsv")
    assert subsets["training_videos"] == 2
    assert yaml.safe_load((tmp_path / "results" / "config.yaml").read_text())["datasets"]["tiny"]["root"] == str(root)
    assert not list(tmp_path.rglob("here"))
    (root / "another").mkdir()
    assert workflow.planned("results/tiny/videos/index.tsv") == {"videos": 1}


def _changed(config: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    return {**config, path[0]: to if len(path) == 1 else _changed(config[path[0]], *path[1:], to=to)}


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("pretraining", "epoch"), 3, "pretraining.epoch is not a known key; did you mean epochs?"),
        (("datasets", "tiny"), {"layout": "folder", "root": "nowhere"}, "the folder nowhere does not exist"),
        (("clusters", "k"), "12", "clusters.k: '12' is not of type 'integer'"),
    ],
)
def test_wrong_config_stops_with_one_sentence(
    tmp_path: Path, tiny_config: dict[str, Any], path: tuple[str, ...], value: Any, sentence: str
) -> None:
    done = Workflow(tmp_path, _changed(tiny_config, *path, to=value)).snakemake()
    assert done.returncode != 0
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_slurm_profile_contains_default_profile() -> None:
    default, slurm = (
        yaml.safe_load((REPOSITORY / "profiles" / name / "config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert default.items() <= slurm.items()


def test_network_evaluation_needs_only_frames(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    """Without a row of IDT, neither a table nor the report tracks the evaluated dataset."""

    def table(*runs: str) -> dict[str, Any]:
        return {"title": "Table", "rows": [{"method": run, "run": run} for run in runs]}

    networks = {"networks": table("scratch", "ir")}
    evaluation = {"evaluation": tiny_config["evaluation"] | {"runs": ["scratch", "ir"]}}
    workflow = Workflow(tmp_path, tiny_config | evaluation | {"report": {"tables": networks}})
    workflow.run(*(f"results/{name}/videos/index.tsv" for name in ("tiny", "tiny_test")))
    described = [f"results/tiny_test/{noun}/idt/" for noun in ("trajectories", "encoding")]
    for target in ("results/tables/networks.tsv", "results/report/index.html"):
        plan = workflow.run("--dry-run", target)
        assert "finetune" in plan and not any(folder in plan for folder in described)
    with_idt = tiny_config | evaluation | {"report": {"tables": networks | {"idt": table("scratch", "idt")}}}
    plan = workflow.run("--dry-run", "results/tables/idt.tsv", config=with_idt)
    assert all(folder in plan for folder in described)


def test_run_on_training_part_is_evaluated_only_on_its_split(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    config = copy.deepcopy(tiny_config)
    config["datasets"]["tiny"] |= {"splits": "random", "n_splits": 3, "test_fraction": 0.5}
    config["clusters"]["k"] = 2  # less than half of the six videos of split2's training part
    config["pretraining"]["runs"] = {"supervised": {"objective": "supervised", "subset": "split2"}}
    config["evaluation"] |= {"datasets": ["tiny", "tiny_test"], "runs": ["scratch", "supervised"]}
    workflow = Workflow(tmp_path, config)
    workflow.run(*(f"results/{name}/videos/index.tsv" for name in ("tiny", "tiny_test")))
    plan = workflow.run("--dry-run")
    planned = set(re.findall(r"results/evaluation/(\w+)/seed0/(\w+)/split(\d+)/finetune\.json", plan))
    expected = {("scratch", "tiny", number) for number in "123"} | {("supervised", "tiny", "2")}
    assert planned == expected | {(run, "tiny_test", "1") for run in ("scratch", "supervised")}
    config["pretraining"]["runs"]["supervised"]["subset"] = "split7"
    refused = workflow.snakemake("--dry-run", config=config)
    assert refused.returncode != 0
    sentence = "pretraining.runs.supervised: subset: split7 names no split of tiny; it has 1, 2, 3"
    assert sentence in refused.stdout + refused.stderr
