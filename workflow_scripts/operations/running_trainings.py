"""The newest values of the curves of a running training or finetuning, as a line of `dtc status`."""

from datetime import datetime
from pathlib import Path

from workflow_scripts.ground.curves import FILE_NAME, PLOTTED, newest_values
from workflow_scripts.ground.durations import in_words
from workflow_scripts.ground.outcome import Outcome
from workflow_scripts.operations.outputs import Output


def newest_row(output: Output, outcome: Outcome | None) -> str:
    """The newest values and the remaining time of the training that makes a file; empty if none is running."""
    if outcome is None or outcome.ended:
        return ""
    rows = [values for path in _histories(output) if (values := newest_values(path))]
    # Before its first row, a job finds the rows of earlier jobs.
    rows = [values for values in rows if values.get("time", "") >= outcome.started]
    if not rows:
        return ""
    values = max(rows, key=lambda values: values["time"])
    shown = [name for names in PLOTTED.values() for name in names if name in values and name != "remaining"]
    numbers = ", ".join(f"{name} {float(values[name]):.4g}" for name in shown)
    at = datetime.fromisoformat(values["time"])
    return (
        f"epoch {int(values['epoch']) + 1}: {numbers}; {in_words(float(values['remaining']))} left at {at:%H:%M:%S} UTC"
    )


def _histories(output: Output) -> list[Path]:
    """The files that may exist: one of a training; of a finetuning, those of its two trainings."""
    if output.rule == "pretraining":
        return [output.path.with_name(FILE_NAME)]
    if output.rule == "finetune":
        return [output.path.with_suffix("") / part / FILE_NAME for part in ("rates", "refit")]
    return []
