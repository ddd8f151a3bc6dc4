"""Stage: finetune a pretrained network (or train one from scratch) on a split and test it (paper 4.2).

SGD on random clips, multi-scale cropped and flipped; the learning rate drops when the loss on a part of the *training*
videos kept aside stops falling; the lowest blocks keep their pretrained weights and batch norm statistics. When all
drops are known, the network is trained anew on the whole training part with the same rates (`finetune_refit`). Then
every test video is seen in five random clips, centre crop, and the softmax scores are averaged.

Inputs: model.pt, splits.tsv, unread.tsv, frames shards. Output: `finetune.json`, a record (see `results`) with
`n_train`, the videos that the tested network was trained on; `n_held_out`, those that only said when to lower the rate;
`history`, a row per epoch of the training that found the rates; and `refit`, those of the second training, where there
was one. After every epoch the state goes to `checkpoints`, from where a killed job goes on to the same result; it is
removed at the end.
"""

import dataclasses
import logging
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.network import device, read_inputs, read_pretrained
from workflow_scripts.evaluation.settings import VERSIONS, Architecture, EvaluationSettings, settings_of
from workflow_scripts.evaluation.trainer import Trainer
from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.threads import use_threads
from workflow_scripts.pretraining.train import run_digest

log = logging.getLogger(__name__)


def finetune(
    splits: Path,
    split: int,
    frames: list[Path],
    output: Path,
    run: str,
    seed: int,
    dataset: str,
    checkpoints: Path,
    settings: EvaluationSettings,
    architecture: Architecture,
    layout: str = "",
    unread: Path | None = None,
    model: Path | None = None,
    workers: int = 0,
) -> None:
    """Trains `model` on the training videos of a split and records its accuracy on the test videos.

    model: the run's model.pt, or none to train the depth, width, clip length and size in `architecture` (unused with a
    model) from scratch; run, dataset: for the record; layout: of the dataset, says which blocks are frozen; seed: of
    all draws; checkpoints: a folder of this run and split alone; unread: the table of the videos that could not be
    read; workers: processes that read clips beside a GPU.
    Raises StageError if a readable video of the split is in no frames file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    use_threads(device(), vars(pretrained.architecture), settings.finetune_batch_size)
    parts, store = read_inputs(splits, split, frames, unread)
    used = {**settings_of("finetune", dataclasses.asdict(settings)), **pretrained.described(), "layout": layout}
    request = {"VERSION": VERSIONS["finetune"], "split": dataclasses.asdict(parts), "seed": seed, "settings": used}
    folder = checkpoints / run_digest(request, [model] if model else [], frames)

    def new_trainer(name: str) -> Trainer:
        network = pretrained.network(len(parts.classes), seed)
        frozen = [] if model is None else freeze(network, settings.finetune_freeze_blocks, layout)
        return Trainer(f"{run} {name}", network, frozen, store, pretrained.architecture, settings, seed, workers)

    held_out = hold_out(parts.train, parts.groups, settings.finetune_validation_fraction, seed)
    trained = {video_id: label for video_id, label in parts.train.items() if video_id not in held_out}
    aside = {video_id: parts.train[video_id] for video_id in held_out}
    log.info("%s on %s split %d: %d videos to train on, %d held out", run, dataset, split, len(trained), len(aside))
    trainer = new_trainer("finetune")
    histories = {"history": trainer.train(trained, parts.classes, folder / "rates", held_out=aside)}
    if held_out and settings.finetune_refit:
        trained, rates = parts.train, [row["lr"] for row in histories["history"]]
        log.info("%s: trained anew on all %d videos with these learning rates", run, len(trained))
        trainer = new_trainer("refit")
        histories["refit"] = trainer.train(trained, parts.classes, folder / "refit", rates=rates)
    record = results.write_record(
        output,
        parts,
        trainer.predict(list(parts.test), settings.clips, shown=True),
        run=run,
        seed=seed,
        dataset=dataset,
        number=split,
        protocol="finetune",
        settings=used,
        version=VERSIONS["finetune"],
        n_train=len(trained),
        n_held_out=len(aside),
        **histories,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)  # also those of earlier settings
    log.info("%s finetuned on %s split %d: %s", run, dataset, split, results.in_words(record))


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
    """The training videos that only say when to lower the learning rate: about `fraction` of each class.

    labels: of the training videos; groups: theirs, "" or none for a video that is alone. Groups (films, recordings)
    are held out whole, in all classes: the network knows a recording of which it has learned another clip.
    They are visited in an order that `seed` draws. A group is taken if that brings the number of videos nearer to
    `fraction`, that of its classes no further from it than a video, and if each class keeps a video to train on.
    Where no group fits, the smallest that leaves each class a video is taken; the result is empty if there is none.
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
