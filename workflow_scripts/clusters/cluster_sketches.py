"""Stage: clusters the sketches of the videos, several times (paper 3.3, 4.2: K-means, K = 6000, m = 3).

Inputs: encoding/{descriptors}/{shard}.h5 of all shards, and a table whose column video_id lists the videos. Output:
clusters/{descriptors}/{subset}/{method}_k{K}_m{m}_s{seed}.h5 with video_id (N,) sorted, labels (m, N) int32, centroids
(m, K, 2000) float32, objective (m, iterations) float64, seeds (m,).
"""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.clusters.cluster import Clustering, cluster, settings_per_run
from workflow_scripts.clusters.settings import VERSIONS, ClustersSettings, check_k
from workflow_scripts.ground.artifacts import dataset, read_columns, read_hdf5, write_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, command_line

log = logging.getLogger(__name__)


def read_sketches(encodings: list[Path], video_ids: list[str]) -> NDArray[np.float32]:
    """The sketches (N, 2000) of the videos, in the order of `video_ids`.

    Raises StageError with the ids if a video is in none of the files or has no usable sketch.
    """
    row_of = {video_id: row for row, video_id in enumerate(video_ids)}
    sketches: NDArray[np.float32] | None = None
    unusable = dict.fromkeys(video_ids, "not in the encoding files")
    for path in encodings:
        with read_hdf5(path) as shard:
            if sketches is None:
                sketches = np.zeros((len(video_ids), shard["sketch"].shape[1]), np.float32)
            columns = shard["video_id"].asstr()[:], shard["status"].asstr()[:], shard["sketch"][:]
            for video_id, status, sketch in zip(*columns, strict=True):
                if video_id not in row_of:
                    continue
                if status == "ok":
                    sketches[row_of[video_id]] = sketch
                    del unusable[video_id]
                else:
                    unusable[video_id] = status
    if unusable:
        examples = ", ".join(f"{video_id} ({reason})" for video_id, reason in list(unusable.items())[:5])
        raise StageError(
            f"{len(unusable)} of {len(video_ids)} videos to cluster have no sketch: {examples}"
            f"{' ...' if len(unusable) > 5 else ''}; encode them, or remove them from the table of videos"
        )
    if sketches is None or not len(sketches):
        raise StageError(
            "there is no video to cluster, because the table of videos or the list of encodings is empty; add videos"
        )
    return sketches


def read_labels(path: Path) -> tuple[list[str], NDArray[np.int32]]:
    """The video ids (N,), sorted, and the labels (m, N) of a clusters file."""
    with read_hdf5(path) as file:
        return list(file["video_id"].asstr()[:]), file["labels"][:]


def write_clusters(file: h5py.File, video_ids: list[str], runs: list[Clustering], seeds: list[int]) -> None:
    """Writes m clusterings of the same N videos to an open file, as the docstring of this module describes."""
    labels = np.stack([run.labels for run in runs])
    centroids = np.stack([run.centroids for run in runs])
    objective = np.stack([run.objective for run in runs])
    dataset(file, "video_id", video_ids, meaning="ids of the clustered videos, sorted")
    dataset(file, "labels", labels, meaning="cluster of each video (columns) in each run (rows)")
    dataset(file, "centroids", centroids, meaning="mean of each cluster's videos, per run")
    dataset(file, "objective", objective, meaning="what the method minimises (kmeans: squared distances), by iteration")
    dataset(file, "seeds", seeds, meaning="seed of each run's start")


def cluster_sketches(
    encodings: list[Path], videos: Path, output: Path, settings: ClustersSettings, threads: int = 1
) -> None:
    """Clusters the sketches of the videos, `settings.m` times with different seeds.

    Args:
        encodings: Shards, in any order.
        videos: Table whose column video_id lists the videos.
        output: The clusters file.
        settings: The method and its parameters.
        threads: Number of clusterings at a time. Each uses one core, so the result does not depend on it.

    Raises:
        StageError: A video has no usable sketch, or there are too many clusters for the videos.
    """
    video_ids = sorted(row["video_id"] for row in read_columns(videos))
    sketches = read_sketches(encodings, video_ids)
    check_k(settings.k, len(video_ids))
    run_settings = settings_per_run(settings)
    with ThreadPoolExecutor(threads, initializer=_use_one_core) as pool:
        runs = list(pool.map(lambda run: cluster(sketches, run), run_settings))
    for run, result in zip(run_settings, runs, strict=True):
        log.info(
            "%s, seed %d: %d videos, %d of %d clusters used, objective %.4f to %.4f",
            settings.method,
            run.seed,
            len(video_ids),
            len(np.unique(result.labels)),
            len(result.centroids),
            result.objective[0],
            result.objective[-1],
        )
    content = digest(video_ids, hashlib.blake2b(sketches.data.cast("B"), digest_size=8).hexdigest())
    with write_hdf5(
        output,
        stage="clusters.cluster_sketches",
        version=VERSIONS["cluster_sketches"],
        parameters=vars(settings),
        sketches=content,
    ) as file:
        write_clusters(file, video_ids, runs, [run.seed for run in run_settings])


def _use_one_core() -> None:
    """Limits torch and faiss in the calling thread to one core."""
    torch.set_num_threads(1)
    try:
        import faiss
    except ImportError:
        return
    faiss.omp_set_num_threads(1)


if __name__ == "__main__":
    command_line(cluster_sketches)
