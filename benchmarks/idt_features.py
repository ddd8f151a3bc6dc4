"""What the trajectories of labelled videos are worth: a linear SVM on Fisher vectors and sketches, by kind of feature.

    python -m benchmarks.idt_features FOLDER FILE.csv -o CACHE

The manifest is that of a dataset of layout `manifest`: columns path (below FOLDER), label, group. Each group is left
out in turn and an SVM (C = 100) is trained on the others. The pipeline's own stages index the videos, find people,
track, and fit the codebook (on all videos; it sees no labels). Boxes and trajectories stay in CACHE, so that the next
run starts at the codebook.
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

from idt_tools import columns
from idt_tools.count_sketch import count_sketch, draw_sketch
from workflow_scripts.encoding.fit_codebook import fit, sample_descriptors
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.vectors import l2_normalised
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

SUBSETS = {
    "all": slice(0, len(columns.DESCRIPTORS)),
    "trajectory": columns.TRAJECTORY,
    "HOG": columns.HOG,
    "HOF": columns.HOF,
    "MBH": slice(columns.MBHX.start, columns.MBHY.stop),
}


SKETCHES = 20


@dataclass(frozen=True)
class Features:
    """A row of the table: whose boxes are masked, how many Gaussians, which columns of the descriptors."""

    boxes: str = "none"
    components: int = 64
    subset: str = "all"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-o", "--cache", type=Path, required=True)
    parser.add_argument("--boxes", nargs="+", default=["none", "hog"], help="the first is that of the other rows")
    parser.add_argument("--components", nargs="+", type=int, default=[64, 256], help="likewise")
    parser.add_argument("--subsets", nargs="*", choices=SUBSETS, default=list(SUBSETS)[1:])
    parser.add_argument("--descriptors", type=int, default=1000, help="sampled of each video (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    boxes, k = chosen.boxes[0], chosen.components[0]
    rows = [Features(b, k) for b in chosen.boxes] + [Features(boxes, k, name) for name in chosen.subsets]
    rows += [Features(b, c) for c in chosen.components[1:] for b in chosen.boxes]
    files = {
        b: track(chosen.folder.resolve(), chosen.manifest.resolve(), chosen.cache, b, chosen.threads)
        for b in chosen.boxes
    }
    print(f"{'':35}{'Fisher vector':26}{'sketch':26}{SKETCHES} other sketches")
    print(f"{'boxes':12}{'K':>4}  {'columns':12}axes {'mean   each seed':26}{'mean   each seed':26}mean   each seed")
    for row in rows:
        found = []
        for seed in range(chosen.seeds):
            settings = EncodingSettings(components=row.components, sample_descriptors=chosen.descriptors, seed=seed)
            found.append(accuracy(files[row.boxes], SUBSETS[row.subset], settings, chosen.threads))
        print(f"{row.boxes:12}{row.components:4}  {row.subset:12}{found[0].axes:4} ", end="")
        for name in ("fisher", "sketch", "sketches"):
            shares = [100 * getattr(of_seed, name) for of_seed in found]
            print(f"{np.mean(shares):4.1f}   {' '.join(f'{share:.1f}' for share in shares):19}", end="", flush=True)
        print()


def track(folder: Path, manifest: Path, cache: Path, boxes: str, threads: int = 1) -> Path:
    """The trajectories file of the manifest's videos; computed are those alone that `cache` lacks.

    `boxes`: none, hog or detectron2. The index and the splits lie beside it, in videos/.
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
    """Shares of videos recognised by their Fisher vectors and by their sketches, under one codebook."""

    axes: int  # that the PCA keeps
    fisher: float
    sketch: float
    sketches: float  # mean over `SKETCHES` other draws of the sketch, which tells luck from worth


def accuracy(trajectories: Path, subset: slice, settings: EncodingSettings, threads: int = 1) -> Accuracy:
    """Fits a codebook to columns `subset` of the descriptors, and recognises the videos.

    `trajectories`: the file that `track` made, beside its videos/splits.tsv. Videos without trajectories count as not
    recognised.
    """
    splits = read_columns(trajectories.parent / "videos" / "splits.tsv")
    video_ids = sorted({row["video_id"] for row in splits})
    drawn = sample_descriptors(video_ids, [trajectories], settings)  # of those that have trajectories
    codebook, _ = fit([rows[:, subset] for rows in drawn.values()], settings, threads)
    with read_hdf5(trajectories) as file, threadpool_limits(threads):
        fisher = {video_id: codebook.fisher(file[video_id]["descriptors"][:, subset]) for video_id in drawn}

    def sketched(places: NDArray[np.int32], signs: NDArray[np.int8]) -> float:
        sketches = {name: count_sketch(vector, places, signs, settings.sketch_dim) for name, vector in fisher.items()}
        return recognised(sketches, splits)

    n = len(codebook.sketch_hash)
    others = [draw_sketch(n, settings.sketch_dim, np.random.default_rng((settings.seed, i))) for i in range(SKETCHES)]
    return Accuracy(
        len(codebook.pca_components),
        recognised(fisher, splits),
        sketched(codebook.sketch_hash, codebook.sketch_sign),
        float(np.mean([sketched(*drawn) for drawn in others])),
    )


def recognised(vectors: dict[str, NDArray[np.floating]], splits: list[dict[str, str]]) -> float:
    """Share of the test videos of all splits whose label a linear SVM tells from the vectors (n,), at unit length."""
    right = n = 0
    for number in {row["split"] for row in splits}:
        parts = [[row for row in splits if (row["split"], row["part"]) == (number, part)] for part in ("train", "test")]
        n += len(parts[1])
        known = [[row for row in part if row["video_id"] in vectors] for part in parts]
        (train, labels), (test, truth) = (
            (np.stack([vectors[row["video_id"]] for row in part]), np.array([row["label"] for row in part]))
            for part in known
        )
        train, test = (l2_normalised(rows) for rows in (train, test))
        machine = LinearSVC(C=EvaluationSettings().svm_c, random_state=0, max_iter=10_000).fit(train, labels)
        right += int(np.sum(machine.predict(test) == truth))
    return right / n


if __name__ == "__main__":
    main()
