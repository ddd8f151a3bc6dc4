"""Clusters of several clusterings side by side, as moving thumbnails (paper 4.5).

A thumbnail is a strip of frames that CSS plays. The page holds the strip of each video once, as a CSS class. A hash of
the ids chooses the videos of a cluster that are shown. So the choice is not biased, and a video that one clustering
shows is likely to be shown in the others too.
"""

import base64
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from workflow_scripts.ground.artifacts import read_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.methods import IDT_KIND, PRIOR, Method
from workflow_scripts.report.page.inputs import Clustering
from workflow_scripts.report.settings import ReportSettings

_WEBP_LIMIT = 16383  # pixels of a side
_PADDING = 38  # gray level (0..255) beside a frame that is not 4:3


@dataclass(frozen=True)
class Majority:
    """The most frequent value of a label in a cluster: `count` of the `known` videos that have one."""

    value: str
    count: int
    known: int


@dataclass(frozen=True)
class Cluster:
    """One cluster: its number, its most frequent labels, and the ids of its videos in the order of display."""

    number: int
    motion: Majority | None
    place: Majority | None
    video_ids: list[str]

    @property
    def size(self) -> int:
        """The number of its videos."""
        return len(self.video_ids)


@dataclass(frozen=True)
class Column:
    """One clustering with all its clusters, in the order in which they are shown."""

    title: str
    name: str
    note: str
    clustering: Clustering
    clusters: list[Cluster]


@dataclass(frozen=True)
class Strip:
    """The frames of a loop side by side, as the data URI of a WebP image, and how many seconds they last."""

    uri: str
    seconds: float


_NOTES = {
    "idt": "The embedding of a network that was trained with the prior.",
    "joint": "The embedding of a network that was tuned in the joint space.",
}


def _note(method: Method) -> str:
    """A sentence on what was clustered."""
    if method.kind == IDT_KIND:
        return "The encoded trajectories: the prior itself."
    return _NOTES.get(method.clusters, "The embedding of a network that was trained without a prior.")


def choose_clusterings(
    clusterings: list[Clustering], methods: list[Method], descriptors: list[str], limit: int
) -> list[tuple[Method, Clustering]]:
    """The clusterings to compare, one of each kind.

    Args:
        clusterings: Clusterings of runs and of IDT.
        methods: The first run of each kind in this order is taken.
        descriptors: The names of the descriptors in the config, of which the first with a clustering is taken.
        limit: The most clusterings.

    Returns:
        A network without the prior (LA before IR), IDT, networks with the prior, then others.
    """
    method_of = {method.run: method for method in methods}
    pairs = [
        (method, clustering)
        for clustering in clusterings
        if (method := method_of.get(clustering.run) if clustering.run else Method(clustering.descriptors, *IDT_KIND))
        and (method.learned or method.kind == IDT_KIND)
    ]
    without_prior = [method for method, _ in pairs if method.learned and method.clusters not in PRIOR]
    first_kind = next((method.kind for method in without_prior if method.clusters), None)
    first_kind = first_kind or next((method.kind for method in without_prior), None)

    def place(method: Method) -> tuple[int, int, str]:
        names = descriptors if method.kind == IDT_KIND else list(method_of)
        by_kind = {first_kind: 0, IDT_KIND: 1}
        rank = by_kind.get(method.kind, 2 + PRIOR.index(method.clusters) if method.clusters in PRIOR else 9)
        return rank, names.index(method.run) if method.run in names else len(names), method.run

    pairs.sort(key=lambda pair: (place(pair[0]), pair[1].variant))
    first_of_kind: dict[Any, tuple[Method, Clustering]] = {}
    for pair in pairs:
        first_of_kind.setdefault(pair[0].kind, pair)
    return list(first_of_kind.values())[:limit]


def _majority(labels: list[str]) -> Majority | None:
    known = Counter(label for label in labels if label)
    if not known:
        return None
    value, count = min(known.items(), key=lambda entry: (-entry[1], entry[0]))
    return Majority(value, count, known.total())


def clusters_of(clustering: Clustering, labels_of: pd.DataFrame, order: str) -> list[Cluster]:
    """The clusters of the first of the m clusterings.

    Args:
        clustering: The clustering.
        labels_of: `label` and `place` by video_id.
        order: size (largest first) or purity (purest first).

    Returns:
        The clusters in this order.
    """
    labels = clustering.labels[0]
    clusters = []
    for number in np.unique(labels):
        members = [clustering.video_ids[i] for i in np.flatnonzero(labels == number)]
        known = labels_of.reindex(members).fillna("")
        motion, place = _majority(list(known["label"])), _majority(list(known["place"]))
        members.sort(key=lambda video_id: digest("gallery", video_id))
        clusters.append(Cluster(int(number), motion, place, members))

    def purity(cluster: Cluster) -> float:
        return cluster.motion.count / cluster.motion.known if cluster.motion and cluster.size > 1 else 0.0

    first = (lambda c: -purity(c)) if order == "purity" else (lambda c: 0.0)
    return sorted(clusters, key=lambda cluster: (first(cluster), -cluster.size, cluster.number))


