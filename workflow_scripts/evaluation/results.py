"""The record of one evaluation, a JSON file.

A record names the run, seed, dataset, split, protocol and settings. `n_train` is the number of training videos.
`chance` is the accuracy of always predicting the most frequent training class. The metrics of METRICS that apply have
their names as keys; they are over the `n_test` videos that could be tested. The dataset's test list has `n_listed`
videos. `n_left_out` is the difference, and `left_out` has the reasons. `accuracy_interval` is the 95 % bootstrap
interval of the accuracy over the test videos, drawn by recording if there are groups.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workflow_scripts.evaluation.metrics import METRICS, Predictions, accuracy_interval, measure
from workflow_scripts.evaluation.protocols import PROTOCOLS, settings_of
from workflow_scripts.evaluation.settings import VERSIONS, EvaluationSettings
from workflow_scripts.evaluation.split import Split
from workflow_scripts.ground import artifacts
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError

log = logging.getLogger(__name__)

Record = dict[str, Any]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "run": str,
    "seed": int,
    "dataset": str,
    "split": int,
    "protocol": str,
    "accuracy": (int, float),
    "accuracy_interval": list,
    "mean_class_accuracy": (int, float),
    "chance": (int, float),
    "n_train": int,
    "n_test": int,
    "n_listed": int,
    "n_left_out": int,
    "left_out": dict,
    "classes": list,
    "confusion": list,
    "predictions": dict,
    "settings": dict,
    "config_digest": str,
    "VERSION": int,
}


@dataclass(frozen=True)
class Task:
    """An evaluation of a run and its seed, on one split of a dataset with this layout."""

    run: str = ""
    seed: int = 0
    dataset: str = ""
    split: int = 1
    layout: str = ""


def write_record(
    output: Path,
    task: Task,
    protocol: str,
    split: Split,
    predictions: Predictions,
    settings: EvaluationSettings,
    origin: Mapping[str, Any] = MappingProxyType({}),
    **extra: Any,
) -> Record:
    """Writes, logs and returns the record of a protocol's predictions for the test videos of a split.

    Args:
        output: The record's file.
        task: What is evaluated.
        protocol: The protocol's name in PROTOCOLS.
        split: The videos of the split.
        predictions: The predictions for split.test, in its order.
        settings: The settings, of which the record has the protocol's.
        origin: All else that the result depends on, such as the settings of the network's training.
        extra: Entries that only this protocol has, such as `shots` or `history`. They may override an entry that comes
            from the split, such as `n_train`.

    Raises:
        StageError: The record contradicts itself, or cannot be written.
    """
    version, values = VERSIONS[protocol], {**settings_of(protocol, asdict(settings)), **origin}
    record: Record = {
        "run": task.run,
        "seed": task.seed,
        "dataset": task.dataset,
        "split": task.split,
        "protocol": protocol,
        **measure(predictions),
        "accuracy_interval": accuracy_interval(predictions.predicted == predictions.truth, split.recordings()),
        "chance": chance(split),
        "n_train": len(split.train),
        "n_test": len(split.test),
        "n_listed": len(split.test) + len(split.left_out),
        "n_left_out": len(split.left_out),
        **extra,
        "settings": values,
        "config_digest": digest(protocol, version, values),
        "VERSION": version,
        "classes": split.classes,
        "confusion": predictions.confusion().tolist(),
        "predictions": dict(zip(split.test, (split.classes[i] for i in predictions.predicted), strict=True)),
        "left_out": split.left_out,
        "unused": split.unused,
    }
    validate(record, output)
    artifacts.write_json(output, record)
    title = PROTOCOLS[protocol].title
    log.info("%s, %s, on %s split %d: %s", task.run, title, task.dataset, task.split, summary(record))
    return record


def read_record(path: Path) -> Record:
    """Reads and validates a record. Raises StageError if the file is not a valid record."""
    try:
        record = artifacts.read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise StageError(f"{path} cannot be read as an evaluation record ({error}); delete it and rerun") from error
    validate(record, path)
    return dict(record)


def validate(record: Any, path: Path) -> None:
    """Raises StageError naming `path` and the first fault of `record`."""

    def require(condition: bool, fault: str) -> None:
        if not condition:
            raise StageError(f"{path} is not a valid evaluation record: {fault}; delete it and rerun")

    require(isinstance(record, dict), "not a JSON object")
    for key, kind in _TYPES.items():
        require(isinstance(record.get(key), kind), f"no usable {key!r}")
    require(record["protocol"] in PROTOCOLS, f"protocol {record['protocol']!r} is not known")
    for key in [key for key in (*METRICS, "chance") if key in record]:
        require(0 <= record[key] <= 1, f"{key} {record[key]} is not within 0..1")
    low, high = record["accuracy_interval"]
    require(0 <= low <= record["accuracy"] <= high <= 1, "the accuracy is not within its interval")
    n = len(record["classes"])
    confusion = np.asarray(record["confusion"])
    require(confusion.shape == (n, n), f"the confusion matrix is not {n} x {n}")
    require(confusion.sum() == record["n_test"] > 0, "the confusion matrix does not count n_test videos")
    require(len(record["predictions"]) == record["n_test"], "not one prediction per test video")
    require(len(record["left_out"]) == record["n_left_out"], "n_left_out does not count the videos left out")
    require(record["n_listed"] == record["n_test"] + record["n_left_out"], "n_listed != n_test + n_left_out")
    require(abs(np.trace(confusion) / record["n_test"] - record["accuracy"]) < 1e-9, "accuracy != confusion")
    for key, kind in PROTOCOLS[record["protocol"]].record.items():
        require(isinstance(record.get(key), kind), f"no usable {key!r}")


def chance(split: Split) -> float:
    """The accuracy (0..1) of always predicting the most frequent training class (of a tie, the best on the tests)."""
    trained, tested = Counter(split.train.values()), Counter(split.test.values())
    most = max(trained.values())
    return max(tested[label] for label, n in trained.items() if n == most) / len(split.test)


def summary(record: Record) -> str:
    """One line for the log: the accuracy with its interval, chance and the numbers of videos."""
    low, high = record["accuracy_interval"]
    return (
        f"accuracy {record['accuracy']:.1%} ({low:.1%} to {high:.1%}, chance {record['chance']:.1%}), "
        f"{record['n_train']} trained on, {record['n_test']} of {record['n_listed']} test videos"
    )
