"""Which checkpoints the config can use, and which jobs are its own."""

import os
from pathlib import Path

import pytest

from workflow_scripts import config as pipeline
from workflow_scripts.report.checkpoints import unneeded
from workflow_scripts.report.current_jobs import asked_for
from workflow_scripts.report.plan import missing_detectors, plan

CONFIG = {
    "datasets": {"a": {"layout": "folder", "shards": 2}, "b": {"layout": "folder", "shards": 1}},
    "features": {"idt": {"boxes": "hog"}},
    "pretraining": {
        "dataset": "a",
        "runs": {
            "ir": {"objective": "instance", "epochs": 3},
            "la": {"objective": "local_aggregation", "clusters": "idt", "init": "ir", "k": 9},
            "other": {"objective": "instance"},
        },
    },
    "evaluation": {"datasets": ["b"], "runs": ["la", "idt"]},
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(tmp_path)
    return pipeline.resolve(CONFIG)


def _kept(*names: str) -> list[Path]:
    """Folders of checkpoints, the later the younger."""
    folders = [Path("results") / name for name in names]
    for age, folder in enumerate(folders):
        folder.mkdir(parents=True)
        os.utime(folder, (1000 + age, 1000 + age))
    return folders


def test_checkpoints_of_what_is_done_are_not_needed(config: dict) -> None:
    (first,) = _kept("pretraining/ir/seed0/checkpoints/1")
    (second,) = _kept("pretraining/gone/seed0/checkpoints/2")
    assert unneeded(config, set()) == [], "its inputs are not there: nothing is known"
    assert unneeded(config, {Path("results/pretraining/ir/seed0/model.pt")}) == [first]
    assert second.exists()


def test_of_an_interrupted_evaluation_the_newest_checkpoint_is_kept(config: dict) -> None:
    split = "evaluation/la/seed0/b/split1"
    old, new = _kept(f"{split}/checkpoints/x", f"{split}/checkpoints/a")
    assert unneeded(config, set()) == [old]
    assert unneeded(config, {Path("results") / split / "finetune.json"}) == [new, old]
    Path("results/pretraining/la/seed0").mkdir(parents=True)
    Path("results/pretraining/la/seed0/model.pt").touch()  # of now: the network was trained anew
    assert unneeded(config, set()) == [new, old]


@pytest.mark.parametrize(
    ("job", "is_asked_for"),
    [
        ("videos/a", True),
        ("videos/c", False),
        ("persons/a/hog/000of002", True),
        ("persons/a/detectron2/000of002", False),
        ("trajectories/b/idt/000of001", True),
        ("trajectories/b/idt/000of016", False),
        ("encoding/a/idt/codebook", True),
        ("encoding/a/idt/fisher/001of002", True),
        ("encoding/a/old/001of002", False),
        ("frames/a/96/000of002", False),
        ("clusters/a/idt/all/k9_m3_s0", True),
        ("clusters/a/idt/all/k8_m3_s0", False),
        ("pretraining/videos/idt/all", True),
        ("pretraining/ir/seed0", True),
        ("pretraining/other/seed0", False),
        ("pretraining/ir/seed1", False),
        ("evaluation/la/seed0/b/split1/finetune", True),
        ("evaluation/la/seed0/clusters", True),
        ("evaluation/ir/seed0/b/split1/finetune", False),
    ],
)
def test_jobs_of_earlier_configs_are_told_from_those_of_now(config: dict, job: str, is_asked_for: bool) -> None:
    assert asked_for(config)(tuple(job.split("/"))) == is_asked_for


def test_the_plan_names_trainings_and_evaluations(config: dict) -> None:
    folder = Path("results/benchmarks/pretraining/ir")
    folder.mkdir(parents=True)
    (folder / "seed0.tsv").write_text("s\tmax_rss\n720.5\t3\n")
    text = "\n".join(plan(config, []))
    assert "train ir, seed 0: 3 epochs, 12 min the last time" in text and "train la, seed 0: 200 epochs" in text
    assert "other" not in text and "judge on b, finetune: 1 models" in text and "judge on b, svm: 1 models" in text
    Path("results/pretraining/ir/seed0").mkdir(parents=True)
    Path("results/pretraining/ir/seed0/model.pt").touch()
    assert "train ir" not in "\n".join(plan(config, []))
    assert "train ir" in "\n".join(plan(config, ["results/pretraining/ir/seed0/model.pt"]))


def test_a_detector_that_is_not_installed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict
) -> None:
    assert missing_detectors(config) == []
    monkeypatch.setattr("workflow_scripts.report.plan.find_spec", lambda name: None)
    config = pipeline.resolve({**CONFIG, "features": {"idt": {"boxes": "detectron2"}}})
    (sentence,) = missing_detectors(config)
    assert "features.idt.boxes: detectron2 is not installed here" in sentence
    for folder, name in (("videos/shards", "0.tsv"), ("persons/detectron2", "0.h5")):
        (tmp_path / "results/a" / folder).mkdir(parents=True)
        (tmp_path / "results/a" / folder / name).touch()
    assert missing_detectors(config) == [], "everybody is found already"
