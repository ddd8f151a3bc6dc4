"""The record of one evaluation: a JSON file in which a number never stands without what it means.

Each record says which run, seed, dataset, split and protocol it is of, how many videos were trained on (`n_train`) and
tested on, what always answering the most frequent training class would give (`chance`), with which settings.
`accuracy` is top-1 over the `n_test` videos that could be judged, of the `n_listed` that the dataset's test list names;
`n_left_out` is the difference, and `left_out` the reasons. `accuracy_interval` is its 95 % bootstrap interval over the
test videos, drawn by recording where there are groups; `top5_accuracy` is there if there are more than 5 classes.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.evaluation.metrics import confusion_matrix, summary, top_k_accuracy
from workflow_scripts.evaluation.split import Split
from workflow_scripts.ground import artifacts
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError

PROTOCOLS = ("finetune", "few_shot", "svm")
Record = dict[str, Any]

_KINDS: dict[str, type | tuple[type, ...]] = {
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


def write_record(
    output: Path,
    split: Split,
    scores: np.ndarray,
    *,
    run: str,
    seed: int,
    dataset: str,
    number: int,
    protocol: str,
    settings: Mapping[str, Any],
    version: int,
    **more: Any,
) -> Record:
    """Writes (and returns) the record of a protocol's answers on the test part of a split.

    scores: (n_test, classes) for split.test in its order, the highest of a row is the answer; number: the split's;
    settings: all that the result depends on beside the data (also what the network was trained with);
    more: what only this protocol has, as `shots`, `knn` and `retrieval` of few_shot, `history` of finetune; or another
    value in place of what the split says, as `n_train` of a network that was not trained on all.
    """
    truth = split.targets(split.test)
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(split.classes))
    record: Record = {
        "run": run,
        "seed": seed,
        "dataset": dataset,
        "split": number,
        "protocol": protocol,
        **summary(confusion, predicted == truth, split.recordings()),
        **({"top5_accuracy": top_k_accuracy(truth, scores, 5)} if len(split.classes) > 5 else {}),
        "chance": chance(split),
        "n_train": len(split.train),
        "n_test": len(split.test),
        "n_listed": len(split.test) + len(split.left_out),
        "n_left_out": len(split.left_out),
        **more,
        "settings": dict(settings),
        "config_digest": digest(protocol, version, dict(settings)),
        "VERSION": version,
        "classes": split.classes,
        "confusion": confusion.tolist(),
        "predictions": {video_id: split.classes[i] for video_id, i in zip(split.test, predicted, strict=True)},
        "left_out": split.left_out,
        "unused": split.unused,
    }
    validate(record, output)
    artifacts.write_json(output, record)
    return record


def read_record(path: Path) -> Record:
    """Reads a record and checks it; raises StageError if the file is not one."""
    try:
        record = artifacts.read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise StageError(f"{path} cannot be read as an evaluation record ({error}); delete it and rerun") from error
    validate(record, path)
    return dict(record)


def validate(record: Any, path: Path) -> None:
    """Raises StageError naming `path` and the first thing wrong with `record`."""

    def require(condition: bool, what: str) -> None:
        if not condition:
            raise StageError(f"{path} is not a whole evaluation record: {what}; delete it and rerun")

    require(isinstance(record, dict), "not a JSON object")
    for key, kind in _KINDS.items():
        require(isinstance(record.get(key), kind), f"no usable {key!r}")
    require(record["protocol"] in PROTOCOLS, f"protocol {record['protocol']!r} is not known")
    for key in ("accuracy", "mean_class_accuracy", "chance"):
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
    if record["protocol"] == "few_shot":
        shots = record.get("shots")
        require(isinstance(shots, dict) and len(shots.get("all", [])) > 0, "no accuracies per number of shots")
        require(isinstance(record.get("knn"), dict), "no nearest neighbour accuracy")
        require(isinstance(record.get("retrieval"), dict), "no retrieval")
    if record["protocol"] == "finetune":
        require(isinstance(record.get("history"), list), "no training history")


def chance(split: Split) -> float:
    """The accuracy (0..1) of always answering the most frequent training class (of equals, the luckiest)."""
    trained, tested = Counter(split.train.values()), Counter(split.test.values())
    most = max(trained.values())
    return max(tested[label] for label, n in trained.items() if n == most) / len(split.test)


def in_words(record: Record) -> str:
    """One line for the log: accuracy with its interval, chance and the videos it rests on."""
    low, high = record["accuracy_interval"]
    return (
        f"accuracy {record['accuracy']:.1%} ({low:.1%} to {high:.1%}, chance {record['chance']:.1%}), "
        f"{record['n_train']} trained on, {record['n_test']} of {record['n_listed']} test videos judged"
    )
