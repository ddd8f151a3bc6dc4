"""The trainings and evaluations that the estimate counts, and their costs."""

from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.operations.estimate import networks
from workflow_scripts.operations.estimate.extrapolate import Line, Size
from workflow_scripts.operations.estimate.kernels import NetworkSeconds
from workflow_scripts.operations.estimate.survey import Survey
from workflow_scripts.pretraining.loading_rate import loading_cores
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.videos.layouts.layout import Listed

CONFIG: dict[str, Any] = {
    "datasets": {"a": {"layout": "folder", "test_fraction": 0.2, "n_splits": 3}, "b": {"layout": "hmdb51"}},
    "pretraining": {
        "dataset": "a",
        "epochs": 10,
        "runs": {"ir": {"objective": "instance"}, "sup": {"objective": "supervised", "subset": "split2"}},
    },
    "evaluation": {"datasets": ["a", "b"], "runs": ["ir", "sup"], "protocols": ["linear"], "clips": 1},
}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sets an hour per clip in training, two in a forward pass. Returns the measured batches and threads."""
    batches: list[tuple[int, int]] = []

    def rate(settings: PretrainingSettings, threads: int) -> NetworkSeconds:
        batches.append((settings.batch_size, threads))
        return NetworkSeconds(3600, 7200)

    monkeypatch.setattr(networks, "network_seconds", rate)
    monkeypatch.chdir(tmp_path)
    return batches


def _lines(config: dict[str, Any], cores: int = 2) -> dict[tuple[str, str, str], Line]:
    size = Size(100, 1, 1)
    surveyed = {name: (Survey(size, [{"path": "x"}], [], listed=(Listed("x"),)), size) for name in ("a", "b")}
    lines = networks.network_lines(resolve(config), surveyed, cores)
    return {(dataset, line.stage, line.of): line for dataset, line in lines}


def test_network_lines_have_the_dataset_of_the_training_or_evaluation(measured: list[tuple[int, int]]) -> None:
    lines = _lines(CONFIG)
    stages = {("a", "pretraining"), ("a", "features"), ("b", "features")}
    assert {(dataset, stage) for dataset, stage, _ in lines} == stages
    assert lines["a", "pretraining", "ir"].hours.value == 1000
    assert lines["b", "features", "ir"].jobs == 1, "one file of features serves all splits"
    finetuned = _lines({**CONFIG, "evaluation": {**CONFIG["evaluation"], "protocols": ["finetune"]}})
    assert finetuned["b", "finetune", "ir"].jobs == 3, "the official splits of HMDB51"


def test_network_lines_count_the_splits_of_the_config_and_of_the_run(
    measured: list[tuple[int, int]],
) -> None:
    finetuned = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "protocols": ["finetune", "linear"]}}
    lines = _lines(finetuned)
    assert [lines["a", "finetune", run].jobs for run in ("ir", "sup")] == [3, 1]
    for run in ("ir", "sup"):
        assert lines["a", "features", run].hours.value == pytest.approx(2 * 100)
    Path("results/a/videos").mkdir(parents=True)
    splits = [{"split": split, "part": part} for split in (1, 2) for part in ("train", "test") * split]
    write_columns(Path("results/a/videos/splits.tsv"), splits, ["split", "part"])
    lines = _lines(finetuned)
    assert [lines["a", "finetune", run].jobs for run in ("ir", "sup")] == [2, 1]
    assert lines["a", "features", "sup"].hours.value == pytest.approx(2 * 4)


def test_network_lines_count_evaluations_that_only_tables_need(measured: list[tuple[int, int]]) -> None:
    table = {"title": "One", "datasets": ["b"], "splits": [1], "rows": [{"method": "IR", "run": "ir"}]}
    lines = _lines({**CONFIG, "report": {"tables": {"t": table}}})
    assert lines["b", "finetune", "ir"].jobs == 1


def test_network_lines_measure_networks_with_their_batch_and_threads(measured: list[tuple[int, int]]) -> None:
    config = {**CONFIG, "pretraining": {**CONFIG["pretraining"], "batch_size": 32}}
    _lines(config, cores=2)
    assert set(measured) == {(32, 2), (128, 2)}
    measured.clear()
    small = {"depth": 10, "width": 0.125, "crop_size": 32, "batch_size": 4}
    evaluation = {**CONFIG["evaluation"], "finetune_batch_size": 4}
    _lines({**CONFIG, "pretraining": {**CONFIG["pretraining"], **small}, "evaluation": evaluation}, cores=8)
    assert set(measured) == {(4, 1)}


def test_network_text_says_which_trainings_wait_for_clips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A network that learns 1,000 clips of 16 frames per second needs more than five cores for frames of 240 pixels."""
    monkeypatch.setattr(networks, "network_seconds", lambda settings, threads: NetworkSeconds(1e-3, 1e-4))
    monkeypatch.chdir(tmp_path)
    finetuned = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "protocols": ["finetune", "linear"]}}
    lines = _lines(finetuned)
    named = [(dataset, line) for (dataset, _, _), line in lines.items()]
    assert lines["a", "pretraining", "ir"].loading_cores == pytest.approx(loading_cores(1000))
    few, many = ("\n".join(networks.network_text(named, "a GPU", cores)) for cores in (3, 7))
    assert "- pretraining ir on a learns as fast as 5.3 cores load: it waits for clips and takes 2.7 x the time" in few
    assert "ask for 7 cores" in few
    assert "- finetune ir on b learns as fast as 5.3 cores load: it does not wait" in many
    assert "waits for clips" not in many
    assert "features" not in few.split("Loading of clips")[1], "only trainings have a line"
