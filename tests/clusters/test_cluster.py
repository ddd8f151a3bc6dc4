"""`cluster` calls the method that the settings name."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from workflow_scripts.clusters import cluster as entry
from workflow_scripts.clusters.cluster import Clustering, cluster, settings_per_run
from workflow_scripts.clusters.kmeans import kmeans
from workflow_scripts.clusters.methods import METHODS
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.stage import StageError

POINTS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def test_cluster_default_is_kmeans() -> None:
    settings = ClustersSettings(k=5, iterations=3, seed=2)
    expected = kmeans(POINTS, 5, iterations=3, seed=2)
    np.testing.assert_array_equal(cluster(POINTS, settings).labels, expected.labels)


def test_cluster_calls_the_module_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = Clustering(np.ones(60, np.int32), np.ones((1, 4), np.float32), np.zeros(1))
    monkeypatch.setitem(METHODS, "ones", "toy.ones")
    monkeypatch.setattr(
        entry, "import_module", lambda name: SimpleNamespace(cluster=lambda *_: {"toy.ones": ones}[name])
    )
    assert cluster(POINTS, ClustersSettings(method="ones")) is ones


def test_cluster_unknown_method_is_an_error() -> None:
    with pytest.raises(StageError, match=r"clusters\.method: 'guess' is not known; choose one of kmeans"):
        cluster(POINTS, ClustersSettings(method="guess"))


def test_settings_per_run_differ_in_the_seed() -> None:
    settings = ClustersSettings(m=3, seed=7)
    assert settings_per_run(settings) == [replace(settings, seed=seed) for seed in (7, 8, 9)]
