"""Evaluation during training."""

from dataclasses import replace

import pytest
import torch

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.validation import embed_videos, knn_accuracy


def test_knn_accuracy_excludes_the_query():
    bank = torch.tensor([[1.0, 0], [0.99, 0.1], [0, 1.0], [0.1, 0.99]])
    bank = bank / bank.norm(dim=1, keepdim=True)
    assert knn_accuracy(bank, ["x", "x", "y", "y"], neighbours=1) == 1
    assert knn_accuracy(bank, ["x", "y", "x", "y"], neighbours=1) == 0


@pytest.fixture
def held_out(tmp_path, frames_files):
    """Two labelled videos, one of them of a class without training videos, and one without a label."""
    path = tmp_path / "held_out.tsv"
    labels = {"video00": "right", "video01": "up", "video02": ""}
    write_columns(path, [{"video_id": name, "label": label} for name, label in labels.items()], ["video_id", "label"])
    return {"validation": [path], "validation_frames": frames_files}


@pytest.mark.parametrize(("objective", "key"), [("instance", "knn"), ("supervised", "validation")])
def test_train_validation_does_not_change_the_weights(run_train, held_out, objective, key):
    validated, expected = run_train("validated", objective, **held_out), run_train("expected", objective)
    assert [0 <= entry[key] <= 0.5 for entry in validated["history"]] == [True, True]  # "up" is always wrong
    weights = validated["state_dict"], expected["state_dict"]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_validation_read_without_labels_is_an_error(run_train, held_out, tmp_path):
    path = tmp_path / "none.tsv"
    write_columns(path, [{"video_id": "video00", "label": ""}], ["video_id", "label"])
    with pytest.raises(StageError, match="has a label and frames"):
        run_train(**{**held_out, "validation": [path]})
    write_columns(path, [{"video_id": "elsewhere", "label": "right"}], ["video_id", "label"])
    with pytest.raises(StageError, match=r"1 of the 1 videos are in no frames file \(elsewhere\)"):
        run_train(**{**held_out, "validation": [path]})


class FirstPixels(torch.nn.Module):
    """A network whose embedding is the first pixels of the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))  # gives the network a device

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1)[:, :500]


def test_embed_videos_resizes_in_float32(frames_files, video_ids, tiny):
    store = FrameStore(frames_files)
    exact, fast = (
        embed_videos(FirstPixels(), store, video_ids, replace(tiny, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    assert exact.shape == (12, 500) and torch.equal(exact, fast)
