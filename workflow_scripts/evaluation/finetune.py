"""Stage: finetune a pretrained network (or train one from scratch) on a split and test it (paper 4.2).

SGD trains on random clips with multi-scale crops and flips. The learning rate drops when the loss on held-out
*training* videos stops falling. The lowest blocks keep their pretrained weights and batch norm statistics. Then the
network is trained again on the whole training part, with the same learning rates (`finetune_refit`). The prediction for
a test video averages the softmax scores of five random clips, centre crop.

Inputs: model.pt, splits.tsv, unread.tsv, frames shards. Output: `finetune.json`, a record (see `results`) with
`n_train`, the number of videos that trained the tested network; `n_held_out`, the number of videos that only decided
when the learning rate drops; `history`, a row per epoch of the first training; and `refit`, the rows of the second
training, if there was one. Each epoch writes a checkpoint to `checkpoints`. A killed job resumes from it and ends with
the same result. The end of the job deletes the checkpoints. The folder `finetune` beside the record shows both
trainings while they run (`ground.curves`).
"""

import dataclasses
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import Predictions
from workflow_scripts.evaluation.network import read_inputs, read_pretrained
from workflow_scripts.evaluation.protocols import settings_of
from workflow_scripts.evaluation.settings import VERSIONS, Architecture, EvaluationSettings
from workflow_scripts.evaluation.split import Split
from workflow_scripts.evaluation.trainer import Trainer
from workflow_scripts.ground import identity
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.threads import use_threads
from workflow_scripts.pretraining.train import run_digest

log = logging.getLogger(__name__)


