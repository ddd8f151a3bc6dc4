"""Stage: a frozen network's features judged by a linear classifier on few videos per class (paper 4.4, table 2).

Feature of a video: what the network gives below its head (512 x width), averaged over the video's random clips,
L2-normalised. Classifier: as [3], a linear softmax layer on the frozen features; it is fitted to its optimum by
multinomial logistic regression with an L2 penalty (in [3] by 100 epochs of SGD), so that no schedule is tuned. For
each number of shots, several random choices of training videos; a smaller choice is part of the larger one of the
same draw. All test videos are tested. Beside it, among all training videos, a vote of nearest neighbours [46], and
retrieval: whether one of the k nearest has the test video's class (R@k).

Inputs: model.pt, splits.tsv, unread.tsv, frames shards. Output: `few_shot.json`, a record (see `results`) with
`shots`: accuracies by number of shots ("1", ..., "all"), one per draw; `shots_n_train`: videos trained on; `knn`:
accuracy and neighbours; `retrieval`: R@k by k. Its `accuracy` is that of "all".
"""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import class_scores, confusion_matrix, retrieval, summary
from workflow_scripts.evaluation.network import TestClips, device, read_inputs, read_pretrained
from workflow_scripts.evaluation.settings import VERSIONS, Architecture, EvaluationSettings, settings_of
from workflow_scripts.evaluation.split import l2_normalised
from workflow_scripts.ground import identity
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.knn import nearest_classes
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.threads import use_threads

log = logging.getLogger(__name__)

CLIPS_AT_ONCE = 64  # bounds memory; no influence on the result
RETRIEVED = (1, 5, 10, 20)  # the k of R@k, as papers of video retrieval give them


def few_shot(
    splits: Path,
    split: int,
    frames: list[Path],
    output: Path,
    run: str,
    seed: int,
    dataset: str,
    settings: EvaluationSettings,
    architecture: Architecture,
    unread: Path | None = None,
    model: Path | None = None,
    workers: int = 0,
) -> None:
    """Fits linear classifiers to the frozen features of `model` and records their accuracies.

    model: the run's model.pt, or none for random weights of the depth, width, clip length and size in `architecture`
    (unused with a model); run, dataset: for the record; seed: of clips, training videos and random weights; unread: the
    table of the videos that could not be read; workers: processes that read clips beside a GPU.
    Raises StageError if a readable video of the split is in no frames file, or there is nothing to train on.
    """
    pretrained = read_pretrained(model, architecture)
    use_threads(device(), vars(pretrained.architecture), CLIPS_AT_ONCE)
    parts, store = read_inputs(splits, split, frames, unread)
    clips = TestClips(store, [*parts.train, *parts.test], pretrained.architecture, settings.clips, seed, workers)
    features = l2_normalised(video_features(pretrained.network(len(parts.classes), seed), clips))
    train, test = features[: len(parts.train)], features[len(parts.train) :]
    answers, truth = parts.targets(parts.train), parts.targets(parts.test)
    n_classes = len(parts.classes)
    place = {video_id: i for i, video_id in enumerate(parts.train)}

    largest = int(np.bincount(answers).max())
    shots: dict[str, list[float]] = {}
    n_train: dict[str, int] = {}
    tasks = [(shot, draw) for shot in settings.few_shot_shots for draw in range(settings.few_shot_draws)]
    for shot, draw in tqdm(tasks, "few-shot", unit="classifier", mininterval=1):
        if shot >= largest:  # every class gives all it has: the same as "all"
            continue
        chosen = [place[video_id] for video_id in draw_shots(parts.train, shot, seed, draw)]
        scores = classify(train[chosen], answers[chosen], test, settings.few_shot_c, n_classes)
        shots.setdefault(str(shot), []).append(float(np.mean(scores.argmax(axis=1) == truth)))
        n_train[str(shot)] = len(chosen)
    scores = classify(train, answers, test, settings.few_shot_c, n_classes)
    shots["all"], n_train["all"] = [float(np.mean(scores.argmax(axis=1) == truth))], len(train)

    neighbours = min(settings.knn_neighbours, len(train))
    voted = nearest_classes(
        *(torch.from_numpy(array) for array in (test, train, answers)),
        neighbours=neighbours,
        temperature=settings.knn_temperature,
    ).numpy()
    record = results.write_record(
        output,
        parts,
        scores,
        run=run,
        seed=seed,
        dataset=dataset,
        number=split,
        protocol="few_shot",
        settings={
            **settings_of("few_shot", dataclasses.asdict(settings)),
            **pretrained.described(),
        },
        version=VERSIONS["few_shot"],
        shots=shots,
        shots_n_train=n_train,
        knn={
            **summary(confusion_matrix(truth, voted, n_classes), voted == truth, parts.recordings()),
            "neighbours": neighbours,
        },
        retrieval=retrieval(test, truth, train, answers, RETRIEVED),
    )
    log.info("%s, linear classifier on %s split %d: %s", run, dataset, split, results.in_words(record))


@torch.no_grad()
def video_features(network: ResNet3D, clips: TestClips) -> np.ndarray:
    """What the network gives below its head, (n, n_features) float64: the mean over the clips of each video.

    Raises StageError naming a video whose numbers are not finite.
    """
    network.eval()
    batches = []
    with tqdm(total=len(clips.video_ids), desc="features", unit="video", mininterval=1) as progress:
        for inputs in clips.inputs(CLIPS_AT_ONCE):
            values = network.features(inputs).double().unflatten(0, (-1, clips.n_clips)).mean(dim=1)
            batches.append(values.cpu())
            progress.update(len(values))
    features = torch.cat(batches).numpy()
    for video_id, is_finite in zip(clips.video_ids, np.isfinite(features).all(axis=1), strict=True):
        if not is_finite:
            raise StageError(f"{video_id}: the network's output is not a finite number; train the network anew")
    return features


def draw_shots(labels: Mapping[str, str], shots: int, seed: int, draw: int) -> list[str]:
    """`shots` videos of each class (all of a smaller class), the first in an order drawn per video, sorted by id.

    A function of (seed, draw, video_id): draws with more shots contain those with fewer, and adding a video to the
    dataset changes at most one choice of its class.
    """
    classes: dict[str, list[str]] = {}
    for video_id in sorted(labels, key=lambda video_id: identity.digest(seed, "few_shot", draw, video_id)):
        classes.setdefault(labels[video_id], []).append(video_id)
    return sorted(video_id for members in classes.values() for video_id in members[:shots])


def classify(train: np.ndarray, answers: np.ndarray, test: np.ndarray, c: float, n_classes: int) -> np.ndarray:
    """Scores (n_test, n_classes), see `class_scores`, of a multinomial logistic regression with inverse penalty `c`."""
    return class_scores(LogisticRegression(C=c, max_iter=2000).fit(train, answers), test, n_classes)


if __name__ == "__main__":
    command_line(few_shot)
