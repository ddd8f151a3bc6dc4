"""The defaults, the keys that a run reads, and the largest number of clusters."""

import dataclasses

import pytest
import torch

from workflow_scripts.ground.artifacts import write_columns, write_json
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.learner import learning_rate
from workflow_scripts.pretraining.settings import PretrainingSettings, check_clusters, values_read


def test_pretraining_settings_defaults_are_of_the_paper():
    settings = PretrainingSettings()
    assert (settings.lr, settings.momentum, settings.batch_size, settings.epochs) == (0.03, 0.9, 256, 200)
    rates = [learning_rate(settings, epoch) for epoch in (0, 159, 160, 189, 190, 199)]
    assert rates == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])
    assert (settings.k, settings.m, settings.negatives, settings.temperature) == (6000, 3, 4096, 0.07)
    assert (settings.crop, settings.n_scales, settings.color) == ("random", 5, False)


UNREAD = {  # objective, clusters -> keys that this training does not read, with other values
    ("instance", ""): {"k": 5, "m": 1, "cluster_method": "another", "neighbours": 3, "kmeans_iterations": 2},
    ("supervised", ""): {
        **{"k": 5, "m": 1, "cluster_method": "another", "neighbours": 3, "negatives": 3},
        **{"bank_momentum": 0.9, "temperature": 0.5},
    },
    ("local_aggregation", "network"): {"negatives": 3},
}


@pytest.mark.parametrize(("objective", "clusters"), UNREAD)
def test_values_read_other_keys_change_nothing(run_train, tiny, objective, clusters):
    """Unread keys change neither weights nor digest. `values_read` returns all other keys."""
    first = run_train("first", objective, clusters=clusters, changed={"epochs": 1})
    unread = {**UNREAD[objective, clusters], "lr_milestones": (7,)}  # after the last epoch
    again = run_train("again", objective, clusters=clusters, changed={"epochs": 1, **unread})
    assert again["digest"] == first["digest"]
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    values = dataclasses.asdict(tiny)
    for key in values.keys() - unread.keys():
        assert (
            key in ("lr_gamma", "checkpoint_minutes", "cluster_parameters")
            or key in values_read({**values, "lr_milestones": ()}, objective, clusters)
            or (objective == "supervised" and key in ("embedding_dim", "kmeans_iterations"))
        )


@pytest.mark.parametrize(
    ("subset", "n_videos"), [("all", 40), (30, 30), (90, 40), ("k400", 20), ("k400:12", 12), ("split2", 10)]
)
def test_check_clusters_too_many_is_an_error(tmp_path, subset, n_videos):
    rows = [{"video_id": str(n), "path": f"data/k{400 + 200 * (n % 2)}/{n}.mp4", "status": "ok"} for n in range(40)]
    lost = [{"video_id": f"lost{n}", "path": f"data/k400/lost{n}.mp4", "status": "corrupted"} for n in range(9)]
    write_columns(tmp_path / "index.tsv", rows + lost, ["video_id", "path", "status"])
    write_json(tmp_path / "totals.json", {"videos": len(rows)})
    splits = [{"split": s, "part": "train" if n < 15 - 5 * (s == 2) else "test"} for s in (1, 2) for n in range(40)]
    write_columns(tmp_path / "splits.tsv", splits, ["split", "part"])
    most = (n_videos - 1) // 2
    check_clusters({"subset": subset, "k": most}, tmp_path, "data")
    with pytest.raises(StageError, match=f"k = {most + 1} is too large for {n_videos} videos"):
        check_clusters({"subset": subset, "k": most + 1}, tmp_path, "data")


def test_check_clusters_damaged_totals_are_an_error(tmp_path):
    write_json(tmp_path / "totals.json", {"videos": 40})
    (tmp_path / "totals.json").write_text('{"videos": 90}')
    with pytest.raises(StageError, match=r"totals\.json .*damaged or was edited"):
        check_clusters({"subset": "all", "k": 30}, tmp_path, "data")