def finetune(
    splits: Path,
    frames: list[Path],
    output: Path,
    task: results.Task,
    checkpoints: Path,
    settings: EvaluationSettings,
    architecture: Architecture,
    unread: Path | None = None,
    model: Path | None = None,
    workers: int = 0,
) -> None:
    """Trains `model` on the training videos of a split and records its accuracy on the test videos.

    Args:
        splits: The dataset's splits.tsv.
        frames: Frames of all its shards.
        output: The record.
        task: What is evaluated. Its seed determines all random choices, its layout the frozen blocks.
        checkpoints: A folder that only this run and split use.
        settings: How to train and test.
        architecture: The shape of a network from scratch.
        unread: Table of the videos that could not be read.
        model: The run's model.pt; None to train from scratch.
        workers: Processes that load clips for a GPU.

    Raises:
        StageError: A readable video of the split is in no frames file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    use_threads(best_device(), vars(pretrained.architecture), settings.finetune_batch_size)
    split, store = read_inputs(splits, task.split, frames, unread)
    origin = {**pretrained.provenance(), "layout": task.layout}
    request = {
        "VERSION": VERSIONS["finetune"],
        "split": dataclasses.asdict(split),
        "seed": task.seed,
        "settings": {**settings_of("finetune", dataclasses.asdict(settings)), **origin},
    }
    folder = checkpoints / run_digest(request, [model] if model else [], frames)

    def new_trainer(name: str) -> Trainer:
        network = pretrained.network(len(split.classes), task.seed)
        frozen = [] if model is None else freeze(network, settings.finetune_freeze_blocks, task.layout)
        return Trainer(
            f"{task.run} {name}", network, frozen, store, pretrained.architecture, settings, task.seed, workers
        )

    trainer, training = train(new_trainer, split, folder, output.with_suffix(""), settings, task.seed)
    scores = trainer.predict(list(split.test), settings.clips, show_progress=True)
    predictions = Predictions.from_scores(split.targets(split.test), scores)
    results.write_record(output, task, "finetune", split, predictions, settings, origin, **training)
    shutil.rmtree(checkpoints, ignore_errors=True)  # also those of earlier settings


def train(
    new_trainer: Callable[[str], Trainer],
    split: Split,
    folder: Path,
    curves_folder: Path,
    settings: EvaluationSettings,
    seed: int,
) -> tuple[Trainer, dict[str, Any]]:
    """Finds the learning rates on a part of the training videos, then trains on all of them (`finetune_refit`).

    Args:
        new_trainer: Makes a trainer of this name with the initial weights.
        split: The videos of the split.
        folder: Folder of the checkpoints of both trainings.
        curves_folder: Folder of their curves.
        settings: The share of videos to hold out, and whether to train again.
        seed: Seed of the choice of videos to hold out.

    Returns:
        The trainer with the trained network, and the record's entries about its training.
    """
    held_out = hold_out(split.train, split.groups, settings.finetune_validation_fraction, seed)
    trained = {video_id: label for video_id, label in split.train.items() if video_id not in held_out}
    validation = {video_id: split.train[video_id] for video_id in held_out}
    log.info("%d videos to train on, %d held out", len(trained), len(validation))
    trainer = new_trainer("finetune")
    history = trainer.train(trained, split.classes, folder / "rates", curves_folder / "rates", held_out=validation)
    training: dict[str, Any] = {"n_train": len(trained), "n_held_out": len(validation), "history": history}
    if held_out and settings.finetune_refit:
        log.info("training again, on all %d videos with these learning rates", len(split.train))
        trainer = new_trainer("refit")
        rates = [row["lr"] for row in history]
        folders = folder / "refit", curves_folder / "refit"
        training["refit"] = trainer.train(split.train, split.classes, *folders, rates=rates)
        training["n_train"] = len(split.train)
    return trainer, training


def freeze(network: ResNet3D, blocks: Mapping[str, int], layout: str) -> list[nn.Module]:
    """Freezes the stem and the first blocks (layer1, ...) of the network.

    Args:
        network: The network.
        blocks: The number of blocks by layout; `other` is for all other layouts. 0 freezes nothing, not even the stem.
        layout: The dataset's layout.

    Returns:
        The frozen modules.

    Raises:
        StageError: The network has fewer blocks.
    """
    n = blocks.get(layout, blocks.get("other", 0))
    if not 0 <= n <= 4:
        raise StageError(f"finetune_freeze_blocks: {n} for {layout}, but the network has 4 blocks; set 0 to 4")
    names = ["conv1", "bn1", *(f"layer{i}" for i in range(1, n + 1))] if n else []
    frozen = [network.get_submodule(name) for name in names]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def hold_out(labels: Mapping[str, str], groups: Mapping[str, str], fraction: float, seed: int) -> set[str]:
    """The training videos to hold out for validation: about `fraction` of each class.

    The clips of a group (film, recording) look alike, so a group is held out as a whole, in all classes. The groups are
    tried in random order. A group is held out if
    - the number of held-out videos comes closer to its target,
    - the sum of the distances of its classes to their targets grows by less than a video, and
    - each class has a video left to train on.
    If no group is held out, the smallest group that meets the last condition is. Without one, the result is empty.

    Args:
        labels: Labels of the training videos.
        groups: Group of each training video; "" or missing for a video without one.
        fraction: Share of the videos to hold out, 0..1.
        seed: Seed of the order.

    Returns:
        The ids of the held-out videos.
    """
    if fraction <= 0:
        return set()
    units: dict[tuple[str, str], list[str]] = {}
    for video_id in sorted(labels):
        group = groups.get(video_id, "")
        units.setdefault(("group", group) if group else ("video", video_id), []).append(video_id)
    order = sorted(units.values(), key=lambda unit: identity.digest(seed, "validation", unit))
    n_trained = Counter(labels.values())
    class_targets = {label: fraction * n for label, n in n_trained.items()}
    target = max(1.0, fraction * len(labels))
    held_out: set[str] = set()

    def class_counts(unit: list[str]) -> dict[str, int]:
        return Counter(labels[video_id] for video_id in unit)

    def leaves_every_class(unit: list[str]) -> bool:
        return all(n_trained[label] > n for label, n in class_counts(unit).items())

    for unit in order:
        gain = sum(abs(class_targets[label]) - abs(class_targets[label] - n) for label, n in class_counts(unit).items())
        if abs(target - len(unit)) < target and gain > -1 + 1e-9 and leaves_every_class(unit):
            held_out |= set(unit)
            target -= len(unit)
            for label, n in class_counts(unit).items():
                n_trained[label] -= n
                class_targets[label] -= n
    smallest = sorted((unit for unit in order if leaves_every_class(unit)), key=len)[:1]
    return held_out or {video_id for unit in smallest for video_id in unit}


if __name__ == "__main__":
    command_line(finetune)
