"""The plan that a run prints at its start."""

from pathlib import Path
from typing import Any

import pytest
from operations_config import CONFIG

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.ground.artifacts import write_columns, write_json
from workflow_scripts.operations.estimate import networks
from workflow_scripts.operations.estimate.cost_table import cost_frame
from workflow_scripts.operations.estimate.estimate_cost import write_frame
from workflow_scripts.operations.estimate.extrapolate import Size
from workflow_scripts.operations.estimate.kernels import NetworkSeconds
from workflow_scripts.operations.estimate.survey import Survey
from workflow_scripts.operations.plan import missing_detectors, plan
from workflow_scripts.videos.layouts.layout import Listed

PROTOCOLS = ("finetune", "linear", "knn")
COST = Path("results/estimate/cost.tsv")


def test_plan_names_trainings_and_evaluations(config: dict[str, Any]) -> None:
    folder = Path("results/benchmarks/pretraining/ir")
    folder.mkdir(parents=True)
    (folder / "seed0.tsv").write_text("s\tmax_rss\n720.5\t3\n")
    text = "\n".join(plan(config, [], True, []))
    assert "train ir, seed 0: 3 epochs, 12 min the last time" in text and "train la, seed 0: 200 epochs" in text
    assert "other" not in text and "evaluate on b, finetune: 1 model on each split" in text
    assert "evaluate on b, svm: 1 model on each split" in text
    Path("results/pretraining/ir/seed0").mkdir(parents=True)
    Path("results/pretraining/ir/seed0/model.pt").touch()
    assert "train ir" not in "\n".join(plan(config, [], True, []))
    assert "train ir" in "\n".join(plan(config, ["results/pretraining/ir/seed0/model.pt"], True, []))


def _splits(dataset: str, *numbers: int) -> None:
    write_json(Path("results") / dataset / "videos" / "splits.json", {"numbers": numbers, "reason_for_none": ""})


def _write_output(name: str, seconds: float | None = None) -> None:
    path = Path("results") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if seconds is not None:
        benchmark = Path("results/benchmarks") / Path(name).with_suffix(".tsv")
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"s\tmax_rss\n{seconds}\t3\n")


def _evaluation_lines(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if "evaluate on" in line or "features of" in line]


def test_plan_has_the_known_durations_of_evaluations(config: dict[str, Any]) -> None:
    _splits("b", 1, 2)
    for split in (1, 2):
        _write_output(f"evaluation/la/seed0/b/split{split}/finetune.json", seconds=600)
    _write_output("evaluation/la/seed0/b/split1/linear.json", seconds=120)
    _write_output("evaluation/idt/seed0/b/split1/svm.json")
    pending = [f"results/evaluation/la/seed0/b/split{split}/{p}.json" for split in (1, 2) for p in PROTOCOLS]
    assert _evaluation_lines(plan(config, pending, True, [])) == [
        "compute features of b: 1 model",
        "evaluate on b, finetune: 1 model on each split, about 20 min",
        "evaluate on b, linear: 1 model on each split, at least 2 min",
        "evaluate on b, knn: 1 model on each split",
        "evaluate on b, svm: 1 model on each split",
    ]


