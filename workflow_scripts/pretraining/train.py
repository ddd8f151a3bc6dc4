"""Stage: trains the 3D ResNet by one objective (paper, sections 3 and 4.2).

In: the list of training videos, their frames, and what the objective needs (clusters file, IDT sketches, the model to
start from). Out: model.pt, a dict for `torch.load(..., weights_only=True)`:

    state_dict  the network's weights                    bank      (N, 128) float32 of unit length; None if supervised
    settings    all hyper-parameters                     labels    (m, N) the last clusters in use; None without
    run, seed   which run                                video_ids N ids, the order of bank and labels
    classes     names, in the order of the class head    history   per epoch: epoch, loss, lr, seconds, knn or accuracy

Checkpoints lie in a folder named by all that the result depends on; a run that was killed goes on from the last one,
on one machine to the very same weights.
"""

import dataclasses
import hashlib
import logging
import pickle
import sys
import time
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
from workflow_scripts.pretraining.augmentation import to_input
from workflow_scripts.pretraining.checkpoint import SaveTimer, load_checkpoint, save, save_checkpoint
from workflow_scripts.pretraining.clusterings import fixed_labels
from workflow_scripts.pretraining.dataset import EpochClips, embed_videos, epoch_batches, load_batches
from workflow_scripts.pretraining.learner import Learner, knn_accuracy, learning_rate
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised
from workflow_scripts.pretraining.settings import VERSION, PretrainingSettings
from workflow_scripts.stage import StageError, command_line

log = logging.getLogger(__name__)

OBJECTIVES = ("instance", "local_aggregation", "supervised")
CLUSTERS = ("network", "idt", "joint")


@dataclass
class Progress:
    """How far a run has come: before `step` of `epoch`, both from 0."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0  # these three of the epoch so far
    n_correct: int = 0
    seconds: float = 0.0
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


def start_from(init: Path, model: ResNet3D, bank: MemoryBank, store: FrameStore, settings: PretrainingSettings) -> None:
    """Takes over weights of another model, and bank rows by video id; videos new to it are embedded."""
    try:
        given = torch.load(init, map_location="cpu", weights_only=True)
        weights = given["state_dict"]
        has_embedding = not given.get("classes") and "fc.weight" in weights
        head = has_embedding and weights["fc.weight"].shape == model.fc.weight.shape
        load_backbone(model, weights, head=head)
    except (pickle.UnpicklingError, KeyError, ValueError) as error:
        raise StageError(f"{init} cannot start this run: {error}") from error
    rows = given.get("bank")
    new = list(bank.video_ids)
    if head and rows is not None:
        new = bank.take_rows(rows, given["video_ids"])
    if new:
        log.info("%d of %d videos are new to the bank of %s and are embedded", len(new), len(bank.video_ids), init)
        device = next(model.parameters()).device
        bank.take_rows(normalised(embed_videos(model, store, new, settings, device)), new)


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
    clusters: str = "",
    clusters_file: Path | None = None,
    init: Path | None = None,
    workers: int = 0,
) -> None:
    """Trains one model and writes it to `output`; goes on from the checkpoint where there is one.

    `videos` has columns video_id and label. `objective` is instance (Video IR), local_aggregation (Video LA, with
    `clusters` network, idt with `clusters_file`, or joint with `sketches`, the encoding's shards) or supervised. `init`
    is a model.pt to start from. `workers` processes load clips (0: none beside this one).
    """
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    video_ids, labels = [row["video_id"] for row in listed], [row["label"] for row in listed]
    check_request(objective, clusters, clusters_file, sketches, labels, settings)
    store = FrameStore(frames)
    missing = sorted(set(video_ids) - set(store.video_ids))
    if missing:
        raise StageError(f"the frames lack {len(missing)} of the videos in {videos}: {', '.join(missing[:5])}")

    # What is learned
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    )

    # Where it was left
    request = dataclasses.asdict(settings)
    del request["checkpoint_minutes"]
    request.update(seed=seed, objective=objective, clusters=clusters, videos=listed)
    files = [path for path in (clusters_file, *sorted(sketches), init) if path is not None]
    folder = checkpoints / run_digest(request, files, frames)
    progress = Progress()
    kept = load_checkpoint(folder)
    if kept is not None:
        learner.restore(kept["learner"])
        progress = Progress(**kept["progress"])
        log.info("%s: goes on from epoch %d, step %d, kept in %s", run, progress.epoch, progress.step, folder)
    log.info("%s: %d videos, %d epochs on %s", run, len(video_ids), settings.epochs, device)

    # The loop
    timer = SaveTimer(settings.checkpoint_minutes)
    n_videos = len(video_ids)
    done = sum(map(len, epoch_batches(n_videos, settings.batch, seed, progress.epoch)[: progress.step]))
    done += progress.epoch * n_videos
    bar = tqdm(total=settings.epochs * n_videos, initial=done, desc=run, unit="clip", mininterval=1)
    while progress.epoch < settings.epochs:
        epoch, started = progress.epoch, time.monotonic()
        if progress.step == 0:
            learner.start_epoch(epoch)
        batches = epoch_batches(n_videos, settings.batch, seed, epoch)[progress.step :]
        for clips, indices in load_batches(EpochClips(store, video_ids, settings, seed, epoch), batches, workers):
            loss, n_correct = learner.step(to_input(clips, device), indices, epoch, progress.step)
            progress.step += 1
            progress.loss_sum += loss * len(indices)
            progress.n_correct += n_correct
            progress.seconds += time.monotonic() - started
            started = time.monotonic()
            bar.update(len(indices))
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss:.3f}", refresh=False)
            if timer.due():
                save_checkpoint({"learner": learner.state(), "progress": dataclasses.asdict(progress)}, folder)
                timer.saved()
            if timer.terminated:
                log.warning("%s: told to stop; epoch %d, step %d is kept in %s", run, epoch, progress.step, folder)
                sys.exit(143)  # 128 + SIGTERM
        entry = {"epoch": epoch, "loss": progress.loss_sum / n_videos, "lr": learning_rate(settings, epoch)}
        entry["seconds"] = progress.seconds
        if objective == "supervised":
            entry["accuracy"] = progress.n_correct / n_videos
        elif len(set(labels)) > 1:
            entry["knn"] = knn_accuracy(bank.rows, labels)
        log.debug("%s: %s", run, ", ".join(f"{name} {value:.4g}" for name, value in entry.items()))
        progress = Progress(epoch=epoch + 1, history=[*progress.history, entry])
        save_checkpoint({"learner": learner.state(), "progress": dataclasses.asdict(progress)}, folder)
        timer.saved()
    bar.close()

    save(
        {
            "state_dict": model.state_dict(),
            "settings": dataclasses.asdict(settings),
            "run": run,
            "seed": seed,
            "video_ids": video_ids,
            "bank": None if objective == "supervised" else bank.rows.cpu(),
            "labels": None if learner.labels is None else learner.labels.cpu(),
            "history": progress.history,
            "classes": class_names,
            "version": VERSION,
        },
        output,
    )


if __name__ == "__main__":
    command_line(train)
