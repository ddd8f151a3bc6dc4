"""Accuracy of a linear SVM on Fisher vectors and sketches of trajectories, by kind of feature.

    python -m benchmarks.idt_features FOLDER FILE.csv -o CACHE

The manifest is that of a dataset of layout `manifest`: columns path (below FOLDER), label, group. An SVM (C = 100)
is trained on all groups but one, for each group in turn. The stages of the pipeline index the videos, detect people,
track, and fit the codebook on all videos, without labels. Boxes and trajectories are stored in CACHE, so that the next
run starts with the codebook.
"""

import argparse
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from idt_tools.count_sketch import count_sketch, draw_sketch
from workflow_scripts.encoding.fit_codebook import fit, sample_descriptors
from workflow_scripts.encoding.settings import CHANNELS, EncodingSettings
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.vectors import l2_normalised
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

SKETCHES = 20


@dataclass(frozen=True)
class Features:
    """A row of the table."""

    boxes: str = "none"  # the detector whose boxes are masked
    components: int = 64  # Gaussians
    channels: tuple[str, ...] = CHANNELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-o", "--cache", type=Path, required=True)
    parser.add_argument("--boxes", nargs="+", default=["none", "hog"], help="the first is used in the other rows")
    parser.add_argument(
        "--components", nargs="+", type=int, default=[64, 256], help="the first is used in the other rows"
    )
    parser.add_argument("--channels", nargs="*", choices=CHANNELS, default=CHANNELS, help="the rows of one channel")
    parser.add_argument("--descriptors", type=int, default=1000, help="per video (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    boxes, k = arguments.boxes[0], arguments.components[0]
    rows = [Features(b, k) for b in arguments.boxes] + [Features(boxes, k, (name,)) for name in arguments.channels]
    rows += [Features(b, c) for c in arguments.components[1:] for b in arguments.boxes]
    files = {
        b: track(arguments.folder.resolve(), arguments.manifest.resolve(), arguments.cache, b, arguments.threads)
        for b in arguments.boxes
    }
    print(f"{'':35}{'Fisher vector':26}{'sketch':26}{SKETCHES} other sketches")
    print(f"{'boxes':12}{'K':>4}  {'channels':12}axes {'mean   each seed':26}{'mean   each seed':26}mean   each seed")
    for row in rows:
        accuracies = []
        for seed in range(arguments.seeds):
            settings = EncodingSettings(
                components=row.components,
                sample_descriptors=arguments.descriptors,
                channels=row.channels,
                seed=seed,
            )
            accuracies.append(accuracy(files[row.boxes], settings, arguments.threads))
        channels = "all" if row.channels == CHANNELS else row.channels[0]
        print(f"{row.boxes:12}{row.components:4}  {channels:12}{accuracies[0].axes:4} ", end="")
        for name in ("fisher", "sketch", "sketches"):
            percents = [100 * getattr(accuracy_of_seed, name) for accuracy_of_seed in accuracies]
            print(f"{np.mean(percents):4.1f}   {' '.join(f'{p:.1f}' for p in percents):19}", end="", flush=True)
        print()


def track(folder: Path, manifest: Path, cache: Path, boxes: str, threads: int = 1) -> Path:
    """Tracks the videos that `cache` lacks.

    Args:
        folder: Folder of the videos.
        manifest: List of the videos.
        cache: Folder of all results; videos/ has the index and the splits.
        boxes: none, hog or detectron2.
        threads: Videos at a time.

    Returns:
        The trajectories file.
    """
    settings = DatasetSettings("manifest", str(folder), str(manifest), splits="leave_one_group_out", shards=1)
    index_videos("benchmark", cache / "videos" / "index.tsv", settings, threads=threads)
    (videos,) = (cache / "videos" / "shards").glob("*.tsv")
    persons = None
    if boxes != "none":
        persons = cache / f"persons_{boxes}.h5"
        detect_persons(videos, persons, cache / ".store" / boxes, boxes, PersonsSettings(), threads=threads)
    trajectories = cache / f"trajectories_{boxes}.h5"
    store = cache / ".store" / f"trajectories_{boxes}"
    extract_shard(videos, trajectories, store, TrajectoriesSettings(), boxes=persons, threads=threads)
    return trajectories


@dataclass(frozen=True)
class Accuracy:
    """Accuracies (0..1) by Fisher vectors and by sketches with one codebook."""

    axes: int  # principal axes
    fisher: float
    sketch: float
    sketches: float  # mean over `SKETCHES` other draws of the sketch


def accuracy(trajectories: Path, settings: EncodingSettings, threads: int = 1) -> Accuracy:
    """Fits a codebook and classifies the videos. Videos without trajectories count as errors.

    Args:
        trajectories: The file from `track`, beside videos/splits.tsv.
        settings: Settings of the codebook.
        threads: Threads of the fit.
    """
    splits = read_columns(trajectories.parent / "videos" / "splits.tsv")
    video_ids = sorted({row["video_id"] for row in splits})
    sample = sample_descriptors(video_ids, [trajectories], settings)  # of the videos with trajectories
    codebook, _ = fit(list(sample.values()), settings, threads)
    with read_hdf5(trajectories) as file, threadpool_limits(threads):
        fisher = {video_id: codebook.fisher(file[video_id]["descriptors"][:]) for video_id in sample}

    def sketch_accuracy(places: NDArray[np.int32], signs: NDArray[np.int8]) -> float:
        sketches = {name: count_sketch(vector, places, signs, settings.sketch_dim) for name, vector in fisher.items()}
        return svm_accuracy(sketches, splits)

    n = len(codebook.sketch_hash)
    others = [draw_sketch(n, settings.sketch_dim, np.random.default_rng((settings.seed, i))) for i in range(SKETCHES)]
    return Accuracy(
        len(codebook.pca_components),
        svm_accuracy(fisher, splits),
        sketch_accuracy(codebook.sketch_hash, codebook.sketch_sign),
        float(np.mean([sketch_accuracy(*sketch) for sketch in others])),
    )


def svm_accuracy(vectors: dict[str, NDArray[np.floating]], splits: list[dict[str, str]]) -> float:
    """The accuracy (0..1) of a linear SVM on the normalised vectors (n,), over the test videos of all splits."""
    correct = n = 0
    for number in {row["split"] for row in splits}:
        parts = [[row for row in splits if (row["split"], row["part"]) == (number, part)] for part in ("train", "test")]
        n += len(parts[1])
        known = [[row for row in part if row["video_id"] in vectors] for part in parts]
        (train, labels), (test, truth) = (
            (np.stack([vectors[row["video_id"]] for row in part]), np.array([row["label"] for row in part]))
            for part in known
        )
        train, test = (l2_normalised(rows) for rows in (train, test))
        svm = LinearSVC(C=EvaluationSettings().svm_c, random_state=0, max_iter=10_000).fit(train, labels)
        correct += int(np.sum(svm.predict(test) == truth))
    return correct / n


if __name__ == "__main__":
    main()
