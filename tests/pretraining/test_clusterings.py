"""The clusters of the training videos."""

from dataclasses import make_dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining import clusterings
from workflow_scripts.pretraining.clusterings import cluster_points, fixed_labels, joint_space, mean_nmi
from workflow_scripts.pretraining.ranks import Ranks


def test_fixed_labels_are_joined_by_id(clusters_file, video_ids):
    labels = fixed_labels(clusters_file, video_ids)
    assert labels.tolist() == [[0, 1] * 6] * 2
    with pytest.raises(StageError, match=r"lacks 1 of the 2 training videos \(nobody"):
        fixed_labels(clusters_file, ["nobody", video_ids[0]])


def test_joint_space_parts_have_unit_length():
    random = torch.Generator().manual_seed(0)
    bank = torch.nn.functional.normalize(torch.randn(12, 16, generator=random), dim=1)
    sketches = torch.nn.functional.normalize(torch.randn(12, 2000, generator=random), dim=1)
    joint = joint_space(bank, 3 * sketches)
    assert joint.shape == (12, 2016)
    expected = (bank[0] - bank[1]).square().sum() + (sketches[0] - sketches[1]).square().sum()
    torch.testing.assert_close((joint[0] - joint[1]).square().sum(), expected)


def test_cluster_points_differs_by_run_and_epoch(tiny):
    random = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(40, 3, generator=random), dim=1)
    labels = cluster_points(points, tiny, seed=0, epoch=0)
    assert labels.shape == (2, 40) and labels.dtype == torch.int64 and set(labels.unique().tolist()) == {0, 1, 2}
    assert torch.equal(cluster_points(points, tiny, seed=0, epoch=0), labels)
    assert not torch.equal(labels[0], labels[1])
    assert not torch.equal(cluster_points(points, tiny, seed=0, epoch=1), labels)


def test_cluster_points_method_gets_its_own_keys(tiny, monkeypatch):
    """A key of the section clusters that only one method reads reaches the clusterings of the network."""

    def settings_of_run(points, settings, device):
        assert (settings.method, settings.iterations) == (tiny.cluster_method, tiny.kmeans_iterations)
        return SimpleNamespace(labels=np.full(len(points), settings.own_key, np.int32))

    own = make_dataclass("Own", [("own_key", int, 0)], bases=(ClustersSettings,), frozen=True)
    monkeypatch.setattr(clusterings, "ClustersSettings", own)
    monkeypatch.setattr(clusterings, "cluster", settings_of_run)
    settings = replace(tiny, cluster_parameters='{"own_key": 7}')
    assert (cluster_points(torch.zeros(5, 3), settings, seed=0, epoch=0) == 7).all()


class OneOfThree(Ranks):
    """Process 1 of 3, which receives nothing from the others."""

    def broadcast(self, values: torch.Tensor, source: int = 0) -> torch.Tensor:
        return values if source == self.rank else values.fill_(-1)


def test_cluster_points_ranks_divide_the_runs(tiny):
    settings = replace(tiny, m=5)
    points = torch.nn.functional.normalize(torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    expected = cluster_points(points, settings, seed=0, epoch=0)
    labels_of_runs = cluster_points(points, settings, seed=0, epoch=0, ranks=OneOfThree(1, 3))
    assert [bool((labels >= 0).all()) for labels in labels_of_runs] == [False, True, False, False, True]
    assert torch.equal(labels_of_runs[[1, 4]], expected[[1, 4]])


def test_cluster_points_equal_points_have_equal_labels(tiny):
    groups = torch.tensor([0, 1, 2] * 4)
    labels = cluster_points(torch.eye(3)[groups], tiny, seed=0, epoch=0)
    assert torch.equal(labels[:, :, None] == labels[:, None, :], (groups[:, None] == groups).expand(2, 12, 12))


@settings(max_examples=30)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(*(st.lists(st.integers(0, 4), min_size=n, max_size=n) for _ in range(4)))
    )
)
def test_mean_nmi_is_the_mean_of_scikit_learn(columns):
    one, other = np.array(columns[:2]), np.array(columns[2:])
    expected = np.mean([normalized_mutual_info_score(a, b) for a, b in zip(one, other, strict=True)])
    assert mean_nmi(torch.from_numpy(one), torch.from_numpy(other)) == pytest.approx(expected, abs=1e-9)
    of_classes = np.mean([normalized_mutual_info_score(a, other[0]) for a in one])
    assert mean_nmi(torch.from_numpy(one), torch.from_numpy(other[:1])) == pytest.approx(of_classes, abs=1e-9)
