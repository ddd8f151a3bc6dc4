"""Configs as users give them to Snakemake: one replaces the demo's, a second one adds to the first."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import REPOSITORY, Workflow


def test_the_papers_config_inherits_nothing_from_the_demo(tmp_path: Path) -> None:
    for name in ("kinetics400", "ucf101", "hmdb51"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").write_text("path,label,split1\n")
    roots = {name: {"root": str(tmp_path / name)} for name in ("kinetics400", "ucf101", "hmdb51")}
    (tmp_path / "my_paths.yaml").write_text(yaml.safe_dump({"datasets": roots}))
    paper = yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text())
    workflow = Workflow(tmp_path, paper)
    workflow.run(
        "results/config.yaml", "--configfile", str(tmp_path / "test_config.yaml"), str(tmp_path / "my_paths.yaml")
    )
    resolved = yaml.safe_load((tmp_path / "results" / "config.yaml").read_text())
    assert set(resolved["datasets"]) == {"kinetics400", "ucf101", "hmdb51"}
    assert resolved["datasets"]["ucf101"]["root"] == str(tmp_path / "ucf101")
    assert resolved["clusters"] == {"k": 6000, "m": 3, "iterations": 20}
    assert (resolved["pretraining"]["epochs"], resolved["pretraining"]["size"]) == (200, 112)
    demo = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    for section in ("encoding", "clusters", "frames", "evaluation"):
        for key, value in demo[section].items():
            assert resolved[section][key] != value, (section, key)


def _changed(config: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    return {**config, path[0]: to if len(path) == 1 else _changed(config[path[0]], *path[1:], to=to)}


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("pretraining", "epoch"), 3, "pretraining.epoch is not a known key; did you mean epochs?"),
        (("datasets", "tiny"), {"layout": "folder", "root": "nowhere"}, "the folder nowhere is not there"),
        (("clusters", "k"), "12", "clusters.k: '12' is not of type 'integer'"),
    ],
)
def test_a_wrong_config_stops_at_once_with_one_sentence(
    tmp_path: Path, tiny_config: dict[str, Any], path: tuple[str, ...], value: Any, sentence: str
) -> None:
    done = Workflow(tmp_path, _changed(tiny_config, *path, to=value)).snakemake()
    assert done.returncode != 0
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_profile_for_slurm_holds_what_every_profile_holds() -> None:
    default, slurm = (
        yaml.safe_load((REPOSITORY / "profiles" / name / "config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert default.items() <= slurm.items()
