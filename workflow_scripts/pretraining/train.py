"""Stage: trains the 3D ResNet by one objective (paper, sections 3 and 4.2).

In: the list of training videos, their frames, and what the objective needs (clusters file, IDT sketches, the model to
start from). Out: model.pt, a dict for `torch.load(..., weights_only=True)`:

    state_dict  the network's weights                    bank      (N, 128) float32 of unit length; None if supervised
    settings    all hyper-parameters                     labels    (m, N) the last clusters in use; None without
    run, seed   which run                                video_ids N ids, the order of bank and labels
    classes     names, in the order of the class head    history   per epoch: epoch, loss, lr, seconds, waiting (of
                                                                   these, for clips), knn, accuracy (supervised)

Checkpoints lie in a folder named by all that the result depends on; a run that was killed goes on from the last one,
on one machine to the very same weights. Under torchrun several processes, one a GPU, share every batch (`ranks`).
"""

import dataclasses
import functools
import hashlib
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

from idt_tools.attributes import read_attributes
from workflow_scripts.artifacts import read_columns, read_hdf5
from workflow_scripts.clusters.cluster_sketches import read_sketches
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.identity import digest
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.checkpoint import SaveTimer, load_checkpoint, save, save_checkpoint
from workflow_scripts.pretraining.clusterings import fixed_labels
from workflow_scripts.pretraining.dataset import DrawnClips, epoch_batches, load_inputs
from workflow_scripts.pretraining.learner import Learner, learning_rate
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.ranks import Ranks, joined_ranks
from workflow_scripts.pretraining.published import read_weights
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised
from workflow_scripts.pretraining.settings import VERSION, PretrainingSettings
from workflow_scripts.pretraining.validation import Validation, embed_videos, knn_accuracy
from workflow_scripts.stage import StageError, command_line

log = logging.getLogger(__name__)

OBJECTIVES = ("instance", "local_aggregation", "supervised")
CLUSTERS = ("network", "idt", "joint")
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


def check_request(
    objective: str,
    clusters: str,
    clusters_file: Path | None,
    sketches: list[Path],
    labels: list[str],
    settings: PretrainingSettings,
) -> None:
    """Raises StageError where the arguments do not make a run."""
    if objective not in OBJECTIVES:
        raise StageError(f"there is no objective {objective!r}; choose one of {', '.join(OBJECTIVES)}")
    if len(labels) < 2:
        raise StageError(f"there are {len(labels)} videos to train on; a memory bank needs at least two")
    if objective == "supervised" and not all(labels):
        raise StageError(f"{labels.count('')} videos have no label, which the supervised objective learns from")
    if objective != "local_aggregation":
        return
    if clusters not in CLUSTERS:
        raise StageError(f"local_aggregation needs clusters of {', '.join(CLUSTERS)}, not {clusters!r}")
    if clusters == "idt" and clusters_file is None:
        raise StageError("clusters idt need --clusters-file")
    if clusters == "joint" and not sketches:
        raise StageError("clusters joint need --sketches, the encoding's shards")
    if clusters != "idt" and settings.k > len(labels):
        raise StageError(f"{len(labels)} videos cannot make k = {settings.k} clusters; set pretraining.k lower")


def run_digest(request: dict[str, Any], files: list[Path], frames: list[Path]) -> str:
    """The digest of all that the weights depend on: the request, the files' bytes, and what the frames are made of."""
    contents = []
    for path in files:
        with open(path, "rb") as file:
            contents.append(hashlib.file_digest(file, "sha256").hexdigest())
    made_of = []
    for path in sorted(frames):
        with read_hdf5(path) as file:
            made_of.append({name: str(value) for name, value in read_attributes(file).items()})
    return digest(VERSION, request, contents, made_of)


