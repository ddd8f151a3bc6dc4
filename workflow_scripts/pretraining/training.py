"""The epochs of a training run: batches in, checkpoints and a history out."""

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

SHOWN_EVERY = 1.0  # seconds between looks at the loss, each of which waits for the device


@dataclass
class Progress:
    """How far a run has come: before `step` of `epoch`, both from 0."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0  # these four of the epoch so far
    n_correct: float = 0.0
    seconds: float = 0.0
    waiting: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)  # of the epochs before


class Training:
    """The epochs of one run on the clips of `store`, from the checkpoint in `folder` where there is one.

    `judge` gives more entries for the history at an epoch's end. Of several processes the first tells and keeps how
    far the run has come; the others do as it does.
    """

    def __init__(
        self,
        learner: Learner,
        store: FrameStore,
        run: str,
        folder: Path,
        judge: Callable[[], dict[str, float]],
        workers: int,
    ) -> None:
        self.learner, self.store, self.run, self.folder = learner, store, run, folder
        self.judge, self.workers = judge, workers
        self.ranks, self.settings, self.video_ids = learner.ranks, learner.settings, learner.bank.video_ids
        self.progress = Progress()
        self.sums = torch.zeros(2, dtype=torch.float64, device=learner.device)  # loss and right answers, this epoch
        self.timer = SaveTimer(self.settings.checkpoint_minutes, leads=self.ranks.rank == 0)
        kept = load_checkpoint(folder)
        if kept is not None:
            learner.restore(kept["learner"])
            self.progress = Progress(**kept["progress"])
            self.sums.copy_(torch.tensor([self.progress.loss_sum, self.progress.n_correct], dtype=torch.float64))
            at = self.progress.epoch, self.progress.step
            log.info("%s: goes on from epoch %d, step %d, kept in %s", run, *at, folder)

    def train(self) -> list[dict[str, float]]:
        """Learns to the last epoch and returns the history, an entry an epoch."""
        n_videos, epochs = len(self.video_ids), self.settings.epochs
        before = sum(map(len, self._batches(self.progress.epoch)[: self.progress.step]))
        bar: tqdm[Any]
        with tqdm(
            total=epochs * n_videos,
            initial=self.progress.epoch * n_videos + before,
            desc=self.run,
            unit="clip",
            mininterval=SHOWN_EVERY,
            disable=self.ranks.rank != 0,
        ) as bar:
            while self.progress.epoch < epochs:
                self._epoch(bar)
                self._end_epoch()
        return self.progress.history

    def _batches(self, epoch: int) -> list[list[int]]:
        batches = epoch_batches(len(self.video_ids), self.settings.batch_size, self.learner.seed, epoch)
        smallest = min(map(len, batches))
        if smallest < self.ranks.size:
            raise StageError(f"batches of {smallest} clips are too few for {self.ranks.size} processes; start fewer")
        return batches

    def _epoch(self, bar: "tqdm[Any]") -> None:
        """The steps of the epoch that are left."""
        settings, progress = self.settings, self.progress
        epoch, seed = progress.epoch, self.learner.seed
        if progress.step == 0:
            self.learner.start_epoch(epoch)
        draw = functools.partial(
            draw_training, seed, epoch, color=settings.color, n_scales=settings.n_scales, crop=settings.crop
        )
        clips = DrawnClips(self.store, self.video_ids, settings.clip_length, draw)
        every = self._batches(epoch)
        batches, seen = every[progress.step :], sum(map(len, every[: progress.step]))
        shares = [self.ranks.local_part(batch) for batch in batches]
        inputs = load_inputs(clips, shares, settings.crop_size, self.learner.device, self.workers)
        started = shown = time.monotonic()
        for batch in batches:
            asked = time.monotonic()
            given = next(inputs)
            progress.waiting += time.monotonic() - asked
            self.sums += self.learner.step(given, batch, epoch, progress.step)
            progress.step += 1
            seen += len(batch)
            bar.update(len(batch))
            due = self.timer.due()  # once: what is kept must have been looked at
            if due or time.monotonic() - shown >= SHOWN_EVERY:
                self._look()
                shown = time.monotonic()
                bar.set_postfix(epoch=epoch + 1, loss=f"{progress.loss_sum / seen:.3f}", refresh=False)
            if due:
                progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
                self._keep()
        progress.seconds += time.monotonic() - started

    def _look(self) -> None:
        """Fetches the sums of the epoch so far from the device, which must have come to them."""
        self.progress.loss_sum, self.progress.n_correct = self.sums.tolist()
        loss, epoch = self.progress.loss_sum, self.progress.epoch
        if not math.isfinite(loss):
            rate = learning_rate(self.settings, epoch)
            raise StageError(f"{self.run}: the loss is {loss} in epoch {epoch}; lower the run's lr ({rate:g} there)")

    def _keep(self) -> None:
        """Writes a checkpoint; ends the process, told to stop, after it."""
        if self.ranks.rank == 0:
            state = {"learner": self.learner.state(), "progress": dataclasses.asdict(self.progress)}
            save_checkpoint(state, self.folder)
        self.timer.saved()
        if self.timer.stopped_by:
            at = f"epoch {self.progress.epoch}, step {self.progress.step}"
            log.warning("%s: told to stop; %s is kept in %s", self.run, at, self.folder)
            sys.exit(128 + self.timer.stopped_by)  # as a shell says it: 143 after SIGTERM, 130 after Ctrl-C

    def _end_epoch(self) -> None:
        started = time.monotonic()
        self._look()
        progress, n_videos = self.progress, len(self.video_ids)
        progress.seconds += time.monotonic() - started
        entry = {
            "epoch": progress.epoch,
            "loss": progress.loss_sum / n_videos,
            "lr": learning_rate(self.settings, progress.epoch),
            "seconds": progress.seconds,
            "waiting": progress.waiting,
        }
        if self.learner.objective == "supervised":
            entry["accuracy"] = progress.n_correct / n_videos
        if self.ranks.rank == 0:
            entry |= self.judge()
            log.debug("%s: %s", self.run, ", ".join(f"{name} {value:.4g}" for name, value in entry.items()))
        self.progress = Progress(epoch=progress.epoch + 1, history=[*progress.history, entry])
        self.sums.zero_()
        self._keep()
