"""Stage: finetune a pretrained network (or train one from scratch) on a split and test it (paper 4.2).

SGD on random clips, multi-scale cropped and flipped. The learning rate drops when the loss on held-out *training*
videos stops falling. The lowest blocks keep their pretrained weights and batch norm statistics. Then the network is
trained again on the whole training part, with the same rates (`finetune_refit`). At last the softmax scores of five
random clips of each test video, centre crop, are averaged.

Inputs: model.pt, splits.tsv, unread.tsv, frames shards. Output: `finetune.json`, a record (see `results`) with
`n_train`, the training videos of the tested network; `n_held_out`, the videos that only decided when to lower the rate;
`history`, a row per epoch of the training that found the rates; and `refit`, the rows of the second training, if there
was one. After every epoch the state is saved in `checkpoints`. A killed job resumes from there and ends with the same
result. The checkpoints are removed at the end.
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
from workflow_scripts.evaluation.metrics import Answers
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
        task: What is evaluated; its seed is that of all draws, its layout says which blocks are frozen.
        checkpoints: A folder of this run and split alone.
        settings: How to train and test.
        architecture: Of a network from scratch; a model brings its own.
        unread: Table of the videos that could not be read.
        model: The run's model.pt; None to train from scratch.
        workers: Processes that read clips beside a GPU.

    Raises:
        StageError: A readable video of the split is in no frames file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    use_threads(best_device(), vars(pretrained.architecture), settings.finetune_batch_size)
    split, store = read_inputs(splits, task.split, frames, unread)
    used = {**settings_of("finetune", dataclasses.asdict(settings)), **pretrained.described(), "layout": task.layout}
    request = {"VERSION": VERSIONS["finetune"], "split": dataclasses.asdict(split), "seed": task.seed, "settings": used}
    folder = checkpoints / run_digest(request, [model] if model else [], frames)

    def new_trainer(name: str) -> Trainer:
        network = pretrained.network(len(split.classes), task.seed)
        frozen = [] if model is None else freeze(network, settings.finetune_freeze_blocks, task.layout)
        return Trainer(
            f"{task.run} {name}", network, frozen, store, pretrained.architecture, settings, task.seed, workers
        )

    trainer, training = train(new_trainer, split, folder, settings, task.seed)
    scores = trainer.predict(list(split.test), settings.clips, shown=True)
    answers = Answers.from_scores(split.targets(split.test), scores)
    record = results.write_record(output, task, "finetune", split, answers, used, **training)
    shutil.rmtree(checkpoints, ignore_errors=True)  # also those of earlier settings
    log.info("%s finetuned on %s split %d: %s", *task.named(), results.in_words(record))


def train(
    new_trainer: Callable[[str], Trainer], split: Split, folder: Path, settings: EvaluationSettings, seed: int
) -> tuple[Trainer, dict[str, Any]]:
    """Finds the learning rates on a part of the training videos, then trains on all of them (`finetune_refit`).

    Args:
        new_trainer: Makes the trainer of a training with this name, with the weights to start from.
        split: The videos of the split.
        folder: For the checkpoints of both trainings.
        settings: The share of videos to hold out, and whether to train again.
        seed: Chooses the videos to hold out.

    Returns:
        The trainer with the trained network, and what the record says of its training.
    """
    held_out = hold_out(split.train, split.groups, settings.finetune_validation_fraction, seed)
    trained = {video_id: label for video_id, label in split.train.items() if video_id not in held_out}
    validation = {video_id: split.train[video_id] for video_id in held_out}
    log.info("%d videos to train on, %d held out", len(trained), len(validation))
    trainer = new_trainer("finetune")
    history = trainer.train(trained, split.classes, folder / "rates", held_out=validation)
    training: dict[str, Any] = {"n_train": len(trained), "n_held_out": len(validation), "history": history}
    if held_out and settings.finetune_refit:
        log.info("training again, on all %d videos with these learning rates", len(split.train))
        trainer = new_trainer("refit")
        rates = [row["lr"] for row in history]
        training["refit"] = trainer.train(split.train, split.classes, folder / "refit", rates=rates)
        training["n_train"] = len(split.train)
    return trainer, training


def freeze(network: ResNet3D, blocks: Mapping[str, int], layout: str) -> list[nn.Module]:
    """Fixes the stem and the first blocks (layer1, ...) that `blocks` says for a dataset of `layout`, or for `other`.

    Returns what is fixed. Raises StageError for more blocks than there are.
    """
    n = blocks.get(layout, blocks.get("other", 0))
    if not 0 <= n <= 4:
        raise StageError(f"finetune_freeze_blocks: {n} for {layout}, and the network has 4 blocks to freeze")
    names = ["conv1", "bn1", *(f"layer{i}" for i in range(1, n + 1))] if n else []
    frozen = [network.get_submodule(name) for name in names]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def hold_out(labels: Mapping[str, str], groups: Mapping[str, str], fraction: float, seed: int) -> set[str]:
    """The training videos that only decide when to lower the learning rate: about `fraction` of each class.

    Groups (films, recordings) are held out whole, in all classes, because the network would know a recording after
    learning another of its clips. `seed` draws the order in which groups are tried. A group is held out if this brings
    the number of videos nearer to `fraction`, brings those of its classes no further from it than one video, and leaves
    each class a video to train on. If no group fits, the smallest group that leaves each class a video is held out; if
    there is none, the result is empty.

    Args:
        labels: Of the training videos.
        groups: Group of a training video; "" or missing for a video without one.
        fraction: Share of the videos to hold out, 0..1.
        seed: Draws the order.
    """
    if fraction <= 0:
        return set()
    units: dict[tuple[str, str], list[str]] = {}
    for video_id in sorted(labels):
        group = groups.get(video_id, "")
        units.setdefault(("group", group) if group else ("video", video_id), []).append(video_id)
    order = sorted(units.values(), key=lambda unit: identity.digest(seed, "validation", unit))
    left = Counter(labels.values())
    wanted = {label: fraction * n for label, n in left.items()}
    missing = max(1.0, fraction * len(labels))
    held_out: set[str] = set()

    def sizes(unit: list[str]) -> dict[str, int]:
        return Counter(labels[video_id] for video_id in unit)

    def spares(unit: list[str]) -> bool:
        return all(left[label] > n for label, n in sizes(unit).items())

    for unit in order:
        gain = sum(abs(wanted[label]) - abs(wanted[label] - n) for label, n in sizes(unit).items())
        if abs(missing - len(unit)) < missing and gain > -1 + 1e-9 and spares(unit):
            held_out |= set(unit)
            missing -= len(unit)
            for label, n in sizes(unit).items():
                left[label] -= n
                wanted[label] -= n
    smallest = sorted((unit for unit in order if spares(unit)), key=len)[:1]
    return held_out or {video_id for unit in smallest for video_id in unit}


if __name__ == "__main__":
    command_line(finetune)
