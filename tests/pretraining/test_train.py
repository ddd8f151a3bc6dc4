"""Whole small runs of every objective, and what makes and stops a run."""

import torch

from workflow_scripts.pretraining.settings import VERSION


def test_instance_run_writes_what_others_read(run_train, video_ids):
    model = run_train()
    assert set(model) == set(
        ["state_dict", "settings", "run", "seed", "video_ids", "bank", "labels", "history", "classes", "version"]
    )
    assert model["video_ids"] == video_ids and model["classes"] == [] and model["version"] == VERSION
    assert model["bank"].shape == (12, 16)
    torch.testing.assert_close(model["bank"].norm(dim=1), torch.ones(12))
    assert [entry["lr"] for entry in model["history"]] == [0.03, 0.003]
    assert all({"epoch", "loss", "lr", "seconds", "knn"} <= set(entry) for entry in model["history"])
