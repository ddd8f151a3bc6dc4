"""What features recognise without any training: appearance, optical flow, each channel of IDT, a random network.

    python -m benchmarks.training_free results     # the results of a run with trajectories, where snakemake ran

A row of the table is one description of the videos. Its columns have the accuracy of nearest neighbours and of a linear
SVM over the test videos of all splits, in percent with 95 % intervals by recordings, and the agreement (NMI) of its
K-means clusters with the class and with the place (the scene, or else the recording). So the table shows what a dataset
rewards. The random network is the run `scratch`, if the run has its features.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.svm import LinearSVC
from tqdm import tqdm

import idt_tools
from workflow_scripts import open_results
from workflow_scripts.encoding.encode_shard import encode_video, stored_descriptors
from workflow_scripts.encoding.fit_codebook import fit, sample_descriptors
from workflow_scripts.encoding.settings import CHANNELS, EncodingSettings
from workflow_scripts.evaluation.knn import weighted_vote
from workflow_scripts.evaluation.metrics import accuracy_interval
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.ground.vectors import l2_normalised, nearest_rows
from workflow_scripts.report.page.inputs import read_videos
from workflow_scripts.results import Results

Floats = NDArray[np.float32] | NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder `results` of a run")
    parser.add_argument("--dataset", default="", help="default: the dataset that the networks are trained on")
    arguments = parser.parse_args()
    results = open_results(arguments.results)
    print("| features | nearest neighbours | linear SVM | NMI with class | NMI with place |\n|---|---|---|---|---|")
    for name, vectors in all_features(results, arguments.dataset).items():
        print(f"| {name} | {' | '.join(evaluate(vectors, results, arguments.dataset))} |", flush=True)


def all_features(results: Results, dataset: str = "") -> dict[str, pd.DataFrame]:
    """Each description of the videos: its name, and a table with a row per video and a column per number."""
    index = results.index(dataset)
    readable = index[index["status"] == "ok"]
    tables = _of_frames(readable)
    for channels in [(name,) for name in CHANNELS] + [CHANNELS]:
        name = channels[0] if len(channels) == 1 else "all channels"
        tables[f"IDT: {name}"] = _idt(results, dataset, channels)
    if (results.folder / "evaluation" / "scratch").exists():
        tables["random network"] = results.features("scratch", dataset=dataset)
    return tables


def color_histogram(frames: NDArray[np.uint8], bins: int = 8) -> Floats:
    """The square roots (bins^3,) of the shares of the colors in frames (T, H, W, 3)."""
    counts = np.histogramdd(frames.reshape(-1, 3), bins, [(0, 256)] * 3)[0]
    return np.sqrt(counts.ravel() / counts.sum())


def mean_frame(frames: NDArray[np.uint8], side: int = 16) -> Floats:
    """The mean of the frames (T, H, W, 3), reduced to side x side pixels, minus its mean: (side * side * 3,)."""
    small = cv2.resize(frames.mean(axis=0), (side, side), interpolation=cv2.INTER_AREA)
    return (small - small.mean()).ravel()


def flow_histogram(frames: NDArray[np.uint8], bins: int = 8) -> Floats:
    """The square roots (bins,) of the lengths of Farneback's optical flow of frames (T, H, W, 3), by direction."""
    total = np.zeros(bins)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    for before, after in pairwise(grey):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
        speed, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
        total += np.histogram(angle, bins, (0, 2 * np.pi), weights=speed)[0]
    return np.sqrt(total)


OF_FRAMES = {"color histogram": color_histogram, "mean frame": mean_frame, "flow histogram": flow_histogram}


def _of_frames(index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of OF_FRAMES, from frames of at most 160 pixels. Each video is decoded once."""
    rows: dict[str, dict[str, Floats]] = {name: {} for name in OF_FRAMES}
    for video in tqdm(index.itertuples(), "frames", total=len(index), unit="video"):
        scale = min(1.0, 160 / max(video.width, video.height))
        size = round(video.width * scale), round(video.height * scale)
        frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in idt_tools.read_video(video.path)]
        for name, describe in OF_FRAMES.items():
            rows[name][video.Index] = describe(np.stack(frames))
    return {name: pd.DataFrame.from_dict(of_videos, orient="index") for name, of_videos in rows.items()}


def _idt(results: Results, dataset: str, channels: tuple[str, ...]) -> pd.DataFrame:
    """The sketches of some channels, with a codebook of the config's size. Videos without trajectories are left out."""
    index = results.index(dataset)
    config = results.config["encoding"]
    settings = EncodingSettings(
        components=config["components"], sample_descriptors=config["sample_descriptors"], channels=channels
    )
    trajectories = results.trajectories(dataset)
    files = sorted({video.descriptors.path for video in trajectories.values()})
    sample = sample_descriptors(sorted(index.index[index["status"] == "ok"]), files, settings)
    codebook, _ = fit(list(sample.values()), settings)
    rows = {
        video_id: encode_video(stored_descriptors(trajectories[video_id].descriptors.path, video_id), codebook)
        for video_id in sample
    }
    return pd.DataFrame.from_dict({key: row.arrays["sketch"] for key, row in rows.items()}, orient="index")


def evaluate(vectors: pd.DataFrame, results: Results, dataset: str = "") -> list[str]:
    """The cells of a row of the table. Test videos without a vector count as errors."""
    settings = EvaluationSettings()
    unit = pd.DataFrame(l2_normalised(vectors.to_numpy(np.float64)), vectors.index)
    right: dict[str, list[NDArray[np.bool_]]] = {"knn": [], "svm": []}
    recordings = []
    splits = results.splits(dataset)
    for _, split in splits.groupby("split"):
        train, test = (split[split["part"] == part] for part in ("train", "test"))
        train = train[train.index.isin(unit.index)]
        classes, labels = pd.factorize(train["label"])
        rows = unit.loc[train.index].to_numpy()
        queries = unit.reindex(test.index).fillna(0).to_numpy()
        nearest, cosines = nearest_rows(queries, rows, settings.knn_neighbours)
        voted = labels[weighted_vote(classes[nearest], cosines, settings.knn_temperature)]
        svm = LinearSVC(C=settings.svm_c, random_state=0, max_iter=10_000).fit(rows, train["label"])
        missing = ~test.index.isin(unit.index)
        for protocol, predicted in (("knn", voted), ("svm", svm.predict(queries))):
            right[protocol].append((predicted == test["label"]) & ~missing)
        recordings.append(test["group"].where(test["group"].fillna("") != "", test.index))
    groups = pd.factorize(pd.concat(recordings))[0]
    cells = []
    for protocol in ("knn", "svm"):
        correct = np.concatenate(right[protocol])
        low, high = accuracy_interval(correct, groups)
        cells.append(f"{100 * correct.mean():.1f} ({100 * low:.0f} to {100 * high:.0f})")
    return cells + _agreements(unit, results, dataset)


def _agreements(unit: pd.DataFrame, results: Results, dataset: str) -> list[str]:
    """NMI of K-means clusters, as many as the config's K, with the class and with the place."""
    name = dataset or results.config["pretraining"]["dataset"]
    layouts = {name: results.config["datasets"][name]["layout"]}
    videos = (
        read_videos([results.folder / name / "videos" / "index.tsv"], layouts).set_index("video_id").loc[unit.index]
    )
    clusters = KMeans(results.config["clusters"]["k"], n_init=3, random_state=0).fit_predict(unit)
    return [f"{normalized_mutual_info_score(videos[truth], clusters):.2f}" for truth in ("label", "place")]


if __name__ == "__main__":
    main()
