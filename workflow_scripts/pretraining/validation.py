"""How a run is evaluated while it learns: by nearest neighbours or the class head. No run learns from this."""

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
from workflow_scripts.pretraining.learner import Learner, autocast
from workflow_scripts.pretraining.resnet3d import normalised
from workflow_scripts.pretraining.settings import KNN_NEIGHBOURS, KNN_TEMPERATURE, PretrainingSettings

MOST_VIDEOS = 2000  # evaluated after an epoch, so that the evaluation stays short beside the training


@torch.no_grad()
def embed_videos(
    model: nn.Module, store: FrameStore, video_ids: Sequence[str], settings: PretrainingSettings, workers: int = 0
) -> Tensor:
    """The model's outputs (n, D) float32 on its device for the middle clip of each video, centre crop."""
    model.eval()
    device = next(model.parameters()).device
    clips = DrawnClips(store, video_ids, settings.clip_length, draw_middle)
    batches = consecutive(len(video_ids), settings.batch_size)
    outputs = []
    for inputs in load_inputs(clips, batches, settings.crop_size, device, workers):
        with autocast(settings.precision, device):  # the network alone: frames are resized in float32, as in training
            outputs.append(model(inputs).float())
    return torch.cat(outputs)


def _classes(labels: Sequence[str], names: Sequence[str], device: torch.device) -> Tensor:
    """The index (n,) int64 of each label in `names`; -1 for a label that `names` lacks."""
    index_of = {name: number for number, name in enumerate(names)}
    return torch.tensor([index_of.get(label, -1) for label in labels], device=device)


def knn_accuracy(rows: Tensor, labels: Sequence[str], neighbours: int = KNN_NEIGHBOURS) -> float:
    """Share (0..1) of videos whose nearest neighbours in the bank `rows` (N, D), themselves excluded, vote correctly.

    At most MOST_VIDEOS evenly spaced rows are queried.
    """
    classes = _classes(labels, sorted(set(labels)), rows.device)
    queried = torch.arange(0, len(rows), max(1, -(-len(rows) // MOST_VIDEOS)), device=rows.device)
    voted = nearest_classes(
        rows[queried], rows, classes, neighbours=neighbours, temperature=KNN_TEMPERATURE, own=queried
    )
    return float((voted == classes[queried]).double().mean())


class Validation:
    """Videos that no run learns from: `video_ids` with their `labels`, and the store of their frames."""

    def __init__(self, store: FrameStore, labels: dict[str, str]) -> None:
        self.store, self.video_ids, self.labels = store, list(labels), list(labels.values())

    @classmethod
    def read(cls, lists: Sequence[Path], frames: Sequence[Path], seed: int) -> "Validation":
        """The labelled videos of the lists that have frames, at most MOST_VIDEOS of them, drawn by hash(seed, id).

        Raises StageError if there is none, or a video is in no frames file.
        """
        store = FrameStore(frames)
        label_of = {row["video_id"]: row["label"] for path in lists for row in read_columns(path) if row["label"]}
        store.require(label_of)
        order = sorted(label_of, key=lambda name: digest(seed, "validation", name))
        usable = [name for name in order[: 2 * MOST_VIDEOS] if store.outcome(name)[0] == "ok"][:MOST_VIDEOS]
        if not usable:
            raise StageError("no video of the dataset pretraining.validation has a label and frames; name another")
        return cls(store, {name: label_of[name] for name in sorted(usable)})

    def evaluate(
        self, learner: Learner, bank_labels: Sequence[str], classes: Sequence[str], workers: int = 0
    ) -> dict[str, float]:
        """The share (0..1) of correctly classified videos, with its name in the history.

        Args:
            learner: Its network classifies the videos.
            bank_labels: The labels of the bank's videos.
            classes: Of the class head, whose share is called `validation`. Empty: nearest neighbours in the bank vote,
                and the share is called `knn`.
            workers: Processes that load clips beside a GPU.
        """
        outputs = embed_videos(learner.model, self.store, self.video_ids, learner.settings, workers)
        names = classes or sorted({*bank_labels} - {""})
        truth = _classes(self.labels, names, outputs.device)
        if classes:
            return {"validation": float((outputs.argmax(dim=1) == truth).double().mean())}
        if not names:
            return {}
        voters = _classes(bank_labels, names, outputs.device)
        voted = nearest_classes(
            normalised(outputs), learner.bank.rows, voters, neighbours=KNN_NEIGHBOURS, temperature=KNN_TEMPERATURE
        )
        return {"knn": float((voted == truth).double().mean())}