def start_from(
    init: Path, model: ResNet3D, bank: MemoryBank | None, store: FrameStore, settings: PretrainingSettings
) -> None:
    """Takes over the weights in a file that `read_weights` reads, and bank rows by video id.

    Videos new to the file's bank are embedded; with `bank` None (supervised) the head is not taken over either.
    """
    given = read_weights(init)
    try:
        fc = given.state_dict.get("fc.weight")
        head = bank is not None and given.embeds and fc is not None and fc.shape == model.fc.weight.shape
        load_backbone(model, given.state_dict, head=head)
    except ValueError as error:
        raise StageError(f"{init} cannot start this run: {error}") from error
    if bank is None:
        return
    new = bank.take_rows(given.bank, given.video_ids) if head and given.bank is not None else list(bank.video_ids)
    if new:
        log.info("%d of %d videos are new to the bank of %s and are embedded", len(new), len(bank.video_ids), init)
        bank.take_rows(normalised(embed_videos(model, store, new, settings)), new)


class Training:
    """The epochs of one run, from where `progress` is; process 0 of `ranks` tells and keeps how far it has come."""

    def __init__(self, learner: Learner, store: FrameStore, run: str, folder: Path, ranks: Ranks, workers: int) -> None:
        self.learner, self.store, self.run, self.folder = learner, store, run, folder
        self.ranks, self.workers = ranks, workers
        self.settings, self.video_ids = learner.settings, learner.bank.video_ids
        self.progress = Progress()
        self.sums = torch.zeros(2, dtype=torch.float64, device=learner.device)  # loss and right answers, this epoch
        self.timer = SaveTimer(self.settings.checkpoint_minutes, leads=ranks.rank == 0)
        kept = load_checkpoint(folder)
        if kept is not None:
            learner.restore(kept["learner"])
            self.progress = Progress(**kept["progress"])
            self.sums.copy_(torch.tensor([self.progress.loss_sum, self.progress.n_correct], dtype=torch.float64))
            at = self.progress.epoch, self.progress.step
            log.info("%s: goes on from epoch %d, step %d, kept in %s", run, *at, folder)

    def train(self, judge: Callable[[], dict[str, float]]) -> list[dict[str, float]]:
        """Learns to the last epoch and returns the history; `judge` gives more entries at an epoch's end."""
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
                self._end_epoch(judge)
        return self.progress.history

    def _batches(self, epoch: int) -> list[list[int]]:
        batches = epoch_batches(len(self.video_ids), self.settings.batch, self.learner.seed, epoch)
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
        draw = functools.partial(draw_training, seed, epoch, color=settings.color, scales=settings.scales)
        clips = DrawnClips(self.store, self.video_ids, settings.clip_length, draw)
        every = self._batches(epoch)
        batches, seen = every[progress.step :], sum(map(len, every[: progress.step]))
        shares = [self.ranks.share(batch) for batch in batches]
        inputs = load_inputs(clips, shares, settings.size, self.learner.device, self.workers)
        started = shown = time.monotonic()
        for batch in batches:
            asked = time.monotonic()
            given = next(inputs)
            progress.waiting += time.monotonic() - asked
            self.sums += self.learner.step(given, batch, epoch, progress.step)
            progress.step += 1
            seen += len(batch)
            bar.update(len(batch))
            if time.monotonic() - shown >= SHOWN_EVERY or self.timer.due():
                self._look()
                shown = time.monotonic()
                bar.set_postfix(epoch=epoch + 1, loss=f"{progress.loss_sum / seen:.3f}", refresh=False)
            if self.timer.due():
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
        if self.timer.terminated:
            at = f"epoch {self.progress.epoch}, step {self.progress.step}"
            log.warning("%s: told to stop; %s is kept in %s", self.run, at, self.folder)
            sys.exit(143)  # 128 + SIGTERM

    def _end_epoch(self, judge: Callable[[], dict[str, float]]) -> None:
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
            entry |= judge()
            log.debug("%s: %s", self.run, ", ".join(f"{name} {value:.4g}" for name, value in entry.items()))
        self.progress = Progress(epoch=progress.epoch + 1, history=[*progress.history, entry])
        self.sums.zero_()
        self._keep()


