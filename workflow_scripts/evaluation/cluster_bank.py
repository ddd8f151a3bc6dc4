"""Stage: cluster the videos in the space of a trained network, for comparison with the IDT space (paper 4.5).

The stage clusters the memory bank at the end of the training, several times. A supervised run has no memory bank: the
stage clusters the L2-normalised features of its training videos, computed from one clip per video.

Inputs: model.pt; frames shards where there is no bank. Output: a clusters file (see `clusters.cluster_sketches`).
"""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from workflow_scripts.clusters.cluster import cluster, settings_per_run
from workflow_scripts.clusters.cluster_sketches import write_clusters
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.evaluation.features import CLIPS_AT_ONCE, video_features
from workflow_scripts.evaluation.network import TestClips, read_pretrained
from workflow_scripts.evaluation.settings import VERSIONS, Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import write_hdf5
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.vectors import l2_normalised
from workflow_scripts.pretraining.threads import use_threads

log = logging.getLogger(__name__)


def cluster_bank(
    model: Path, output: Path, settings: ClustersSettings, frames: list[Path] | None = None, workers: int = 0
) -> None:
    """Clusters the embeddings (N, d) of the videos that `model` was trained on, `settings.m` times.

    If K is larger than the number of videos, each video is a cluster, because an error after the training would be too
    late.

    Args:
        model: The run's model.pt.
        output: The clusters file.
        settings: The method, the number of clusters and of clusterings.
        frames: Frames of the training videos, for a model without a memory bank.
        workers: Processes that load clips for a GPU; 0 for none.

    Raises:
        StageError: The file is not a model, or frames are missing.
    """
    pretrained = read_pretrained(model, Architecture())
    video_ids = pretrained.video_ids
    if pretrained.bank is not None:
        embeddings = pretrained.bank.float().numpy()
    else:
        store = FrameStore(frames or [])
        store.require(video_ids)
        use_threads(best_device(), vars(pretrained.architecture), CLIPS_AT_ONCE)
        clips = TestClips(store, video_ids, pretrained.architecture, 1, settings.seed, workers)
        embeddings = l2_normalised(video_features(pretrained.network(outputs=1, seed=0), clips)).astype(np.float32)
    order = np.argsort(video_ids)
    embeddings, video_ids = embeddings[order], sorted(video_ids)
    run_settings = settings_per_run(settings)
    runs = [cluster(embeddings, one_run, best_device()) for one_run in run_settings]
    embeddings_digest = digest(video_ids, embeddings.sum(axis=1, dtype=np.float64).tolist())
    parameters = dataclasses.asdict(settings)
    with write_hdf5(
        output,
        stage="evaluation.cluster_bank",
        version=VERSIONS["cluster_bank"],
        parameters=parameters,
        embeddings=embeddings_digest,
    ) as file:
        write_clusters(file, video_ids, runs, [one_run.seed for one_run in run_settings])
    log.info("%s: %d videos, %d clusters, %d runs", model, len(video_ids), len(runs[0].centroids), len(runs))


if __name__ == "__main__":
    command_line(cluster_bank)
