"""The explorer's data: neighbours and map against scikit-learn, the videos of a large set, names and links."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.methods import Method
from workflow_scripts.report.page.explorer import explorer_data, links_to, map_points, nearest
from workflow_scripts.report.page.gallery import gallery_columns, videos_on_page
from workflow_scripts.report.page.inputs import Clustering, Video, read_runs, read_vectors
from workflow_scripts.report.settings import ReportSettings

NO_VIDEOS = pd.DataFrame(columns=["video_id", "label", "place"])
METHODS = [Method("la", "local_aggregation", "network"), Method("la_idt", "local_aggregation", "idt")]


def blobs(n: int, groups: int, dimensions: int = 16) -> np.ndarray:
    draw = np.random.default_rng(n)
    centres = draw.normal(size=(groups, dimensions))
    return (centres[np.arange(n) % groups] + 0.2 * draw.normal(size=(n, dimensions))).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(1, 6))
def test_nearest_equals_scikit_learn(n: int, n_neighbours: int) -> None:
    vectors = blobs(n, 3)
    neighbours = nearest(vectors, n_neighbours)
    k = min(n_neighbours, n - 1)
    distances, _ = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(vectors).kneighbors()
    assert [len(row) for row in neighbours] == [k] * n
    assert all(i not in [j for j, _ in row] for i, row in enumerate(neighbours))
    np.testing.assert_allclose([[c for _, c in row] for row in neighbours], 1 - distances[:, :k], atol=1e-5)


def test_map_points_preserve_neighbourhoods_and_repeat() -> None:
    vectors = blobs(120, 5)
    points = map_points(vectors)
    assert points.min() == 0 and points.max() == 1000
    assert trustworthiness(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), points, n_neighbors=10) > 0.9
    np.testing.assert_array_equal(points, map_points(vectors))


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_map_points_of_few_videos(n: int) -> None:
    assert map_points(blobs(n, 2)).shape == (n, 2) and len(nearest(blobs(n, 2))) == n


@pytest.mark.parametrize("n", [30, 10_000])
def test_videos_on_page_of_small_and_large_sets(n: int) -> None:
    ids = [f"video{i}" for i in range(n)]
    labels = np.random.default_rng(0).integers(0, max(3, n // 40), (2, n))
    clusterings = [Clustering(run, "", "seed0", ids, labels[i : i + 1]) for i, run in enumerate(["la", "la_idt"])]
    report = ReportSettings(explorer_videos=200)
    columns = gallery_columns(clusterings, NO_VIDEOS, METHODS, [], report)
    shown = videos_on_page(columns, report)
    assert shown == sorted(set(shown)) and set(shown) <= set(ids)
    assert len(shown) == 30 if n == 30 else 200 <= len(shown) <= 200 + len(columns) * report.gallery_videos
    for column in columns:
        for cluster in column.clusters[: report.gallery_clusters]:
            assert set(cluster.video_ids[: report.gallery_videos]) <= set(shown)


def test_read_vectors_joins_by_id(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    vectors = blobs(5, 2).astype(np.float16)
    model = write_model(tmp_path, "la", 1, list("edcba"), vectors)
    bank = Clustering("la", "", "seed1", list("abcde"), np.zeros((1, 5), int))
    ids, rows = read_vectors(bank, [model], [], ["b", "e", "x"])
    assert ids == ["b", "e"] and rows.dtype == np.float32
    np.testing.assert_array_equal(rows, vectors[[3, 0]])

    encoding = tmp_path / "toy/encoding/idt/0.h5"
    encoding.parent.mkdir(parents=True)
    with h5py.File(encoding, "w") as file:
        file["video_id"], file["status"], file["sketch"] = list("abc"), ["ok", "no_trajectories", "ok"], vectors[:3]
    sketches = Clustering("", "idt", "all k2", list("abc"), np.zeros((1, 3), int))
    ids, rows = read_vectors(sketches, [model], [encoding], list("abc"))
    assert ids == ["a", "c"]
    np.testing.assert_array_equal(rows, vectors[[0, 2]])

    other = Clustering("", "other", "all k2", list("abc"), np.zeros((1, 3), int))
    assert read_vectors(other, [model], [encoding], list("abc"))[0] == []


def test_read_runs_and_vectors_of_damaged_model(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    bank = blobs(5, 2).astype(np.float32)
    model = write_model(tmp_path, "la", 1, list("edcba"), bank)
    assert [run.n_videos for run in read_runs([model])] == [5]
    content = torch.load(model, weights_only=True)
    clustering = Clustering("la", "", "seed1", list("abcde"), np.zeros((1, 5), int))
    weights = content["state_dict"]["fc.weight"].numpy().tobytes()
    damaged = bytearray(model.read_bytes())
    damaged[damaged.index(weights) + 5] ^= 64
    unfit = {**content, "bank": content["bank"][:3]}, {**content, "bank": content["bank"] * np.nan}
    for write in (
        lambda: model.write_bytes(damaged),
        *(partial(torch.save, unfit_content, model) for unfit_content in unfit),
    ):
        write()
        for read in (lambda: read_runs([model]), lambda: read_vectors(clustering, [model], [], list("abcde"))):
            with pytest.raises(StageError, match=re.escape(str(model))):
                read()


def test_explorer_data_escapes_names(tmp_path: Path) -> None:
    names = ["</script><script>alert(1)", "ü & “quoted”.mp4", "broken\udcff.mp4"]
    videos = [Video(f"video{i}", name, name, dataset="toy") for i, name in enumerate(names)]
    clustering = Clustering("la", "", "seed0", [v.video_id for v in videos], np.array([[0, 0, 1]]))
    columns = gallery_columns(
        [clustering], pd.DataFrame([asdict(video) for video in videos]), METHODS, [], ReportSettings()
    )
    links = links_to(videos[:2], tmp_path)
    text = explorer_data(columns, [([], np.zeros((0, 1), np.float32))], videos, {"video0"}, links)
    assert "<" not in text
    data = json.loads(text)
    assert [video["label"] for video in data["videos"]][:2] == names[:2]
    places = [tmp_path / unquote(video["link"]) if video["link"] else None for video in data["videos"]]
    files = [place and os.path.normpath(place) for place in places]
    assert files == [*map(os.path.abspath, names[:2]), None]
    assert [video["frames"] for video in data["videos"]] == [True, False, False]
    assert [(c["number"], c["size"], sorted(c["videos"])) for c in data["spaces"][0]["clusters"]] == [
        (0, 2, [0, 1]),
        (1, 1, [2]),
    ]
    assert data["spaces"][0]["points"] == {} and data["spaces"][0]["neighbours"] == {}