def test_plan_has_the_durations_of_the_estimate_for_finetune_and_features(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pilot measures a second per clip in training and a minute per clip in a forward pass."""
    monkeypatch.setattr(networks, "network_seconds", lambda *_: NetworkSeconds(1, 60))
    config["evaluation"] |= {
        "clips": 1,
        "finetune_epochs": 1,
        "finetune_validation_fraction": 0,
        "finetune_refit": False,
    }
    config["pretraining"]["seeds"] = [0, 1]
    size = Size(20, 1, 1)
    surveyed = {"b": (Survey(size, [{"path": "x"}], [], listed=(Listed("x"),)), size)}
    COST.parent.mkdir(parents=True)
    write_frame(COST, cost_frame(networks.network_lines(config, surveyed, cores=1)))
    _splits("b", 1)
    for run in ("ir", "la"):
        _write_output(f"pretraining/{run}/seed0/model.pt")
    lines = _evaluation_lines(plan(config, [], True, []))
    assert lines == [
        "compute features of b: 2 models, about 40 min",  # per seed: 20 min
        "evaluate on b, finetune: 2 models on each split, about 12 min",  # per seed: 14 s and 6 min
        "evaluate on b, linear: 2 models on each split",
        "evaluate on b, knn: 2 models on each split",
        "evaluate on b, svm: 1 model on each split",
    ]
    _write_output("evaluation/la/seed0/b/features.h5", seconds=600)
    assert "compute features of b: 1 model, about 20 min" in _evaluation_lines(plan(config, [], True, []))
    again = ["results/evaluation/la/seed0/b/features.h5"]
    assert "compute features of b: 2 models, about 30 min" in _evaluation_lines(plan(config, again, True, []))


def test_plan_of_a_table_has_its_runs_and_splits(config: dict[str, Any]) -> None:
    _splits("a", 1, 2)
    table = {"title": "One", "datasets": ["a"], "splits": [2], "rows": [{"method": "IR", "run": "ir"}]}
    config = resolve({**CONFIG, "report": {"tables": {"t": table}}})
    assert plan(config, [], False, ["t"])[1:] == [
        "  train ir, seed 0: 3 epochs",
        "  evaluate on a, finetune: 1 model on each split",
    ]
    _write_output("pretraining/ir/seed0/model.pt")
    _write_output("evaluation/ir/seed0/a/split2/finetune.json")
    assert plan(config, [], False, ["t"]) == []


def test_plan_of_a_run_on_a_training_part_has_only_its_split(config: dict[str, Any]) -> None:
    _splits("a", 1, 2)
    runs = {"sup": {"objective": "supervised", "subset": "split2"}}
    pretraining = {"dataset": "a", "runs": runs}
    config = resolve({**CONFIG, "pretraining": pretraining, "evaluation": {"datasets": ["a"], "runs": ["sup"]}})
    _write_output("pretraining/sup/seed0/model.pt")
    for protocol in PROTOCOLS:
        _write_output(f"evaluation/sup/seed0/a/split2/{protocol}.json")
    assert plan(config, [], True, []) == []


def test_plan_ignores_a_damaged_cost_table(config: dict[str, Any]) -> None:
    row = {"dataset": "a", "stage": "pretraining", "of": "ir", "hours_value": 1.0, "jobs": 1}
    COST.parent.mkdir(parents=True)
    write_columns(COST, [row], list(row))
    assert "train ir, seed 0: 3 epochs, about 60 min (make estimate)" in "\n".join(plan(config, [], True, []))
    COST.write_text(COST.read_text().replace("1.0", "2.0"))  # the checksum no longer matches
    assert "train ir, seed 0: 3 epochs\n" in "\n".join(plan(config, [], True, []))


def test_missing_detectors_names_a_detector_that_is_needed_and_not_installed(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    assert missing_detectors(config) == []
    monkeypatch.setattr("workflow_scripts.persons.detectors.find_spec", lambda name: None)
    config = resolve({**CONFIG, "descriptors": {"idt": {"boxes": "detectron2"}}})
    (sentence,) = missing_detectors(config)
    assert "descriptors.idt.boxes: detectron2 is not installed;" in sentence
    _write_output("a/videos/shards/0.tsv")
    _write_output("a/persons/detectron2/0.h5")
    assert missing_detectors(config) == [sentence], "the run idt is evaluated on b"
    networks_only = {**config, "evaluation": {**config["evaluation"], "runs": ["la"]}}
    assert missing_detectors(networks_only) == [], "the persons of a are detected, and networks need no persons"
    _write_output("b/videos/shards/0.tsv")
    _write_output("b/persons/detectron2/0.h5")
    assert missing_detectors(config) == []
