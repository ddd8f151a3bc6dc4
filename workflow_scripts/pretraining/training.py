"""The training loop: loads batches, trains, writes checkpoints and returns a history."""

import dataclasses
import functools
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.checkpoint import SaveTimer, load_checkpoint, save_checkpoint
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.learner import Learner, learning_rate

log = logging.getLogger(__name__)

DISPLAY_SECONDS = 1.0  # between updates of the displayed loss, each of which synchronises with the device


@dataclass
class Progress:
    """The progress of a run. `step` of `epoch` is next, both from 0."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0  # this and the next three fields describe the current epoch
    n_correct: float = 0.0
    seconds: float = 0.0
    waiting: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)  # an entry per finished epoch


class Training:
    """The training loop of a run on the clips of `store`, from the checkpoint in `folder` if there is one.

    `evaluate` returns further values for the history at the end of an epoch. Only the first of several processes
    writes checkpoints and displays progress.
    """

    def __init__(
        self,
        learner: Learner,
        store: FrameStore,
        run: str,
        folder: Path,
        evaluate: Callable[[], dict[str, float]],
        workers: int,
    ) -> None:
        self.learner, self.store, self.run, self.folder = learner, store, run, folder
        self.evaluate, self.workers = evaluate, workers
        self.ranks, self.settings, self.video_ids = learner.ranks, learner.settings, learner.bank.video_ids
        self.progress = Progress()
        self.sums = torch.zeros(2, dtype=torch.float64, device=learner.device)  # losses, correct clips
        self.timer = SaveTimer(self.settings.checkpoint_minutes, leads=self.ranks.rank == 0)
        checkpoint = load_checkpoint(folder)
        if checkpoint is not None:
            learner.restore(checkpoint["learner"])
            self.progress = Progress(**checkpoint["progress"])
            self.sums.copy_(torch.tensor([self.progress.loss_sum, self.progress.n_correct], dtype=torch.float64))
            at = self.progress.epoch, self.progress.step
            log.info("%s: resumes at epoch %d, step %d, from the checkpoint in %s", run, *at, folder)

    def train(self) -> list[dict[str, float]]:
        """Trains to the last epoch and returns the history, one entry per epoch."""
        n_videos, epochs = len(self.video_ids), self.settings.epochs
        n_done = sum(map(len, self._batches(self.progress.epoch)[: self.progress.step]))
        bar: tqdm[Any]
        with tqdm(
            total=epochs * n_videos,
            initial=self.progress.epoch * n_videos + n_done,
            desc=self.run,
            unit="clip",
            mininterval=DISPLAY_SECONDS,
            disable=self.ranks.rank != 0,
        ) as bar:
            while self.progress.epoch < epochs:
                self._train_epoch(bar)
                self._end_epoch()
        return self.progress.history

    def _batches(self, epoch: int) -> list[list[int]]:
        batches = epoch_batches(len(self.video_ids), self.settings.batch_size, self.learner.seed, epoch)
        smallest = min(map(len, batches))
        if smallest < self.ranks.size:
            raise StageError(f"{self.ranks.size} processes cannot divide batches of {smallest} clips; start fewer")
        return batches

    def _train_epoch(self, bar: "tqdm[Any]") -> None:
        """Trains on the remaining batches of the epoch."""
        settings, progress = self.settings, self.progress
        epoch, seed = progress.epoch, self.learner.seed
        if progress.step == 0:
            self.learner.start_epoch(epoch)
        draw = functools.partial(
            draw_training, seed, epoch, color=settings.color, n_scales=settings.n_scales, crop=settings.crop
        )
        clips = DrawnClips(self.store, self.video_ids, settings.clip_length, draw)
        all_batches = self._batches(epoch)
        batches, n_seen = all_batches[progress.step :], sum(map(len, all_batches[: progress.step]))
        local_batches = [self.ranks.local_part(batch) for batch in batches]
        inputs = load_inputs(clips, local_batches, settings.crop_size, self.learner.device, self.workers)
        started = displayed = time.monotonic()
        for batch in batches:
            waiting_since = time.monotonic()
            batch_inputs = next(inputs)
            progress.waiting += time.monotonic() - waiting_since
            self.sums += self.learner.step(batch_inputs, batch, epoch, progress.step)
            progress.step += 1
            n_seen += len(batch)
            bar.update(len(batch))
            due = self.timer.due()  # one call, because a checkpoint needs the sums of this step
            if due or time.monotonic() - displayed >= DISPLAY_SECONDS:
                self._fetch_sums()
                displayed = time.monotonic()
                bar.set_postfix(epoch=epoch + 1, loss=f"{progress.loss_sum / n_seen:.3f}", refresh=False)
            if due:
                progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
                self._save()
        progress.seconds += time.monotonic() - started

    def _fetch_sums(self) -> None:
        """Copies the sums of the current epoch from the device, which synchronises."""
        self.progress.loss_sum, self.progress.n_correct = self.sums.tolist()
        loss, epoch = self.progress.loss_sum, self.progress.epoch
        if not math.isfinite(loss):
            rate = learning_rate(self.settings, epoch)
            raise StageError(f"{self.run}: the loss is {loss} in epoch {epoch}; lower the run's lr ({rate:g} there)")

    def _save(self) -> None:
        """Writes a checkpoint. Then ends the process if a signal was received."""
        if self.ranks.rank == 0:
            state = {"learner": self.learner.state(), "progress": dataclasses.asdict(self.progress)}
            save_checkpoint(state, self.folder)
        self.timer.saved()
        if self.timer.stopped_by:
            at = f"epoch {self.progress.epoch}, step {self.progress.step}"
            log.warning("%s: stopped by a signal; the checkpoint of %s is in %s", self.run, at, self.folder)
            sys.exit(128 + self.timer.stopped_by)  # as in shells: 143 after SIGTERM, 130 after Ctrl-C

    def _end_epoch(self) -> None:
        started = time.monotonic()
        self._fetch_sums()
        progress, n_videos = self.progress, len(self.video_ids)
        progress.seconds += time.monotonic() - started
        entry = {
            "epoch": progress.epoch,
            "loss": progress.loss_sum / n_videos,
            "lr": learning_rate(self.settings, progress.epoch),
            "seconds": progress.seconds,
            "waiting": progress.waiting,
        }
        if self.learner.objective.class_head:
            entry["accuracy"] = progress.n_correct / n_videos
        if self.ranks.rank == 0:
            entry |= self.evaluate()
            log.debug("%s: %s", self.run, ", ".join(f"{name} {value:.4g}" for name, value in entry.items()))
        self.progress = Progress(epoch=progress.epoch + 1, history=[*progress.history, entry])
        self.sums.zero_()
        self._save()
