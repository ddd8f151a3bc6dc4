"""Which checkpoints the config can use, and which jobs are its own."""

import os
from pathlib import Path

import pytest

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.ground.artifacts import write_columns, write_json
from workflow_scripts.operations.checkpoints import unneeded
from workflow_scripts.operations.current_jobs import asked_for
from workflow_scripts.operations.plan import missing_detectors, plan

CONFIG = {
    "datasets": {"a": {"layout": "folder", "shards": 2}, "b": {"layout": "folder", "shards": 1}},
    "descriptors": {"idt": {"boxes": "hog"}},
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


PARTS, PROTOCOLS = ("train", "test"), ("finetune", "linear", "knn")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(tmp_path)
    return resolve(CONFIG)


def _kept(*names: str) -> list[Path]:
    """Folders of checkpoints, the later the younger."""
    folders = [Path("results") / name for name in names]
    for age, folder in enumerate(folders):
        folder.mkdir(parents=True)
        os.utime(folder, (1000 + age, 1000 + age))
    return folders


def test_checkpoints_of_what_is_done_are_not_needed(config: dict) -> None:
    (first,) = _kept("pretraining/ir/seed0/checkpoints/1")
    assert unneeded(config, set()) == [], "its inputs are not there: nothing is known"
    assert unneeded(config, {Path("results/pretraining/ir/seed0/model.pt")}) == [first]


def test_checkpoints_of_renamed_runs_and_removed_seeds_are_not_needed(config: dict) -> None:
    folders = _kept(
        "pretraining/gone/seed0/checkpoints/2",
        "pretraining/ir/seed1/checkpoints/2",
        "evaluation/gone/seed0/b/split1/checkpoints/2",
        "evaluation/la/seed1/b/split1/checkpoints/2",
    )
    assert set(unneeded(config, set())) == set(folders)


def test_an_interrupted_evaluation_of_a_table_keeps_its_checkpoint(config: dict) -> None:
    for_table, other_split = _kept(
        "evaluation/ir/seed0/a/split2/checkpoints/1", "evaluation/ir/seed0/a/split1/checkpoints/1"
    )
    assert unneeded(config, set()) == [other_split, for_table]
    table = {"title": "One", "datasets": ["a"], "splits": [2], "rows": [{"method": "IR", "run": "ir"}]}
    assert unneeded(resolve({**CONFIG, "report": {"tables": {"t": table}}}), set()) == [other_split]


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
        ("codebook/a/idt/joint", True),
        ("encoding/a/idt/fisher/001of002", True),
        ("encoding/a/old/001of002", False),
        ("frames/a/240/000of002", True),
        ("evaluation/la/seed0/b/features", True),
        ("frames/a/96/000of002", False),
        ("clusters/a/idt/all/kmeans_k9_m3_s0", True),
        ("clusters/a/idt/all/kmeans_k8_m3_s0", False),
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
    text = "\n".join(plan(config, [], True, []))
    assert "train ir, seed 0: 3 epochs, 12 min the last time" in text and "train la, seed 0: 200 epochs" in text
    assert "other" not in text and "judge on b, finetune: 1 model on each split" in text
    assert "judge on b, svm: 1 model on each split" in text
    Path("results/pretraining/ir/seed0").mkdir(parents=True)
    Path("results/pretraining/ir/seed0/model.pt").touch()
    assert "train ir" not in "\n".join(plan(config, [], True, []))
    assert "train ir" in "\n".join(plan(config, ["results/pretraining/ir/seed0/model.pt"], True, []))


def _splits(dataset: str, *numbers: int) -> None:
    write_json(Path("results") / dataset / "videos" / "splits.json", {"numbers": numbers, "reason_for_none": ""})


def _done(name: str, seconds: float | None = None) -> None:
    path = Path("results") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if seconds is not None:
        benchmark = Path("results/benchmarks") / Path(name).with_suffix(".tsv")
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"s\tmax_rss\n{seconds}\t3\n")


def _judging(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if "judge on" in line]


