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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from workflow_scripts import artifacts, identity
from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.network import (
    Clips,
    batches,
    device,
    even_sizes,
    random_clips,
    read_inputs,
    read_pretrained,
)
from workflow_scripts.evaluation.settings import VERSION, Architecture, EvaluationSettings, settings_of
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import draw_training, to_input
from workflow_scripts.pretraining.resnet3d import ResNet3D
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

    model: the run's model.pt, or none to train `architecture` from scratch; run, seed, dataset: for the record,
    and the seed of all draws; encodings: a video without a usable sketch is left out, for a fair comparison with
    IDT; checkpoints: a folder of this job's own; workers: processes that read clips (0: none).
    Raises StageError if a video of the split is in no frames or encoding file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    architecture = pretrained.architecture
    parts, store = read_inputs(splits, split, frames, encodings)
    network = pretrained.network(len(parts.classes), seed).to(device())
    frozen = [] if model is None else freeze(network, settings.finetune_freeze_blocks, dataset)
    used = {
        **settings_of("finetune", dataclasses.asdict(settings)),
        "architecture": dataclasses.asdict(architecture),
        "pretraining": pretrained.origin,
    }
    state = checkpoints / f"{identity.digest(VERSION, run, seed, dataset, split, used, dataclasses.asdict(parts))}.pt"
    trainer = Trainer(network, frozen, store, architecture, settings, seed, workers)
    history = trainer.train(parts.train, parts.classes, state)
    scores = trainer.predict(list(parts.test))
    record = results.write_record(
        output,
        parts,
        scores.argmax(axis=1),
        run=run,
        seed=seed,
        dataset=dataset,
        number=split,
        protocol="finetune",
        settings=used,
        version=VERSION,
        history=history,
    )
    state.unlink(missing_ok=True)
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
    """A network with what it takes to train and test it: `frozen` modules, clips, settings, seed."""

    def __init__(
        self,
        network: ResNet3D,
        frozen: list[nn.Module],
        store: FrameStore,
        architecture: Architecture,
        settings: EvaluationSettings,
        seed: int,
        workers: int,
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

    def train(self, labels: Mapping[str, str], classes: list[str], state: Path) -> list[dict[str, Any]]:
        """Trains on the videos of `labels`, from the checkpoint `state` if there is one; returns the history.

        A history row: epoch (from 1), loss, validation_loss (None if nothing could be held out), learning_rate.
        """
        target = {video_id: classes.index(label) for video_id, label in labels.items()}
        held_out = sorted(hold_out(labels, self.settings.finetune_validation_fraction, self.seed))
        trained = sorted(set(labels) - set(held_out))
        history = self._resume(state)
        epochs = self.settings.finetune_epochs
        progress = tqdm(range(len(history), epochs), "finetune", epochs, initial=len(history), unit="epoch")
        for epoch in progress:
            rate = self.optimizer.param_groups[0]["lr"]
            loss = self._epoch(epoch, trained, target)
            validation_loss = self._loss(held_out, target) if held_out else None
            self.schedule.step(loss if validation_loss is None else validation_loss)
            row = {"epoch": epoch + 1, "loss": loss, "validation_loss": validation_loss, "learning_rate": rate}
            history.append(row)
            progress.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:g}")
            self._save(state, history)
        if not all(np.isfinite(row["loss"]) for row in history):
            raise StageError("the training diverged (its loss is not finite); lower finetune_learning_rate")
        return history

    def _epoch(self, epoch: int, video_ids: list[str], target: Mapping[str, int]) -> float:
        order = identity.rng(self.seed, "finetune order", epoch).permutation(video_ids).tolist()
        length = self.architecture.clip_length
        draws = [
            (video_id, [draw_training(self.seed, epoch, video_id, self.store.n_frames(video_id), length)])
            for video_id in order
        ]
        sizes = even_sizes(len(order), self.settings.finetune_batch_size)
        self.network.train()
        for module in self.frozen:
            module.eval()  # batch norm statistics are part of what is frozen
        total, start = 0.0, 0
        for clips in batches(Clips(self.store, draws, self.architecture), sizes, self.workers):
            names = order[start : start + len(clips)]
            start += len(clips)
            answers = torch.tensor([target[name] for name in names], device=self.device)
            loss = functional.cross_entropy(self.network(to_input(clips[:, 0], self.device)), answers)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += float(loss.detach()) * len(names)
        return total / len(order)

    def _loss(self, video_ids: list[str], target: Mapping[str, int]) -> float:
        """The mean cross-entropy of the averaged scores of one clip per video, centre crop."""
        scores = self.predict(video_ids, n_clips=1)
        answers = [target[video_id] for video_id in video_ids]
        return float(-np.log(np.maximum(scores[np.arange(len(answers)), answers], 1e-12)).mean())

    @torch.no_grad()
    def predict(self, video_ids: list[str], n_clips: int | None = None) -> np.ndarray:
        """Scores (n, classes) float64 that sum to 1: the softmax averaged over the clips of each video."""
        n_clips = n_clips or self.settings.clips
        clips = random_clips(self.store, video_ids, self.architecture, n_clips, self.seed)
        sizes = even_sizes(len(video_ids), max(1, self.settings.finetune_batch_size // n_clips))
        self.network.eval()
        scores = [
            self.network(to_input(batch.flatten(0, 1), self.device))
            .double()
            .softmax(dim=1)
            .unflatten(0, (-1, n_clips))
            .mean(dim=1)
            for batch in batches(clips, sizes, self.workers)
        ]
        return torch.cat(scores).cpu().numpy()

    def _resume(self, state: Path) -> list[dict[str, Any]]:
        if not state.exists():
            return []
        saved = torch.load(state, map_location=self.device, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        log.info("going on after epoch %d", len(saved["history"]))
        return list(saved["history"])

    def _save(self, state: Path, history: list[dict[str, Any]]) -> None:
        """Whole or not at all; draws are functions of the epoch, so no generator's state is needed."""
        with artifacts.replacing(state) as temporary:
            saved = {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "history": history,
            }
            torch.save(saved, temporary)


if __name__ == "__main__":
    command_line(finetune)
