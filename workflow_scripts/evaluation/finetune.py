"""Stage: finetune a pretrained network (or train one from scratch) on a split and test it (paper 4.2).

SGD on random clips, multi-scale cropped and flipped as in the pretraining; the learning rate drops when the loss on
a part of the *training* videos kept aside stops falling; the lowest blocks keep their pretrained weights and batch
norm statistics. After the last epoch every test video is seen in five random clips, centre crop, and the softmax
scores are averaged.

Inputs: model.pt, splits.tsv, frames shards, encoding shards. Output: `finetune.json`, a record (see `results`) with
`history`, one row per epoch. After every epoch the state goes to `checkpoints`, from where a killed job goes on to
the same result; it is removed at the end.
"""

import dataclasses
import logging
import shutil
from collections.abc import Mapping
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


def finetune(
    splits: Path,
    split: int,
    frames: list[Path],
    encodings: list[Path],
    output: Path,
    run: str,
    seed: int,
    dataset: str,
    checkpoints: Path,
    settings: EvaluationSettings,
    architecture: Architecture,
    model: Path | None = None,
    workers: int = 0,
) -> None:
    """Trains `model` on the training videos of a split and records its accuracy on the test videos.

    model: the run's model.pt, or none to train the depth, width, clip length and size in `architecture` (unused with a
    model) from scratch; run, dataset: for the record; seed: of all draws; encodings: a video without a usable
    sketch is left out, so that all runs of a table see the same videos; checkpoints: a folder of this run and split;
    workers: processes that read clips beside a GPU.
    Raises StageError if a video of the split is in no frames or encoding file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    parts, store = read_inputs(splits, split, frames, encodings)
    classifier = pretrained.network(len(parts.classes), seed)
    frozen = [] if model is None else freeze(classifier, settings.finetune_freeze_blocks, dataset)
    used = {**settings_of("finetune", dataclasses.asdict(settings)), **pretrained.described()}
    request = {"VERSION": VERSION, "split": dataclasses.asdict(parts), "seed": seed, "settings": used}
    folder = checkpoints / run_digest({**request, "dataset": dataset}, [model] if model else [], frames)

    trainer = Trainer(classifier, frozen, store, pretrained.architecture, settings, seed, workers)
    history = trainer.train(parts.train, parts.classes, folder)
    scores = trainer.predict(list(parts.test), settings.clips)
    record = results.write_record(
        output,
        parts,
        scores,
        run=run,
        seed=seed,
        dataset=dataset,
        number=split,
        protocol="finetune",
        settings=used,
        version=VERSION,
        history=history,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)  # also those of earlier settings
    log.info("%s finetuned on %s split %d: %s", run, dataset, split, results.in_words(record))


def freeze(network: ResNet3D, blocks: Mapping[str, int], dataset: str) -> list[nn.Module]:
    """Fixes the stem and the first blocks (layer1, ...) that `blocks` says for `dataset`; returns what is fixed."""
    n = blocks.get(dataset.lower(), blocks.get("other", 0))
    if not 0 <= n <= 4:
        raise StageError(f"finetune_freeze_blocks: {n} for {dataset}, and the network has 4 blocks to freeze")
    names = ["conv1", "bn1", *(f"layer{i}" for i in range(1, n + 1))] if n else []
    frozen = [network.get_submodule(name) for name in names]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def hold_out(labels: Mapping[str, str], fraction: float, seed: int) -> set[str]:
    """The training videos that only tell when to lower the learning rate: about `fraction` of each class.

    Videos are taken in the order of their place within their class's hash order, so that all classes take part
    alike; each class keeps a video to train on, and so none is held out if every class has but one.
    """
    classes: dict[str, list[str]] = {}
    for video_id in sorted(labels, key=lambda video_id: identity.digest(seed, "validation", video_id)):
        classes.setdefault(labels[video_id], []).append(video_id)
    order = sorted(
        ((place + 0.5) / len(members), identity.digest(seed, "validation", video_id), video_id)
        for members in classes.values()
        for place, video_id in enumerate(members[:-1])
    )
    n = max(1, round(fraction * len(labels))) if fraction > 0 else 0
    return {video_id for _, _, video_id in order[:n]}


class Trainer:
    """A network with what it takes to train and to test it.

    frozen: modules that stay as they are; architecture: length and size of the clips; settings: how it is trained.
    """

    def __init__(
        self,
        network: ResNet3D,
        frozen: list[nn.Module],
        store: FrameStore,
        architecture: Architecture,
        settings: EvaluationSettings,
        seed: int,
        workers: int = 0,
    ) -> None:
        self.network, self.frozen, self.store = network, frozen, store
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

    def train(self, labels: Mapping[str, str], classes: list[str], folder: Path) -> list[dict[str, Any]]:
        """Trains on the videos of `labels`, from the checkpoint in `folder` if there is one; returns the history.

        A history row: epoch (from 0), loss, validation_loss (None if nothing could be held out: then the schedule
        looks at the training loss), lr. Raises StageError if the loss is not finite.
        """
        target = {video_id: classes.index(label) for video_id, label in labels.items()}
        held_out = sorted(hold_out(labels, self.settings.finetune_validation_fraction, self.seed))
        trained = sorted(set(labels) - set(held_out))
        history = self._restore(folder)
        epochs = self.settings.finetune_epochs
        done = len(history)
        progress = tqdm(range(done, epochs), "finetune", epochs, initial=done, unit="epoch", mininterval=1)
        for epoch in progress:
            rate = self.optimizer.param_groups[0]["lr"]
            loss = self._train_epoch(epoch, trained, target)
            if not np.isfinite(loss):
                raise StageError(f"the loss is {loss} after epoch {epoch}; lower finetune_learning_rate ({rate:g})")
            validation_loss = self._loss(held_out, target) if held_out else None
            self.schedule.step(loss if validation_loss is None else validation_loss)
            history.append({"epoch": epoch, "loss": loss, "validation_loss": validation_loss, "lr": rate})
            progress.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:g}", refresh=False)
            save_checkpoint(self._state(history), folder)
        return history

    def _train_epoch(self, epoch: int, video_ids: list[str], target: Mapping[str, int]) -> float:
        """One random clip of every video; returns the mean loss."""
        self.network.train()
        for module in self.frozen:
            module.eval()  # batch norm statistics are part of what is frozen
        draw = partial(draw_training, self.seed, epoch)  # clips are cut as in the pretraining
        clips = DrawnClips(self.store, video_ids, self.architecture.clip_length, draw)
        batches = epoch_batches(len(video_ids), self.settings.finetune_batch_size, self.seed, epoch)
        answers = torch.tensor([target[video_id] for video_id in video_ids])
        total = 0.0
        inputs = load_inputs(clips, batches, self.architecture.size, self.device, self.workers)
        for batch, indices in zip(inputs, batches, strict=True):
            logits = self.network(batch)  # (B, classes)
            loss = functional.cross_entropy(logits, answers[indices].to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(indices)
        return total / len(video_ids)

    def _loss(self, video_ids: list[str], target: Mapping[str, int]) -> float:
        """The mean cross-entropy of one clip of each video, centre crop, the same clip in every epoch."""
        scores = self.predict(video_ids, n_clips=1)
        right = scores[np.arange(len(video_ids)), [target[video_id] for video_id in video_ids]]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    @torch.no_grad()
    def predict(self, video_ids: list[str], n_clips: int) -> np.ndarray:
        """Scores (n, classes) float64, rows summing to 1: the softmax averaged over each video's test clips."""
        self.network.eval()
        clips = TestClips(self.store, video_ids, self.architecture, n_clips, self.seed, self.workers)
        scores = [
            self.network(inputs).double().softmax(dim=1).unflatten(0, (-1, n_clips)).mean(dim=1).cpu()
            for inputs in clips.inputs(self.settings.finetune_batch_size)
        ]
        found = torch.cat(scores).numpy()
        if not np.isfinite(found).all():
            raise StageError("the network's answers are not finite numbers; lower finetune_learning_rate")
        return found

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
        log.info("goes on after epoch %d, kept in %s", len(saved["history"]) - 1, folder)
        return list(saved["history"])


if __name__ == "__main__":
    command_line(finetune)
