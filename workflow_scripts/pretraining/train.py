"""Stage: trains the 3D ResNet with one objective (paper, sections 3 and 4.2).

Inputs: the table of training videos, their frames, and what the objective needs (clusters file, IDT sketches, the model
to start from). Output: model.pt, a dict for `torch.load(..., weights_only=True)`:

    state_dict           weights of the network                 bank       (N, 128) float32 of unit length, or None
    settings             all hyper-parameters                   labels     (m, N) the last clusters, or None
    run, seed            name and seed of the run               video_ids  N ids, in the order of bank and labels
    objective, clusters  of the run                             digest     of everything that the weights depend on
    classes              names in the order of the class head   history    the rows of history.csv at epochs' ends

Beside the output, history.csv and TensorBoard's events show the training while it runs (`ground.curves`).

The name of the checkpoint folder is a digest of everything that the result depends on. A killed run resumes from the
last checkpoint. On a CPU of the same kind, with the same number of threads, it ends with the same weights. On a GPU the
sums of gradients have no fixed order, so weights are equal up to rounding. Small networks use one thread
(`useful_threads`). Under torchrun, one process per GPU learns from its part of every batch (`ranks`).
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
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
from workflow_scripts.pretraining.clusterings import fixed_labels, mean_nmi
from workflow_scripts.pretraining.dataset import clip_span
from workflow_scripts.pretraining.learner import Learner, Targets
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.published import read_weights
from workflow_scripts.pretraining.ranks import process_group
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone, normalised, weights_digest
from workflow_scripts.pretraining.settings import VERSIONS, PretrainingSettings, values_read
from workflow_scripts.pretraining.threads import use_threads
from workflow_scripts.pretraining.training import Training
from workflow_scripts.pretraining.validation import Validation, embed_videos, knn_accuracy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingFiles:
    videos: Path  # table with the columns video_id and label
    frames: list[Path]  # shards
    clusters_file: Path | None = None  # for `clusters: idt`
    sketches: list[Path] = field(default_factory=list)  # shards of the encoding, for `clusters: joint`
    init: Path | None = None  # a model.pt or a published file of weights to start from
    validation: list[Path] = field(default_factory=list)  # lists of videos for evaluation after each epoch only
    validation_frames: list[Path] = field(default_factory=list)


def warn_of_short_videos(store: FrameStore, video_ids: list[str], settings: PretrainingSettings) -> None:
    """Logs how many videos are shorter than a clip spans, if the frames of a clip are not consecutive."""
    span = clip_span(settings.clip_length, settings.frame_interval)
    n_short = 0 if settings.frame_interval == 1 else sum(store.n_frames(video_id) < span for video_id in video_ids)
    if n_short:
        log.warning(
            "%d of %d videos have fewer frames than a clip spans (%d), and start again from their first frame; lower "
            "frame_interval if these are many",
            n_short,
            len(video_ids),
            span,
        )


def check_request(
    objective: str, clusters: str, files: TrainingFiles, labels: list[str], settings: PretrainingSettings
) -> None:
    """Raises StageError if the arguments do not define a run. `labels` are those of the videos, "" for none."""
    if objective not in OBJECTIVES:
        raise StageError(f"pretraining: there is no objective {objective!r}; choose one of {', '.join(OBJECTIVES)}")
    if not labels:
        raise StageError(f"{files.videos} lists no videos to train on; change the run's subset")
    # The network divides a clip's sides by 32 and its length by 16. Batch norm needs two values per channel.
    if len(labels) == 1 and settings.crop_size <= 32 and settings.clip_length <= 16:
        raise StageError(
            "there is one video to train on, and a clip of it is too small for batch norm; add videos, or set "
            "crop_size above 32 or clip_length above 16"
        )
    if OBJECTIVES[objective].labels and not all(labels):
        raise StageError(f"{files.videos}: {labels.count('')} videos have no label; {objective} needs labels; add them")
    spaces = OBJECTIVES[objective].clusters
    if not spaces:
        return
    if clusters not in spaces:
        raise StageError(f"the objective {objective} needs clusters {', '.join(spaces)}, not {clusters!r}")
    if clusters == "idt" and files.clusters_file is None:
        raise StageError("clusters idt needs --clusters-file")
    if clusters == "joint" and not files.sketches:
        raise StageError("clusters joint needs --sketches, the shards of the encoding")
    if clusters != "idt":  # the stage cluster_sketches checks the clusters of idt
        check_k(settings.k, len(labels))


def training_request(
    videos: list[dict[str, str]], seed: int, objective: str, clusters: str, settings: PretrainingSettings
) -> dict[str, Any]:
    """The values besides files that determine the weights. `videos` are the rows of the table, sorted by id."""
    values = values_read(dataclasses.asdict(settings), objective, clusters)
    return {**values, "seed": seed, "objective": objective, "clusters": clusters, "videos": videos}


def run_digest(request: dict[str, Any], files: list[Path], frames: list[Path]) -> str:
    """The digest of what the weights depend on: the request, the bytes of `files`, and the attributes of the frames."""
    contents = []
    for path in files:
        with open(path, "rb") as file:
            contents.append(hashlib.file_digest(file, "sha256").hexdigest())
    attributes = []
    for path in sorted(frames):
        with read_hdf5(path) as file:
            attributes.append({name: str(value) for name, value in read_attributes(file).items()})
    return digest(VERSIONS["train"], request, contents, attributes)


def load_initial_weights(
    init: Path,
    model: ResNet3D,
    bank: MemoryBank | None,
    store: FrameStore,
    settings: PretrainingSettings,
    workers: int = 0,
) -> None:
    """Copies the weights of a file, and the rows of its bank by video id.

    Args:
        init: A file that `read_weights` reads.
        model: The network that receives the weights.
        bank: The bank that receives the rows. The network embeds the videos that the file's bank lacks. None, for a
            class head: neither rows nor the head are copied.
        store: The frames of the videos.
        settings: Settings of the run.
        workers: Processes that load clips.

    Raises:
        StageError: The weights belong to another network.
    """
    weights = read_weights(init)
    try:
        fc = weights.state_dict.get("fc.weight")
        head = bank is not None and weights.embeds and fc is not None and fc.shape == model.fc.weight.shape
        load_backbone(model, weights.state_dict, head=head)
    except ValueError as error:
        raise StageError(f"{init} cannot start this run: {error}") from error
    if bank is None:
        return
    new = list(bank.video_ids)
    if head and weights.bank is not None:
        new = bank.copy_rows(weights.bank, weights.video_ids)
    if new:
        log.info("%d of %d videos are not in the bank of %s and are embedded", len(new), len(bank.video_ids), init)
        bank.copy_rows(normalised(embed_videos(model, store, new, settings, workers)), new)


def read_targets(
    objective: str, clusters: str, files: TrainingFiles, video_ids: list[str], classes: list[int]
) -> Targets:
    """The inputs of the objective besides clips and bank. `classes` are the indices of the labels of the videos."""
    return Targets(
        classes=torch.tensor(classes) if OBJECTIVES[objective].labels else None,
        fixed=fixed_labels(files.clusters_file, video_ids) if clusters == "idt" and files.clusters_file else None,
        sketches=torch.from_numpy(read_sketches(files.sketches, video_ids)) if clusters == "joint" else None,
    )


def make_evaluate(
    learner: Learner, held_out: Validation | None, labels: list[str], class_names: list[str], workers: int
) -> Callable[[], dict[str, float]]:
    """A function that evaluates the learner on the held-out videos, or without these on the training videos.

    It also compares the clusters with the labels, where all videos have one.
    """
    names = sorted(set(labels))
    classes = torch.tensor([[names.index(label) for label in labels]]) if all(labels) else None

    def evaluate() -> dict[str, float]:
        if learner.labels is None or classes is None:
            return accuracy()
        return accuracy() | {"nmi_labels": mean_nmi(learner.labels, classes)}

    def accuracy() -> dict[str, float]:
        if held_out is not None:
            return held_out.evaluate(learner, labels, class_names, workers)
        if learner.objective.bank and len(set(labels)) > 1:
            return {"knn": knn_accuracy(learner.bank.rows, labels)}
        return {}

    return evaluate


def train(
    files: TrainingFiles,
    output: Path,
    checkpoints: Path,
    run: str,
    seed: int,
    objective: str,
    settings: PretrainingSettings,
    clusters: str = "",
    workers: int = 0,
    checkpoint_minutes: float | None = None,
) -> None:
    """Trains a model and writes it to `output`. Resumes from the checkpoint if there is one.

    Args:
        files: The inputs.
        output: The model.pt.
        checkpoints: Folder of the checkpoints of the run.
        run: Name of the run, for the log.
        seed: Seed of all random draws.
        objective: A name in OBJECTIVES.
        settings: Settings of the run.
        clusters: The space of the clusters, for an objective that needs them: network, idt or joint.
        workers: Processes that load clips for the GPUs; 0 for none.
        checkpoint_minutes: Overrides the value in the settings.

    Raises:
        StageError: The arguments do not define a run, or a file lacks a video.
    """
    if checkpoint_minutes is not None:
        settings = dataclasses.replace(settings, checkpoint_minutes=checkpoint_minutes)
    rows = sorted(read_columns(files.videos), key=lambda row: row["video_id"])
    video_ids, labels = [row["video_id"] for row in rows], [row["label"] for row in rows]
    check_request(objective, clusters, files, labels, settings)
    store = FrameStore(files.frames)
    store.require(video_ids)
    held_out = Validation.read(files.validation, files.validation_frames, seed) if files.validation else None
    with process_group() as (ranks, device):
        workers //= ranks.size
        use_threads(device, vars(settings), settings.batch_size)
        names = sorted(set(labels))
        class_names = names if OBJECTIVES[objective].class_head else []
        model = new_network(len(class_names) or settings.embedding_dim, settings, seed).to(device)
        bank = MemoryBank(video_ids, settings.embedding_dim, seed)
        if files.init is not None:
            load_initial_weights(files.init, model, None if class_names else bank, store, settings, workers)
        first_weights = weights_digest(model.state_dict())
        targets = read_targets(objective, clusters, files, video_ids, [names.index(label) for label in labels])
        learner = Learner(objective, model, bank, settings, seed, targets=targets, ranks=ranks)
        request = training_request(rows, seed, objective, clusters, settings)
        inputs = [path for path in (files.clusters_file, *sorted(files.sketches)) if path is not None]
        folder = checkpoints / run_digest(request, [*inputs, *([files.init] if files.init else [])], files.frames)
        log.info("%s: %d videos, %d epochs, %d x %s", run, len(video_ids), settings.epochs, ranks.size, device.type)
        warn_of_short_videos(store, video_ids, settings)
        evaluate = make_evaluate(learner, held_out, labels, class_names, workers)
        history = Training(learner, store, run, folder, output.parent, evaluate, workers).train()
        if ranks.rank == 0:
            # From the first weights, because the file of `init` also holds the seconds that its training took.
            model_digest = digest(run_digest(request, inputs, files.frames), first_weights)
            names_of_run = {"run": run, "objective": objective, "clusters": clusters, "digest": model_digest}
            save({**names_of_run, **model_content(learner, class_names, history)}, output)


def new_network(outputs: int, settings: PretrainingSettings, seed: int) -> ResNet3D:
    """A network with random weights, which are the same in all runs with this seed."""
    torch.manual_seed(int(digest(seed, "weights"), 16) >> 1)
    return ResNet3D(settings.depth, outputs, settings.width, settings.shortcut)


def model_content(learner: Learner, class_names: list[str], history: list[dict[str, float]]) -> dict[str, Any]:
    """The content of model.pt that the learner and the history give."""
    return {
        "state_dict": learner.model.state_dict(),
        "settings": dataclasses.asdict(learner.settings),
        "seed": learner.seed,
        "video_ids": learner.bank.video_ids,
        "bank": learner.bank.rows.cpu() if learner.objective.bank else None,
        "labels": None if learner.labels is None else learner.labels.cpu(),
        "history": history,
        "classes": class_names,
        "version": VERSIONS["train"],
    }


if __name__ == "__main__":
    command_line(train)
