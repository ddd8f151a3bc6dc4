"""Trains a network with a classifier head, with a checkpoint per epoch, and tests it."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from workflow_scripts.evaluation.network import TestClips
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.curves import DISPLAY_SECONDS, Curves, speed
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.checkpoint import load_checkpoint, save_checkpoint
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import ResNet3D

log = logging.getLogger(__name__)


class Trainer:
    """Trains and tests a network.

    Args:
        name: Name in the progress bar and the log.
        network: The network, on its device.
        frozen: Modules whose weights and statistics do not change.
        store: The frames.
        architecture: The length, interval and size of the clips, and the number format.
        settings: How to train.
        seed: Seed of the clips and their order.
        workers: Processes that load clips for a GPU.
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
            lr=settings.finetune_lr,
            momentum=settings.finetune_momentum,
            dampening=settings.finetune_dampening,
            weight_decay=settings.finetune_weight_decay,
            fused=self.device.type == "cuda",  # no faster on a CPU
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
        curves_folder: Path,
        *,
        held_out: Mapping[str, str] | None = None,
        rates: Sequence[float] | None = None,
    ) -> list[dict[str, Any]]:
        """Trains on the videos of `labels`, from the checkpoint in `folder` if there is one.

        Args:
            labels: The labels of the training videos.
            classes: All labels, in the order of the network's outputs.
            folder: The folder of the checkpoints.
            curves_folder: The folder of the curves.
            held_out: The labels of the videos whose loss decides when the learning rate drops. Without them, the
                training loss decides.
            rates: The learning rate of each epoch. If given, no loss decides.

        Returns:
            The history, a row per epoch: epoch (from 0), loss, validation_loss (None if nothing is held out), lr.

        Raises:
            StageError: The loss is not finite.
        """
        target = {video_id: classes.index(label) for video_id, label in {**labels, **(held_out or {})}.items()}
        trained, validation, epochs = sorted(labels), sorted(held_out or {}), self.settings.finetune_epochs
        history = self._restore(folder)
        n_steps = len(epoch_batches(len(trained), self.settings.finetune_batch_size, self.seed, 0))  # of every epoch
        curves = Curves(curves_folder, folder.parent.name, len(history) * n_steps, epochs * n_steps)
        done, total = len(history) * len(trained), epochs * len(trained)
        with tqdm(total=total, initial=done, desc=self.name, unit="clip", mininterval=DISPLAY_SECONDS) as bar:
            for epoch in range(len(history), epochs):
                if rates is not None:
                    self.optimizer.param_groups[0]["lr"] = rates[epoch]
                row = self._train_epoch(epoch, trained, target, bar, curves)
                loss, rate = row["loss"], row["lr"]
                if not np.isfinite(loss):
                    raise StageError(f"the loss is {loss} after epoch {epoch}; lower finetune_lr ({rate:g})")
                validation_loss = self._loss(validation, target) if validation else None
                if rates is None:
                    self.schedule.step(loss if validation_loss is None else validation_loss)
                history.append({"epoch": epoch, "loss": loss, "validation_loss": validation_loss, "lr": rate})
                curves.add(row | history[-1])  # before the checkpoint, so that a kill between the two leaves no gap
                numbers = ", ".join(f"{key} {value:.4g}" for key, value in history[-1].items() if value is not None)
                log.debug("%s: %s", self.name, numbers)
                save_checkpoint(self._state(history), folder)
        return history

    def _train_epoch(
        self, epoch: int, video_ids: list[str], target: Mapping[str, int], bar: "tqdm[Any]", curves: Curves
    ) -> dict[str, float]:
        """Trains on one random clip of every video and returns the row of the epoch for the curves."""
        self.network.train()
        for module in self.frozen:
            module.eval()  # batch norm statistics are frozen too
        settings = self.settings
        draw = partial(
            draw_training, self.seed, epoch, n_scales=settings.finetune_n_scales, crop=settings.finetune_crop
        )
        shape = self.architecture
        clips = DrawnClips(self.store, video_ids, shape.clip_length, draw, shape.frame_interval)
        batches = epoch_batches(len(video_ids), settings.finetune_batch_size, self.seed, epoch)
        classes = torch.tensor([target[video_id] for video_id in video_ids], device=self.device)
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        seen, waiting, started = 0, 0.0, time.monotonic()
        displayed = -math.inf  # the first batch shows at once that the training runs
        inputs = load_inputs(clips, batches, shape.crop_size, self.device, self.workers)
        for number, indices in enumerate(batches, start=1):
            waiting_since = time.monotonic()
            batch = next(inputs)
            waiting += time.monotonic() - waiting_since
            loss_sum += self._step(batch, classes[indices]) * len(indices)
            seen += len(indices)
            bar.update(len(indices))
            is_last = number == len(batches)
            if not is_last and time.monotonic() - displayed < DISPLAY_SECONDS:
                continue
            displayed = time.monotonic()
            row = {
                "epoch": epoch,
                "step": epoch * len(batches) + number,
                "clips": epoch * len(video_ids) + seen,
                "loss": loss_sum.item() / seen,
                "lr": self.optimizer.param_groups[0]["lr"],
                **speed(seen, displayed - started, waiting),
            }
            bar.set_postfix(epoch=epoch + 1, loss=f"{row['loss']:.3f}", refresh=False)
            if curves.due() and not is_last:
                curves.add(row)
                counts = epoch, seen, len(video_ids), row["loss"]
                log.debug("%s: epoch %d, %d of %d clips, loss %.4g", self.name, *counts)
        return row

    def _step(self, clips: Tensor, targets: Tensor) -> Tensor:
        """Trains on a batch, (B, 3, T, S, S), with classes (B,). Returns its mean loss.

        If the batch is larger than one pass of the network, the gradients of several passes add up. Each has at least
        two clips, which batch norm needs.
        """
        n_passes = max(1, min(math.ceil(len(clips) / self.architecture.clips_per_pass), len(clips) // 2))
        self.optimizer.zero_grad()
        losses = []
        for part, part_targets in zip(clips.tensor_split(n_passes), targets.tensor_split(n_passes), strict=True):
            with autocast(self.architecture.precision, self.device):
                logits = self.network(part)  # (b, classes)
            loss = functional.cross_entropy(logits.float(), part_targets) * (len(part) / len(clips))
            loss.backward()
            losses.append(loss.detach())
        self.optimizer.step()
        return torch.stack(losses).sum()

    def _loss(self, video_ids: list[str], target: Mapping[str, int]) -> float:
        """The mean cross-entropy of one clip per video, centre crop. The clip is the same in every epoch."""
        scores = self.predict(video_ids, n_clips=1)
        true_scores = scores[np.arange(len(video_ids)), [target[video_id] for video_id in video_ids]]
        return float(-np.log(np.maximum(true_scores, 1e-12)).mean())

    @torch.no_grad()
    def predict(self, video_ids: list[str], n_clips: int, *, show_progress: bool = False) -> np.ndarray:
        """The softmax scores (n, classes) float64, averaged over the test clips of each video. Rows sum to 1.

        Raises StageError if the network's output is not finite.
        """
        self.network.eval()
        clips = TestClips(self.store, video_ids, self.architecture, n_clips, self.seed, self.workers)
        batches = []
        with tqdm(total=len(video_ids), desc=f"{self.name}, test", unit="video", disable=not show_progress) as bar:
            for inputs in clips.inputs(self.settings.finetune_batch_size):
                with autocast(self.architecture.precision, self.device):
                    logits = self.network(inputs)
                clip_scores = logits.double().softmax(dim=1)
                batches.append(clip_scores.unflatten(0, (-1, n_clips)).mean(dim=1).cpu())
                bar.update(len(batches[-1]))
        scores: np.ndarray = torch.cat(batches).numpy()
        if not np.isfinite(scores).all():
            raise StageError("the network's output is not finite; lower finetune_lr")
        return scores

    def _state(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """All that changes during training. Clips and their order depend only on the epoch."""
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
        log.info("%s: resumes after epoch %d, from %s", self.name, len(saved["history"]) - 1, folder)
        return list(saved["history"])
