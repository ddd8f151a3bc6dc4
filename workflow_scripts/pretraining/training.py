"""The training loop: loads batches, trains, writes checkpoints and curves, and returns a history."""

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
from workflow_scripts.ground.curves import DISPLAY_SECONDS, Curves, speed
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.checkpoint import SaveTimer, load_checkpoint, save_checkpoint
from workflow_scripts.pretraining.clusterings import mean_nmi
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.learner import Learner, learning_rate

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """The progress of a run. `step` of `epoch` is next, both from 0."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0  # this and the next five fields describe the current epoch
    n_correct: float = 0.0
    norm_sum: float = 0.0  # norms of the gradients
    nmi_before: float | None = None  # of the clusters with those of the epoch before
    seconds: float = 0.0
    waiting: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)  # an entry per finished epoch


class Training:
    """The training loop of a run on the clips of `store`, from the checkpoint in `folder` if there is one, with
    its curves in `curves_folder`.

    `evaluate` returns further values for the history at the end of an epoch. Only the first of several processes
    writes checkpoints and curves, and displays progress.
    """

    def __init__(
        self,
        learner: Learner,
        store: FrameStore,
        run: str,
        folder: Path,
        curves_folder: Path,
        evaluate: Callable[[], dict[str, float]],
        workers: int,
    ) -> None:
        self.learner, self.store, self.run, self.folder = learner, store, run, folder
        self.evaluate, self.workers = evaluate, workers
        self.ranks, self.settings, self.video_ids = learner.ranks, learner.settings, learner.bank.video_ids
        self.progress = Progress()
        self.sums = torch.zeros(3, dtype=torch.float64, device=learner.device)  # losses, correct clips, norms
        self.started = 0.0  # the time until then is part of `progress.seconds`
        self.timer = SaveTimer(self.settings.checkpoint_minutes, leads=self.ranks.rank == 0)
        checkpoint = load_checkpoint(folder)
        if checkpoint is not None:
            learner.restore(checkpoint["learner"])
            self.progress = Progress(**checkpoint["progress"])
            sums = [self.progress.loss_sum, self.progress.n_correct, self.progress.norm_sum]
            self.sums.copy_(torch.tensor(sums, dtype=torch.float64))
            at = self.progress.epoch, self.progress.step
            log.info("%s: resumes at epoch %d, step %d, from the checkpoint in %s", run, *at, folder)
        batches = self._batches(self.progress.epoch)
        self.n_steps = len(batches)  # of every epoch
        self.n_seen = sum(map(len, batches[: self.progress.step]))  # clips of the epoch so far
        self.curves = self._open_curves(curves_folder) if self.ranks.rank == 0 else None

    def train(self) -> list[dict[str, float]]:
        """Trains to the last epoch and returns the history, one entry per epoch."""
        n_videos, epochs = len(self.video_ids), self.settings.epochs
        bar: tqdm[Any]
        with tqdm(
            total=epochs * n_videos,
            initial=self.progress.epoch * n_videos + self.n_seen,
            desc=self.run,
            unit="clip",
            mininterval=DISPLAY_SECONDS,
            disable=self.ranks.rank != 0,
        ) as bar:
            while self.progress.epoch < epochs:
                self._train_epoch(bar)
                self._end_epoch()
        return self.progress.history

    def _open_curves(self, folder: Path) -> Curves:
        # A checkpoint of an epoch's last step is older than the row of this step, which ends the epoch.
        step = self.progress.epoch * self.n_steps + min(self.progress.step, self.n_steps - 1)
        return Curves(folder, self.folder.name, step, self.settings.epochs * self.n_steps)

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
            self._start_epoch()
        draw = functools.partial(
            draw_training, seed, epoch, color=settings.color, n_scales=settings.n_scales, crop=settings.crop
        )
        clips = DrawnClips(self.store, self.video_ids, settings.clip_length, draw, settings.frame_interval)
        batches = self._batches(epoch)[progress.step :]
        local_batches = [self.ranks.local_part(batch) for batch in batches]
        inputs = load_inputs(clips, local_batches, settings.crop_size, self.learner.device, self.workers)
        self.started = displayed = time.monotonic()
        for batch in batches:
            waiting_since = time.monotonic()
            batch_inputs = next(inputs)
            progress.waiting += time.monotonic() - waiting_since
            self.sums += self.learner.step(batch_inputs, batch, epoch, progress.step)
            progress.step += 1
            self.n_seen += len(batch)
            bar.update(len(batch))
            due = self.timer.due()  # one call, because a checkpoint needs the sums of this step
            if due or time.monotonic() - displayed >= DISPLAY_SECONDS:
                self._fetch_sums()
                displayed = time.monotonic()
                bar.set_postfix(epoch=epoch + 1, loss=f"{progress.loss_sum / self.n_seen:.3f}", refresh=False)
                if self.curves and self.curves.due() and progress.step < self.n_steps:
                    self.curves.add(self._row())
            if due:
                self._save()

    def _start_epoch(self) -> None:
        before = self.learner.labels
        self.learner.start_epoch(self.progress.epoch)
        if self.curves and before is not None and self.learner.labels is not None and self.learner.fixed is None:
            self.progress.nmi_before = mean_nmi(self.learner.labels, before)

    def _fetch_sums(self) -> None:
        """Copies the sums of the epoch so far from the device, which synchronises, and adds up its time."""
        progress, epoch = self.progress, self.progress.epoch
        loss, progress.n_correct, progress.norm_sum = self.sums.tolist()
        progress.loss_sum = loss
        now = time.monotonic()
        progress.seconds, self.started = progress.seconds + now - self.started, now
        if not math.isfinite(loss):
            rate = learning_rate(self.settings, epoch)
            raise StageError(f"{self.run}: the loss is {loss} in epoch {epoch}; lower the run's lr ({rate:g} there)")

    def _row(self) -> dict[str, float]:
        """The values of the epoch so far."""
        progress, n_seen, device = self.progress, self.n_seen, self.learner.device
        row = {
            "epoch": progress.epoch,
            "step": progress.epoch * self.n_steps + progress.step,
            "clips": progress.epoch * len(self.video_ids) + n_seen,
            "loss": progress.loss_sum / n_seen,
            "lr": learning_rate(self.settings, progress.epoch),
            "gradient_norm": progress.norm_sum / progress.step,
            **speed(n_seen, progress.seconds, progress.waiting),
        }
        if self.learner.objective.class_head:
            row["accuracy"] = progress.n_correct / n_seen
        if device.type == "cuda":
            row["gpu_memory"] = torch.cuda.max_memory_allocated(device) / 2**30
        return row

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
        self._fetch_sums()
        progress, row = self.progress, self._row()
        if self.curves:
            if progress.nmi_before is not None:
                row["nmi_before"] = progress.nmi_before
            row |= self.evaluate()
            log.debug("%s: %s", self.run, ", ".join(f"{name} {value:.4g}" for name, value in row.items()))
            self.curves.add(row)  # before the checkpoint, so that a kill between the two leaves no gap
        self.progress = Progress(epoch=progress.epoch + 1, history=[*progress.history, row])
        self.sums.zero_()
        self.n_seen = 0
        self._save()
