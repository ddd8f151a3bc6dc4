"""The line of a running training in `dtc status`."""

from pathlib import Path

import pytest

from workflow_scripts.ground.curves import Curves
from workflow_scripts.ground.outcome import Outcome
from workflow_scripts.operations.outputs import Output
from workflow_scripts.operations.running_trainings import newest_row

RUNNING = Outcome(started="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("rule", "file", "folders"),
    [("pretraining", "model.pt", ["."]), ("finetune", "finetune.json", ["finetune/rates", "finetune/refit"])],
)
def test_newest_row_is_that_of_the_running_job(tmp_path: Path, rule: str, file: str, folders: list[str]) -> None:
    output = Output(tmp_path / file, rule, "missing", True)
    assert newest_row(output, RUNNING) == ""
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        curves = Curves(tmp_path / folder, "a", 0, 40)
        curves.add({"epoch": 0, "step": 20, "loss": 9.0, "knn": 0.25})
        curves.add({"epoch": 1, "step": 40, "loss": 2.5, "waiting_share": 0.5})
    line = newest_row(output, RUNNING)
    assert line.startswith("epoch 2: loss 2.5, knn 0.25, waiting_share 0.5; 0.0 s left at "), line
    assert newest_row(output, Outcome(started="9999-01-01T00:00:00+00:00")) == "", "these rows are of an earlier job"
    assert newest_row(output, Outcome(ended="2026-01-01T00:00:00+00:00")) == "", "the job has ended"
    assert newest_row(output, None) == ""
