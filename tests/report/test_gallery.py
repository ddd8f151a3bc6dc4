"""The gallery: its clusterings, clusters, videos and thumbnails."""

from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from workflow_scripts.report.methods import IDT_KIND, Method
from workflow_scripts.report.page.gallery import choose_clusterings, draw_strip, gallery_columns
from workflow_scripts.report.page.inputs import Clustering
from workflow_scripts.report.settings import ReportSettings

CLUSTERS = {"la": "network", "la_idt": "idt", "tuned": "joint"}
METHODS = [
    Method("ir", "instance"),
    *(Method(run, "local_aggregation", clusters) for run, clusters in CLUSTERS.items()),
]


def clustering(run: str, labels: list[int], descriptors: str = "") -> Clustering:
    return Clustering(run, descriptors, "seed0", [f"video{i}" for i in range(len(labels))], np.array([labels]))


def videos_with(labels: list[str], places: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"video_id": [f"video{i}" for i in range(len(labels))], "label": labels, "place": places})


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        (["tuned", "la_idt", "", "ir", "la"], ["la", "idt", "la_idt"]),
        (["ir", "la_idt", ""], ["ir", "idt", "la_idt"]),
        (["la"], ["la"]),
        ([], []),
    ],
)
def test_choose_clusterings_network_idt_prior(runs: list[str], shown: list[str]) -> None:
    clusterings = [clustering(run, [0], "" if run else "idt") for run in runs]
    assert [method.run for method, _ in choose_clusterings(clusterings, METHODS, [], 3)] == shown


def test_choose_clusterings_in_config_order() -> None:
    # A run and descriptors may share a name: the run `idt` always exists.
    methods = [Method(run, "local_aggregation", "network") for run in ("zoo", "la")] + [Method("idt", *IDT_KIND)]
    clusterings = [clustering("la", [0]), clustering("zoo", [0])]
    clusterings += [clustering("", [0], descriptors) for descriptors in ("b", "idt", "a")]
    for descriptors in (["idt", "a", "b"], ["b", "idt", "a"]):
        chosen = choose_clusterings(clusterings, methods, descriptors, 3)
        assert [(one.run, one.descriptors) for _, one in chosen] == [("zoo", ""), ("", descriptors[0])]


def test_gallery_columns_by_size_and_purity() -> None:
    videos = videos_with(["walk" if i in (0, 1, 2, 3, 4, 7, 8) else "wave" for i in range(9)], ["city"] * 8 + ["beach"])
    # Cluster 0: 4 of one motion and 2 others; cluster 1: 2 of one motion; cluster 2: a single video.
    labels = [0, 0, 0, 0, 2, 0, 0, 1, 1]
    for order, expected in (("size", [0, 1, 2]), ("purity", [1, 0, 2])):
        settings = ReportSettings(gallery_order=order, gallery_videos=4)
        [column] = gallery_columns([clustering("la", labels)], videos, METHODS, [], settings)
        assert [cluster.number for cluster in column.clusters] == expected
        big = next(cluster for cluster in column.clusters if cluster.number == 0)
        assert big.size == 6 and set(big.video_ids) == {f"video{i}" for i in range(9) if labels[i] == 0}
        assert big.motion is not None and (big.motion.value, big.motion.count, big.motion.known) == ("walk", 4, 6)


def test_gallery_columns_ignore_unknown_labels() -> None:
    videos = videos_with(["walk", ""], ["", ""])
    [column] = gallery_columns([clustering("la", [0, 0, 0])], videos, METHODS, [], ReportSettings())
    [cluster] = column.clusters
    assert cluster.motion is not None and cluster.motion.known == 1
    assert cluster.place is None
    assert set(cluster.video_ids) == {"video0", "video1", "video2"}


def frames_group(path: Path, frames: list[np.ndarray], fps: float) -> h5py.Group:
    """A video of the frames stage: every frame a JPEG."""
    group = h5py.File(path, "w").create_group("a")
    jpegs = [cv2.imencode(".jpg", frame)[1] for frame in frames]
    group["jpeg"] = np.concatenate(jpegs)
    group["offsets"] = np.cumsum([0, *map(len, jpegs)])
    group.attrs["fps"] = fps
    return group


def test_draw_strip_shows_middle_at_normal_speed(tmp_path: Path) -> None:
    frames = [np.full((60, 80, 3), 2 * t, np.uint8) for t in range(100)]
    group = frames_group(tmp_path / "a.h5", frames, fps=20.0)
    settings = ReportSettings(thumbnail_width=80, thumbnail_frames=8, thumbnail_seconds=2.0)
    image, seconds = draw_strip(group, settings)
    assert image.shape == (60, 640, 3) and seconds == 2.0
    shown = image[30, 40::80, 0] / 2
    assert shown == pytest.approx(np.arange(30, 70, 5), abs=1)


def test_draw_strip_of_short_upright_video(tmp_path: Path) -> None:
    frames = [np.full((80, 30, 3), 200, np.uint8) for _ in range(5)]
    image, seconds = draw_strip(frames_group(tmp_path / "a.h5", frames, fps=25.0), ReportSettings())
    assert seconds == pytest.approx(0.2)
    assert image.shape == (96, 12 * 128, 3)
    assert image[48, 0].max() < 60 and image[48, 64].min() > 190 and image[1, 64].min() > 190


def test_draw_strip_moves(results: Any) -> None:
    path = results.frames[0]
    with h5py.File(path) as file:
        image, _ = draw_strip(file[sorted(results.motions)[0]], ReportSettings())
    halves = image[:, :128].astype(int), image[:, 6 * 128 : 7 * 128].astype(int)
    assert np.abs(halves[0] - halves[1]).mean() > 1
