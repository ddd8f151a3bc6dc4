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
import math
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from workflow_scripts import identity
from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.network import TestClips, read_inputs, read_pretrained
from workflow_scripts.evaluation.settings import VERSION, Architecture, EvaluationSettings, settings_of
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.checkpoint import load_checkpoint, save_checkpoint
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.train import run_digest
from workflow_scripts.stage import StageError, command_line

log = logging.getLogger(__name__)

SHOWN_EVERY = 1.0  # seconds between looks of the progress bar
LOGGED_EVERY = 30.0  # seconds between lines of the log within an epoch; the first stands after the first batch


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
    parts, store = read_inputs(splits, split, frames, unread)
    used = {**settings_of("finetune", dataclasses.asdict(settings)), **pretrained.described(), "layout": layout}
    request = {"VERSION": VERSION, "split": dataclasses.asdict(parts), "seed": seed, "settings": used}
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
        version=VERSION,
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
        if abs(missing - len(unit)) < missing and gain > -1 and spares(unit):
            held_out |= set(unit)
            missing -= len(unit)
            for label, n in sizes(unit).items():
                left[label] -= n
                wanted[label] -= n
    smallest = sorted((unit for unit in order if spares(unit)), key=len)[:1]
    return held_out or {video_id for unit in smallest for video_id in unit}


class Trainer:
    """A network with what it takes to train and to test it.

    name: for the progress bar and the log; frozen: modules that stay as they are; architecture: length and size of the
    clips; settings: how it is trained.
    """

    def __init__(
        self,
        name: str,
        network: ResNet3D,
        frozen: list[nn.Module],
        store: FrameStore,
        architecture: Architecture,
        settings: EvaluationSettings,
        seed: int,
        workers: int = 0,
    ) -> None:
        self.name, self.network, self.frozen, self.store = name, network, frozen, store
        self.architecture, self.settings, self.seed, self.workers = architecture, settings, seed, workers
        self.device = next(network.parameters()).device
        self.optimizer = torch.optim.SGD(
            [weight for weight in network.parameters() if weight.requires_grad],
            lr=settings.finetune_learning_rate,
            momentum=settings.finetune_momentum,
            dampening=settings.finetune_dampening,
            weight_decay=settings.finetune_weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=settings.finetune_plateau_factor,
            patience=settings.finetune_plateau_patience,
        )

    def train(
        self,
        labels: Mapping[str, str],
        classes: list[str],
        folder: Path,
        *,
        held_out: Mapping[str, str] | None = None,
        rates: Sequence[float] | None = None,
    ) -> list[dict[str, Any]]:
        """Trains on the videos of `labels`, from the checkpoint in `folder` if there is one; returns the history.

        held_out: videos whose loss says when the learning rate drops; without any, the training loss does.
        rates: the learning rate of each epoch, where they are known: then no loss says anything.
        A history row: epoch (from 0), loss, validation_loss (None where nothing is held out), lr. Raises StageError if
        the loss is not finite.
        """
        target = {video_id: classes.index(label) for video_id, label in {**labels, **(held_out or {})}.items()}
        trained, aside, epochs = sorted(labels), sorted(held_out or {}), self.settings.finetune_epochs
        history = self._restore(folder)
        done, total = len(history) * len(trained), epochs * len(trained)
        with tqdm(total=total, initial=done, desc=self.name, unit="clip", mininterval=SHOWN_EVERY) as bar:
            for epoch in range(len(history), epochs):
                if rates is not None:
                    self.optimizer.param_groups[0]["lr"] = rates[epoch]
                rate = self.optimizer.param_groups[0]["lr"]
                loss = self._train_epoch(epoch, trained, target, bar)
                if not np.isfinite(loss):
                    raise StageError(f"the loss is {loss} after epoch {epoch}; lower finetune_learning_rate ({rate:g})")
                validation_loss = self._loss(aside, target) if aside else None
                if rates is None:
                    self.schedule.step(loss if validation_loss is None else validation_loss)
                history.append({"epoch": epoch, "loss": loss, "validation_loss": validation_loss, "lr": rate})
                numbers = ", ".join(f"{key} {value:.4g}" for key, value in history[-1].items() if value is not None)
                log.debug("%s: %s", self.name, numbers)
                save_checkpoint(self._state(history), folder)
        return history

    def _train_epoch(self, epoch: int, video_ids: list[str], target: Mapping[str, int], bar: "tqdm[Any]") -> float:
        """One random clip of every video; returns the mean loss."""
        self.network.train()
        for module in self.frozen:
            module.eval()  # batch norm statistics are part of what is frozen
        settings = self.settings
        draw = partial(draw_training, self.seed, epoch, n_scales=settings.finetune_scales, crop=settings.finetune_crop)
        clips = DrawnClips(self.store, video_ids, self.architecture.clip_length, draw)
        batches = epoch_batches(len(video_ids), settings.finetune_batch_size, self.seed, epoch)
        answers = torch.tensor([target[video_id] for video_id in video_ids])
        total, seen, logged = 0.0, 0, -math.inf
        inputs = load_inputs(clips, batches, self.architecture.size, self.device, self.workers)
        for batch, indices in zip(inputs, batches, strict=True):
            logits = self.network(batch)  # (B, classes)
            loss = functional.cross_entropy(logits, answers[indices].to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(indices)
            seen += len(indices)
            bar.update(len(indices))
            bar.set_postfix(epoch=epoch + 1, loss=f"{total / seen:.3f}", refresh=False)
            if time.monotonic() - logged >= LOGGED_EVERY:
                logged = time.monotonic()
                log.debug(
                    "%s: epoch %d, %d of %d clips, loss %.4g", self.name, epoch, seen, len(video_ids), total / seen
                )
        return total / len(video_ids)

    def _loss(self, video_ids: list[str], target: Mapping[str, int]) -> float:
        """The mean cross-entropy of one clip of each video, centre crop, the same clip in every epoch."""
        scores = self.predict(video_ids, n_clips=1)
        right = scores[np.arange(len(video_ids)), [target[video_id] for video_id in video_ids]]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    @torch.no_grad()
    def predict(self, video_ids: list[str], n_clips: int, *, shown: bool = False) -> np.ndarray:
        """Scores (n, classes) float64, rows summing to 1: the softmax averaged over each video's test clips.

        shown: with a progress bar. Raises StageError if the network gives what is not a finite number.
        """
        self.network.eval()
        clips = TestClips(self.store, video_ids, self.architecture, n_clips, self.seed, self.workers)
        batches = []
        with tqdm(total=len(video_ids), desc=f"{self.name}, test", unit="video", disable=not shown) as bar:
            for inputs in clips.inputs(self.settings.finetune_batch_size):
                of_clips = self.network(inputs).double().softmax(dim=1)
                batches.append(of_clips.unflatten(0, (-1, n_clips)).mean(dim=1).cpu())
                bar.update(len(batches[-1]))
        scores: np.ndarray = torch.cat(batches).numpy()
        if not np.isfinite(scores).all():
            raise StageError("the network's answers are not finite numbers; lower finetune_learning_rate")
        return scores

    def _state(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """All that changes while training; clips and order are functions of the epoch, so no generator does."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": history,
        }

    def _restore(self, folder: Path) -> list[dict[str, Any]]:
        saved = load_checkpoint(folder)
        if saved is None:
            return []
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        log.info("%s: goes on after epoch %d, kept in %s", self.name, len(saved["history"]) - 1, folder)
        return list(saved["history"])


if __name__ == "__main__":
    command_line(finetune)