def test_the_plan_tells_how_long_judging_takes_as_far_as_it_is_known(config: dict) -> None:
    _splits("b", 1, 2)
    for split in (1, 2):
        _done(f"evaluation/la/seed0/b/split{split}/finetune.json", seconds=600)
    _done("evaluation/la/seed0/b/split1/linear.json", seconds=120)
    _done("evaluation/idt/seed0/b/split1/svm.json")
    pending = [f"results/evaluation/la/seed0/b/split{split}/{p}.json" for split in (1, 2) for p in PROTOCOLS]
    assert _judging(plan(config, pending, True, [])) == [
        "judge on b, finetune: 1 model on each split, about 20 min",
        "judge on b, linear: 1 model on each split, at least 2 min",
        "judge on b, knn: 1 model on each split",
        "judge on b, svm: 1 model on each split",
    ]
    row = {"dataset": "b", "stage": "linear", "of": "la", "hours_value": 0.25, "jobs": 3}
    Path("results/estimate").mkdir()
    write_columns(Path("results/estimate/cost.tsv"), [row], list(row))
    assert "judge on b, linear: 1 model on each split, about 7 min" in _judging(plan(config, pending, True, []))


def test_the_plan_of_a_table_is_of_its_runs_and_splits(config: dict) -> None:
    _splits("a", 1, 2)
    table = {"title": "One", "datasets": ["a"], "splits": [2], "rows": [{"method": "IR", "run": "ir"}]}
    config = resolve({**CONFIG, "report": {"tables": {"t": table}}})
    assert plan(config, [], False, ["t"])[1:] == [
        "  train ir, seed 0: 3 epochs",
        "  judge on a, finetune: 1 model on each split",
    ]
    _done("pretraining/ir/seed0/model.pt")
    _done("evaluation/ir/seed0/a/split2/finetune.json")
    assert plan(config, [], False, ["t"]) == []


def test_what_is_judged_on_one_split_alone_is_planned_there_alone(config: dict) -> None:
    _splits("a", 1, 2)
    runs = {"sup": {"objective": "supervised", "subset": "split2"}}
    pretraining = {"dataset": "a", "runs": runs}
    config = resolve({**CONFIG, "pretraining": pretraining, "evaluation": {"datasets": ["a"], "runs": ["sup"]}})
    _done("pretraining/sup/seed0/model.pt")
    for protocol in PROTOCOLS:
        _done(f"evaluation/sup/seed0/a/split2/{protocol}.json")
    assert plan(config, [], True, []) == []


def test_the_plan_leaves_out_what_a_damaged_table_would_tell(config: dict) -> None:
    row = {"dataset": "a", "stage": "pretraining", "of": "ir", "hours_value": 1.0, "jobs": 1}
    cost = Path("results/estimate/cost.tsv")
    cost.parent.mkdir(parents=True)
    write_columns(cost, [row], list(row))
    assert "train ir, seed 0: 3 epochs, about 60 min by make estimate" in "\n".join(plan(config, [], True, []))
    cost.write_text(cost.read_text().replace("1.0", "2.0"))  # its checksum is of the old text
    assert "train ir, seed 0: 3 epochs\n" in "\n".join(plan(config, [], True, []))


def test_a_detector_that_is_not_installed_is_told_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, config: dict
) -> None:
    assert missing_detectors(config) == []
    monkeypatch.setattr("workflow_scripts.persons.detectors.find_spec", lambda name: None)
    config = resolve({**CONFIG, "descriptors": {"idt": {"boxes": "detectron2"}}})
    (sentence,) = missing_detectors(config)
    assert "descriptors.idt.boxes: detectron2 is not installed here" in sentence
    _done("a/videos/shards/0.tsv")
    _done("a/persons/detectron2/0.h5")
    assert missing_detectors(config) == [sentence], "the run idt is judged on b"
    networks_only = {**config, "evaluation": {**config["evaluation"], "runs": ["la"]}}
    assert missing_detectors(networks_only) == [], "everybody is found already, and networks need no people"
    _done("b/videos/shards/0.tsv")
    _done("b/persons/detectron2/0.h5")
    assert missing_detectors(config) == []
