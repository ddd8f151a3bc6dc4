"""Evaluation during training, by nearest neighbours or the class head. It does not influence the training."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import draw_middle
from workflow_scripts.pretraining.dataset import DrawnClips, consecutive, load_inputs
from workflow_scripts.pretraining.knn import nearest_classes
from workflow_scripts.pretraining.learner import Learner
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import normalised
from workflow_scripts.pretraining.settings import KNN_NEIGHBOURS, KNN_TEMPERATURE, PretrainingSettings, clips_per_pass

MOST_VIDEOS = 2000  # videos evaluated after an epoch, so that it takes little time


@torch.no_grad()
def embed_videos(
    model: nn.Module, store: FrameStore, video_ids: Sequence[str], settings: PretrainingSettings, workers: int = 0
) -> Tensor:
    """Embeds the centre crop of the middle clip of each video.

    Args:
        model: The network.
        store: The frames of the videos.
        video_ids: n ids.
        settings: clip_length, frame_interval, crop_size, batch_size and precision.
        workers: Processes that load clips for a GPU.

    Returns:
        The outputs (n, D) float32 of the network, on its device.
    """
    model.eval()
    device = next(model.parameters()).device
    clips = DrawnClips(store, video_ids, settings.clip_length, draw_middle, settings.frame_interval)
    batches = consecutive(len(video_ids), min(settings.batch_size, clips_per_pass(settings)))
    outputs = []
    for inputs in load_inputs(clips, batches, settings.crop_size, device, workers):
        with autocast(settings.precision, device):  # frames are resized in float32, as in training
            outputs.append(model(inputs).float())
    return torch.cat(outputs)


def _class_indices(labels: Sequence[str], names: Sequence[str], device: torch.device) -> Tensor:
    """The index (n,) int64 of each label in `names`; -1 for a label that `names` lacks."""
    index_of = {name: index for index, name in enumerate(names)}
    return torch.tensor([index_of.get(label, -1) for label in labels], device=device)


def knn_accuracy(rows: Tensor, labels: Sequence[str], neighbours: int = KNN_NEIGHBOURS) -> float:
    """The accuracy (0..1) of the vote of nearest neighbours in a memory bank, on at most MOST_VIDEOS of its rows.

    Args:
        rows: (N, D) of unit length.
        labels: Labels of the N videos.
        neighbours: Rows that vote; a video has no vote on itself.
    """
    classes = _class_indices(labels, sorted(set(labels)), rows.device)
    queried = torch.arange(0, len(rows), max(1, -(-len(rows) // MOST_VIDEOS)), device=rows.device)
    predicted = nearest_classes(
        rows[queried], rows, classes, neighbours=neighbours, temperature=KNN_TEMPERATURE, own_rows=queried
    )
    return float((predicted == classes[queried]).double().mean())


class Validation:
    """Videos for evaluation only: `video_ids` with their `labels`, and the store of their frames."""

    def __init__(self, store: FrameStore, labels: dict[str, str]) -> None:
        self.store, self.video_ids, self.labels = store, list(labels), list(labels.values())

    @classmethod
    def read(cls, lists: Sequence[Path], frames: Sequence[Path], seed: int) -> "Validation":
        """Draws at most MOST_VIDEOS labelled videos with frames by hash(seed, video_id).

        Args:
            lists: Tables with the columns video_id and label.
            frames: Shards of frames.
            seed: Seed of the run.

        Raises:
            StageError: There is no such video, or a video is in no frames file.
        """
        store = FrameStore(frames)
        label_of = {row["video_id"]: row["label"] for path in lists for row in read_columns(path) if row["label"]}
        store.require(label_of)
        order = sorted(label_of, key=lambda name: digest(seed, "validation", name))
        usable = [name for name in order[: 2 * MOST_VIDEOS] if store.outcome(name)[0] == "ok"][:MOST_VIDEOS]
        if not usable:
            raise StageError(
                "no video of the dataset pretraining.validation has a label and frames; name another dataset"
            )
        return cls(store, {name: label_of[name] for name in sorted(usable)})

    def evaluate(
        self, learner: Learner, bank_labels: Sequence[str], classes: Sequence[str], workers: int = 0
    ) -> dict[str, float]:
        """The accuracy (0..1) on these videos, by its name in the history.

        Args:
            learner: The learner whose network classifies the videos.
            bank_labels: The labels of the videos of the bank.
            classes: Classes of the class head; its accuracy is named `validation`. Empty: nearest neighbours in the
                bank vote, and the accuracy is named `knn`.
            workers: Processes that load clips for a GPU.
        """
        outputs = embed_videos(learner.model, self.store, self.video_ids, learner.settings, workers)
        names = classes or sorted({*bank_labels} - {""})
        truth = _class_indices(self.labels, names, outputs.device)
        if classes:
            return {"validation": float((outputs.argmax(dim=1) == truth).double().mean())}
        if not names:
            return {}
        bank_classes = _class_indices(bank_labels, names, outputs.device)
        predicted = nearest_classes(
            normalised(outputs), learner.bank.rows, bank_classes, neighbours=KNN_NEIGHBOURS, temperature=KNN_TEMPERATURE
        )
        return {"knn": float((predicted == truth).double().mean())}
