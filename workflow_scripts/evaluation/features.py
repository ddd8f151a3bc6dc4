"""Stage: compute the features of a dataset's videos by a frozen network, for the protocols `linear` and `knn`.

The features of a video are the network's output below its head (512 x width), averaged over random clips of the video.
The clips depend only on the seed and the video, so one file serves all splits.

Inputs: model.pt, splits.tsv, frames shards. Output: `features.h5` with video_id (n,), the sorted videos of the splits;
status (n,), `ok` or why a video has no frames; features (n, d) float64, zeros for a video without frames. Its
parameters name the network and the clips.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from workflow_scripts.evaluation.network import TestClips, open_frames, read_pretrained
from workflow_scripts.evaluation.settings import VERSIONS, Architecture, EvaluationSettings
from workflow_scripts.evaluation.split import require_known
from workflow_scripts.ground import artifacts
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.threads import use_threads

log = logging.getLogger(__name__)

CLIPS_AT_ONCE = 64  # bounds memory; no influence on the result


def features(
    splits: Path,
    frames: list[Path],
    output: Path,
    seed: int,
    settings: EvaluationSettings,
    architecture: Architecture,
    model: Path | None = None,
    workers: int = 0,
) -> None:
    """Computes the features of all videos of a dataset's splits.

    Args:
        splits: The dataset's splits.tsv.
        frames: Frames of all its shards.
        output: The features file.
        seed: Seed of the clips and of random weights.
        settings: The number of clips per video.
        architecture: The network's shape, if its weights are random.
        model: The run's model.pt; None for random weights.
        workers: Processes that load clips for a GPU.

    Raises:
        StageError: A video of the splits is in no frames file, or the network's output is not finite.
    """
    pretrained = read_pretrained(model, architecture)
    use_threads(best_device(), vars(pretrained.architecture), CLIPS_AT_ONCE)
    store, statuses = open_frames(frames)
    video_ids = sorted({row["video_id"] for row in artifacts.read_columns(splits)})
    require_known(video_ids, statuses, splits)
    usable = [video_id for video_id in video_ids if statuses[video_id] == "ok"]
    clips = TestClips(store, usable, pretrained.architecture, settings.clips, seed, workers)
    usable_features = video_features(pretrained.network(outputs=1, seed=seed), clips)
    rows = np.zeros((len(video_ids), usable_features.shape[1]))
    rows[[statuses[video_id] == "ok" for video_id in video_ids]] = usable_features
    parameters = {"clips": settings.clips, "seed": seed, **pretrained.provenance()}
    with artifacts.write_hdf5(
        output, stage="evaluation.features", version=VERSIONS["features"], parameters=parameters
    ) as file:
        artifacts.dataset(file, "video_id", video_ids, meaning="ids of the videos of the splits, sorted")
        artifacts.dataset(file, "status", [statuses[video_id] for video_id in video_ids], meaning="ok, or why not")
        artifacts.dataset(file, "features", rows, meaning="mean over the video's clips; zeros where it has no frames")
    log.info("features of %d of %d videos", len(usable), len(video_ids))


@torch.no_grad()
def video_features(network: ResNet3D, clips: TestClips) -> np.ndarray:
    """The network's output below its head, (n, n_features) float64, averaged over the clips of each video.

    Raises StageError naming a video for which the output is not finite.
    """
    network.eval()
    batches = [torch.zeros(0, network.n_features, dtype=torch.float64)]
    with tqdm(total=len(clips.video_ids), desc="features", unit="video", mininterval=1) as progress:
        for inputs in clips.inputs(CLIPS_AT_ONCE):
            with autocast(clips.architecture.precision, inputs.device):
                clip_features = network.features(inputs)
            values = clip_features.double().unflatten(0, (-1, clips.n_clips)).mean(dim=1)
            batches.append(values.cpu())
            progress.update(len(values))
    rows = torch.cat(batches).numpy()
    for video_id, is_finite in zip(clips.video_ids, np.isfinite(rows).all(axis=1), strict=True):
        if not is_finite:
            raise StageError(f"{video_id}: the network's output is not finite; train the network again")
    return rows


if __name__ == "__main__":
    command_line(features)
