"""Stage: trains the 3D ResNet by one objective (paper, sections 3 and 4.2).

In: the list of training videos, their frames, and what the objective needs (clusters file, IDT sketches, the model to
start from). Out: model.pt, a dict for `torch.load(..., weights_only=True)`:

    state_dict  the network's weights                    bank      (N, 128) float32 of unit length; None if supervised
    settings    all hyper-parameters                     labels    (m, N) the last clusters in use; None without
    run, seed   which run                                video_ids N ids, the order of bank and labels
    objective, clusters  what it learned from            digest    of all that the weights depend on
    classes     names, in the order of the class head    history   per epoch: epoch, loss, lr, seconds, waiting (of
                                                                   these, for clips), knn, accuracy (supervised)

Checkpoints lie in a folder named by all that the result depends on; a run that was killed goes on from the last one, on
a CPU of one kind, with as many threads, to the very same weights. On a GPU sums of gradients come in no fixed order, so
that weights are equal to rounding alone. Small networks use one thread, whatever they are given (`useful_threads`).
Under torchrun several processes, one a GPU, share every batch (`ranks`).
"""

import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import Any

import torch

from idt_tools.attributes import read_attributes
from workflow_scripts.clusters.cluster_sketches import read_sketches
from workflow_scripts.clusters.settings import check_k
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.checkpoint import save
from workflow_scripts.pretraining.clusterings import fixed_labels
from workflow_scripts.pretraining.learner import Learner
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.published import read_weights
from workflow_scripts.pretraining.ranks import process_group
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised, weights_digest
from workflow_scripts.pretraining.settings import VERSIONS, PretrainingSettings, values_read
from workflow_scripts.pretraining.threads import use_threads
from workflow_scripts.pretraining.training import Training
from workflow_scripts.pretraining.validation import Validation, embed_videos, knn_accuracy

log = logging.getLogger(__name__)

OBJECTIVES = ("instance", "local_aggregation", "supervised")
CLUSTERS = ("network", "idt", "joint")


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
    if not labels:
        raise StageError("there are no videos to train on")
    # The network divides a clip's sides by 32 and its length by 16; batch norm needs two values of a channel.
    if len(labels) == 1 and settings.crop_size <= 32 and settings.clip_length <= 16:
        raise StageError(
            "there is one video to train on, and a clip of it is too small for batch norm; give more videos, clips of "
            "more than 32 pixels or of more than 16 frames"
        )
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
    if clusters != "idt":  # which are made, and checked, before
        check_k(settings.k, len(labels))


def training_request(
    videos: list[dict[str, str]], seed: int, objective: str, clusters: str, settings: PretrainingSettings
) -> dict[str, Any]:
    """What a training's weights depend on besides files; `videos` are the rows of its list, sorted by id."""
    values = values_read(dataclasses.asdict(settings), objective, clusters)
    return {**values, "seed": seed, "objective": objective, "clusters": clusters, "videos": videos}


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
    return digest(VERSIONS["train"], request, contents, made_of)


def start_from(
    init: Path,
    model: ResNet3D,
    bank: MemoryBank | None,
    store: FrameStore,
    settings: PretrainingSettings,
    workers: int = 0,
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
        bank.take_rows(normalised(embed_videos(model, store, new, settings, workers)), new)


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
    validation: list[Path] | None = None,
    validation_frames: list[Path] | None = None,
    workers: int = 0,
    checkpoint_minutes: float | None = None,
) -> None:
    """Trains one model and writes it to `output`; goes on from the checkpoint where there is one.

    `videos` has columns video_id and label. `objective` is instance (Video IR), local_aggregation (Video LA, with
    `clusters` network, idt with `clusters_file`, or joint with `sketches`, the encoding's shards) or supervised. `init`
    is a model.pt, or a published file of weights, to start from. `validation` are lists of other videos, with their
    frames, that the network is asked about after each epoch and never learns from. `workers` processes load clips
    beside the GPUs (0: none). `checkpoint_minutes`, where it is given, goes before that of the settings.
    """
    if checkpoint_minutes is not None:
        settings = dataclasses.replace(settings, checkpoint_minutes=checkpoint_minutes)
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    video_ids, labels = [row["video_id"] for row in listed], [row["label"] for row in listed]
    check_request(objective, clusters, clusters_file, sketches, labels, settings)
    store = FrameStore(frames)
    store.require(video_ids)
    held_out = Validation.read(validation, validation_frames or [], seed) if validation else None

    with process_group() as (ranks, device):
        workers //= ranks.size
        use_threads(device, vars(settings), settings.batch_size)
        # What is learned
        class_names = sorted(set(labels)) if objective == "supervised" else []
        torch.manual_seed(int(digest(seed, "weights"), 16) >> 1)  # equal for all runs of a seed
        outputs = len(class_names) or settings.embedding_dim
        model = ResNet3D(settings.depth, outputs, settings.width, settings.shortcut).to(device)
        bank = MemoryBank(video_ids, settings.embedding_dim, seed)
        if init is not None:
            start_from(init, model, None if class_names else bank, store, settings, workers)
        first_weights = weights_digest(model.state_dict())
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

        def judge() -> dict[str, float]:
            if held_out is not None:
                return held_out.judge(learner, labels, class_names, workers)
            if objective != "supervised" and len(set(labels)) > 1:
                return {"knn": knn_accuracy(bank.rows, labels)}
            return {}

        # From where it was left, to the last epoch
        request = training_request(listed, seed, objective, clusters, settings)
        prior = [path for path in (clusters_file, *sorted(sketches)) if path is not None]
        folder = checkpoints / run_digest(request, [*prior, *([init] if init else [])], frames)
        log.info("%s: %d videos, %d epochs, %d x %s", run, len(video_ids), settings.epochs, ranks.size, device.type)
        history = Training(learner, store, run, folder, judge, workers).train()

        if ranks.rank == 0:
            save(
                {
                    "state_dict": model.state_dict(),
                    "settings": dataclasses.asdict(settings),
                    "run": run,
                    "objective": objective,
                    "clusters": clusters,
                    # Not the folder's: a model that a run starts from holds the seconds that it took.
                    "digest": digest(run_digest(request, prior, frames), first_weights),
                    "seed": seed,
                    "video_ids": video_ids,
                    "bank": None if objective == "supervised" else bank.rows.cpu(),
                    "labels": None if learner.labels is None else learner.labels.cpu(),
                    "history": history,
                    "classes": class_names,
                    "version": VERSIONS["train"],
                },
                output,
            )


if __name__ == "__main__":
    command_line(train)