def check_settings(settings: ReportSettings) -> None:
    """Raises StageError, which names the key, if no gallery can be drawn with these settings."""
    if settings.gallery_order not in ("size", "purity"):
        raise StageError(f"report.gallery_order is {settings.gallery_order!r}; write size or purity")
    if settings.thumbnail_frames < 1 or settings.thumbnail_frames * settings.thumbnail_width > _WEBP_LIMIT:
        raise StageError("report.thumbnail_frames times thumbnail_width must be within 1..16383 pixels; lower one")


def gallery_columns(
    clusterings: list[Clustering],
    videos: pd.DataFrame,
    methods: list[Method],
    descriptors: list[str],
    settings: ReportSettings,
) -> list[Column]:
    """The clusterings to show, with all their clusters.

    Args:
        clusterings: Clusterings of runs and of IDT.
        videos: The table of `read_videos`.
        methods: The methods of the first comparison.
        descriptors: The names of the descriptors, in the order of the config.
        settings: Settings that `check_settings` accepts.
    """
    labels_of = videos.drop_duplicates("video_id", keep="last").set_index("video_id")[["label", "place"]]
    return [
        Column(
            title=method.title if clustering.run else "IDT",
            name=method.run,
            note=_note(method),
            clustering=clustering,
            clusters=clusters_of(clustering, labels_of, settings.gallery_order),
        )
        for method, clustering in choose_clusterings(clusterings, methods, descriptors, settings.gallery_clusterings)
    ]


def videos_on_page(columns: list[Column], settings: ReportSettings) -> list[str]:
    """Sorted ids of the videos on the page: those of the gallery, and up to about `explorer_videos`.

    Those are the first videos of each column's first clusters and, while there is room, others by a hash of their ids.
    """
    chosen: set[str] = set()
    for rank, clusters in enumerate(zip_longest(*(column.clusters for column in columns))):
        if rank >= settings.gallery_clusters and len(chosen) >= settings.explorer_videos:
            break
        for cluster in filter(None, clusters):
            chosen.update(cluster.video_ids[: settings.gallery_videos])
    others = {video_id for column in columns for video_id in column.clustering.video_ids} - chosen
    n_free = max(0, settings.explorer_videos - len(chosen))
    return sorted(chosen.union(sorted(others, key=lambda video_id: digest("gallery", video_id))[:n_free]))


def draw_strips(video_ids: list[str], frames: list[Path], settings: ReportSettings) -> dict[str, Strip]:
    """The strips of videos.

    Args:
        video_ids: The videos.
        frames: Shards of the frames stage.
        settings: Size, length and quality of the strips.

    Returns:
        A strip for each video that has frames, by video_id.
    """
    strips: dict[str, Strip] = {}
    for path in tqdm(frames, desc="thumbnails", unit="shard", disable=len(frames) < 10):
        with read_hdf5(path) as file:
            for video_id in sorted(set(video_ids).intersection(file) - set(strips)):
                if len(file[video_id]["offsets"]) > 1:
                    image, seconds = draw_strip(file[video_id], settings)
                    strips[video_id] = Strip(data_uri(image, settings.thumbnail_quality), seconds)
    return dict(sorted(strips.items()))


def draw_strip(group: h5py.Group, settings: ReportSettings) -> tuple[np.ndarray, float]:
    """Frames of one video side by side, (h, n * w, 3) uint8 BGR, from the middle of the video, and their seconds.

    group: of a frames shard, with `jpeg` (bytes, uint8), `offsets` (T + 1) and the attribute `fps`. A video shorter
    than the loop is shown whole; a frame that is not 4:3 is padded with dark gray.
    """
    offsets = group["offsets"][:]
    length = len(offsets) - 1
    fps = float(group.attrs.get("fps", 0)) or 25.0
    span = min(length, max(1, round(settings.thumbnail_seconds * fps)))
    start = (length - span) // 2
    chosen = start + (np.arange(settings.thumbnail_frames) * span) // settings.thumbnail_frames
    width, height = settings.thumbnail_width, round(settings.thumbnail_width * 3 / 4)
    canvas = np.full((height, settings.thumbnail_frames * width, 3), _PADDING, np.uint8)
    for position, t in enumerate(chosen):
        frame = cv2.imdecode(group["jpeg"][offsets[t] : offsets[t + 1]], cv2.IMREAD_COLOR)
        if frame is None:
            raise StageError(
                f"{group.file.filename}: frame {t} of {group.name} is not a JPEG; delete the file and run again"
            )
        scale = min(width / frame.shape[1], height / frame.shape[0])
        w, h = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
        small = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
        y, x = (height - h) // 2, position * width + (width - w) // 2
        canvas[y : y + h, x : x + w] = small
    return canvas, span / fps


def data_uri(image: np.ndarray, quality: int) -> str:
    """The BGR image as WebP in a URI. Raises StageError if OpenCV cannot write WebP."""
    success, encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not success:
        raise StageError("this OpenCV cannot write WebP; install opencv-python-headless as constraints.txt says")
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode()