def train(
    videos: Path,
    frames: list[Path],
    output: Path,
    checkpoints: Path,
    run: str,
    seed: int,
    objective: str,
    sketches: list[Path],
    settings: PretrainingSettings,
    validation: list[Path],
    validation_frames: list[Path],
    clusters: str = "",
    clusters_file: Path | None = None,
    init: Path | None = None,
    workers: int = 0,
) -> None:
    """Trains one model and writes it to `output`; goes on from the checkpoint where there is one.

    `videos` has columns video_id and label. `objective` is instance (Video IR), local_aggregation (Video LA, with
    `clusters` network, idt with `clusters_file`, or joint with `sketches`, the encoding's shards) or supervised. `init`
    is a model.pt to start from. `validation` are lists of other videos, with their frames, that the network is asked
    about after each epoch and never learns from. `workers` processes load clips beside a GPU (0: none).
    is a file of weights to start from (see `published`). `workers` processes load clips (0: none beside this one).
    """
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    video_ids, labels = [row["video_id"] for row in listed], [row["label"] for row in listed]
    check_request(objective, clusters, clusters_file, sketches, labels, settings)
    store = FrameStore(frames)
    missing = sorted(set(video_ids) - set(store.video_ids))
    if missing:
        raise StageError(f"the frames lack {len(missing)} of the videos in {videos}: {', '.join(missing[:5])}")
    held_out = Validation.read(validation, validation_frames, seed) if validation else None

    with joined_ranks() as (ranks, device):
        class_names = sorted(set(labels)) if objective == "supervised" else []
        torch.manual_seed(int(digest(seed, "weights"), 16) >> 1)  # equal for all runs of a seed
        model = ResNet3D(settings.depth, len(class_names) or settings.embedding, settings.width).to(device)
        bank = MemoryBank(video_ids, settings.embedding, seed)
        if init is not None:
            start_from(init, model, bank, store, settings)
        learner = Learner(
            objective,
            model,
            bank,
            settings,
            seed,
            classes=torch.tensor([class_names.index(label) for label in labels]) if class_names else None,
            fixed=fixed_labels(clusters_file, video_ids) if clusters == "idt" and clusters_file else None,
            sketches=torch.from_numpy(read_sketches(sketches, video_ids)) if clusters == "joint" else None,
            ranks=ranks,
        )
        request = dataclasses.asdict(settings)
        del request["checkpoint_minutes"]
        request.update(seed=seed, objective=objective, clusters=clusters, videos=listed)
        files = [path for path in (clusters_file, *sorted(sketches), init) if path is not None]
        folder = checkpoints / run_digest(request, files, frames)
        training = Training(learner, store, run, folder, ranks, workers)
        log.info("%s: %d videos, %d epochs on %d x %s", run, len(video_ids), settings.epochs, ranks.size, device)
    # What is learned
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    class_names = sorted(set(labels)) if objective == "supervised" else []
    torch.manual_seed(int(digest(seed, "weights"), 16) >> 1)  # equal for all runs of a seed
    model = ResNet3D(settings.depth, len(class_names) or settings.embedding, settings.width, settings.shortcut).to(
        device
    )
    bank = MemoryBank(video_ids, settings.embedding, seed)
    if init is not None:
        start_from(init, model, None if class_names else bank, store, settings)
    learner = Learner(
        objective,
        model,
        bank,
        settings,
        seed,
        classes=torch.tensor([class_names.index(label) for label in labels]) if class_names else None,
        fixed=fixed_labels(clusters_file, video_ids) if clusters == "idt" and clusters_file else None,
        sketches=torch.from_numpy(read_sketches(sketches, video_ids)) if clusters == "joint" else None,
    )

        def judge() -> dict[str, float]:
            if held_out is not None:
                return held_out.judge(learner, labels, class_names)
            if objective != "supervised" and len(set(labels)) > 1:
                return {"knn": knn_accuracy(bank.rows, labels)}
            return {}

        history = training.train(judge)
        if ranks.rank == 0:
            save(
                {
                    "state_dict": model.state_dict(),
                    "settings": dataclasses.asdict(settings),
                    "run": run,
                    "seed": seed,
                    "video_ids": video_ids,
                    "bank": None if objective == "supervised" else bank.rows.cpu(),
                    "labels": None if learner.labels is None else learner.labels.cpu(),
                    "history": history,
                    "classes": class_names,
                    "version": VERSION,
                },
                output,
            )


if __name__ == "__main__":
    command_line(train)
