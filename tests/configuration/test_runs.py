"""The values of runs and of stages."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import yaml
from small_config import SMALLEST, config_with

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.configuration.runs import run_settings, run_values, training_threads
from workflow_scripts.configuration.stage_settings import changed_settings

REPOSITORY = Path(__file__).parents[2]


def _plain(settings: Any) -> dict[str, Any]:
    return dict(json.loads(json.dumps(dataclasses.asdict(settings))))


def test_run_values_are_by_default_those_of_the_training() -> None:
    from workflow_scripts.pretraining.settings import PretrainingSettings

    values = run_values(resolve(SMALLEST), "scratch")
    in_stage = _plain(PretrainingSettings())
    assert {key: values[key] for key in in_stage} == in_stage


def test_changed_settings_are_those_that_differ() -> None:
    config = resolve(config_with("encoding.components", 8))
    assert changed_settings("encoding", config["encoding"]) == '{"components": 8}'
    assert changed_settings("encoding", resolve(SMALLEST)["encoding"]) == "{}"


def test_run_settings_do_not_contain_checkpoint_minutes() -> None:
    """They do not influence the result, so changing them must not rerun a training."""
    runs = {"ir": {"objective": "instance"}, "la": {"objective": "local_aggregation", "clusters": "joint"}}
    pretraining = {"dataset": "a", "runs": runs}
    before = resolve(config_with("pretraining", pretraining))
    after = resolve(config_with("pretraining", {**pretraining, "checkpoint_minutes": 3}))
    for run in runs:
        assert run_settings(before, run) == run_settings(after, run)


def test_run_values_override_those_of_the_sections() -> None:
    sections = config_with(
        "pretraining", {"dataset": "a", "epochs": 7, "runs": {"ir": {"objective": "instance", "k": 5}}}
    )
    config = resolve({**sections, "clusters": {"m": 2}})
    values = run_values(config, "ir")
    assert (values["epochs"], values["k"], values["m"], values["lr"]) == (7, 5, 2, 0.03)
    assert "lr" not in config["pretraining"]["runs"]["ir"]


def test_training_threads_grow_with_network_and_batch_size() -> None:
    demo = resolve(yaml.safe_load((REPOSITORY / "config.yaml").read_text()))
    assert {training_threads(demo, run) for run in ["scratch", *demo["pretraining"]["runs"]]} == {1}
    paper = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    assert training_threads(paper, "la_idt") == 8
    of_batch = [training_threads(paper, "la_idt", batch) for batch in (1, 2, 3, 128)]
    assert of_batch == sorted(of_batch) and of_batch[0] > 1 and of_batch[-1] == 8
