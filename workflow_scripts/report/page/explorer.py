"""The data of the cluster explorer, which explorer.js draws: clusterings, maps and nearest neighbours.

It contains only the videos on the page. The sizes and the most frequent motions of clusters are those of all videos;
the neighbours and the maps use only the videos on the page.
"""

import json
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from workflow_scripts.ground.vectors import l2_normalised, nearest_rows
from workflow_scripts.report.page.gallery import Cluster, Column, Majority
from workflow_scripts.report.page.inputs import Video
from workflow_scripts.report.text import visible

_NEIGHBOURS = 4
_MAP_SIDE = 1000


def explorer_data(
    columns: list[Column],
    vectors: list[tuple[list[str], NDArray[np.float32]]],
    videos: list[Video],
    with_frames: Container[str],
    links: Mapping[str, str],
) -> Markup:
    """The input of explorer.js, as JSON for a script element.

    Args:
        columns: The clusterings of the gallery.
        vectors: For each column, the ids of the videos that have a vector, and the vectors (n, d).
        videos: The videos on the page.
        with_frames: The ids of the videos that have a thumbnail.
        links: The addresses of the videos' files, by id.
    """
    position_of = {video.video_id: i for i, video in enumerate(videos)}
    shown = [
        {"id": v.video_id, "name": visible(v.name), "label": visible(v.label), "scene": visible(v.scene)}
        | {"place": visible(v.place), "frames": v.video_id in with_frames, "link": links.get(v.video_id, "")}
        for v in videos
    ]
    spaces = []
    for column, (ids, rows) in zip(columns, vectors, strict=True):
        positions = [position_of[video_id] for video_id in ids]
        points, neighbours = map_points(rows), nearest(rows)
        clusters = [_cluster(cluster, position_of) for cluster in column.clusters]
        spaces.append(
            {
                "title": column.title,
                "name": column.name,
                "clusters": [cluster for cluster in clusters if cluster["videos"]],
                "n_clusters": len(column.clusters),
                "n_videos": len(column.clustering.video_ids),
                "points": dict(zip(positions, points.tolist(), strict=True)),
                "neighbours": {
                    i: [[positions[j], round(cosine, 3)] for j, cosine in row]
                    for i, row in zip(positions, neighbours, strict=True)
                },
            }
        )
    text = json.dumps({"videos": shown, "spaces": spaces, "side": _MAP_SIDE}, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # no name can end the script element


def _cluster(cluster: Cluster, position_of: dict[str, int]) -> dict[str, Any]:
    def as_list(majority: Majority | None) -> list[Any] | None:
        return [visible(majority.value), majority.count, majority.known] if majority else None

    return {
        "number": cluster.number,
        "size": cluster.size,
        "motion": as_list(cluster.motion),
        "place": as_list(cluster.place),
        "videos": [position_of[video_id] for video_id in cluster.video_ids if video_id in position_of],
    }


def nearest(vectors: NDArray[np.float32], n: int = _NEIGHBOURS) -> list[list[tuple[int, float]]]:
    """Each row's `n` nearest other rows by cosine (-1..1), nearest first; fewer if there are fewer rows.

    vectors: (N, d).
    """
    unit = l2_normalised(vectors.astype(np.float64))
    indices, cosines = nearest_rows(unit, unit, n, exclude_self=True)
    return [list(zip(*pair, strict=True)) for pair in zip(indices.tolist(), cosines.tolist(), strict=True)]


def map_points(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """A map of the space: t-SNE (van der Maaten and Hinton 2008) of the directions of the vectors (N, d).

    Returns (N, 2) whole numbers from 0 to 1000; the same vectors give the same map.
    """
    count = len(vectors)
    if count < 5:  # too few for neighbourhoods
        return np.linspace([0, 0], [_MAP_SIDE, _MAP_SIDE], count).astype(int)
    perplexity = min(30.0, (count - 1) / 3)
    with threadpool_limits(1):  # one thread sums in a fixed order
        points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
            l2_normalised(vectors.astype(np.float64))
        )
    low, high = points.min(axis=0), points.max(axis=0)
    return np.rint((points - low) / np.maximum(high - low, 1e-9) * _MAP_SIDE).astype(int)


def links_to(videos: list[Video], folder: Path) -> dict[str, str]:
    """Addresses, as seen from a page in `folder`, of the videos' files, by id."""
    return {
        video.video_id: quote(os.path.relpath(video.path, folder), errors="surrogateescape")
        for video in videos
        if video.dataset  # only the index knows the file
    }
