"""The vote of nearest neighbours, against scikit-learn's, and the videos that are asked while a run learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.knn import nearest_classes
from workflow_scripts.pretraining.validation import embed_videos, knn_accuracy


def rows(n: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(n, 6))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_votes_agree_with_sklearn():
    train, test, answers = rows(60, 0), rows(30, 1), np.random.default_rng(2).integers(0, 4, 60)
    reference = KNeighborsClassifier(9, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07)).fit(train, answers)
    tensors = [torch.from_numpy(array) for array in (test, train, answers)]
    found = nearest_classes(*tensors, neighbours=9, temperature=0.07)
    assert (found.numpy() == reference.predict(test)).all()


def test_rows_without_a_class_do_not_vote():
    train, test, answers = rows(60, 0), rows(30, 1), np.random.default_rng(2).integers(-1, 3, 60)
    options = {"neighbours": 5, "temperature": 0.07}
    found = nearest_classes(*(torch.from_numpy(array) for array in (test, train, answers)), **options)
    known = answers >= 0
    fewer = nearest_classes(*(torch.from_numpy(array) for array in (test, train[known], answers[known])), **options)
    assert torch.equal(found, fewer)


def test_knn_accuracy_leaves_the_query_out():
    bank = torch.tensor([[1.0, 0], [0.99, 0.1], [0, 1.0], [0.1, 0.99]])
    bank = bank / bank.norm(dim=1, keepdim=True)
    assert knn_accuracy(bank, ["x", "x", "y", "y"], neighbours=1) == 1
    assert knn_accuracy(bank, ["x", "y", "x", "y"], neighbours=1) == 0


@pytest.fixture
def held_out(tmp_path, frames_files):
    """Two labelled videos (one of a class that is not trained on), one without a label."""
    path = tmp_path / "held_out.tsv"
    labels = {"video00": "right", "video01": "up", "video02": ""}
    write_columns(path, [{"video_id": name, "label": label} for name, label in labels.items()], ["video_id", "label"])
    return {"validation": [path], "validation_frames": frames_files}


@pytest.mark.parametrize(("objective", "key"), [("instance", "knn"), ("supervised", "validation")])
def test_a_run_is_asked_about_other_videos_and_learns_nothing_from_them(run_train, held_out, objective, key):
    asked, alone = run_train("asked", objective, **held_out), run_train("alone", objective)
    assert [0 <= entry[key] <= 0.5 for entry in asked["history"]] == [True, True]  # nothing is right about "up"
    weights = asked["state_dict"], alone["state_dict"]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_validation_without_labels_is_refused(run_train, held_out, tmp_path):
    path = tmp_path / "none.tsv"
    write_columns(path, [{"video_id": "video00", "label": ""}], ["video_id", "label"])
    with pytest.raises(StageError, match="has a label and frames"):
        run_train(**{**held_out, "validation": [path]})
    write_columns(path, [{"video_id": "elsewhere", "label": "right"}], ["video_id", "label"])
    with pytest.raises(StageError, match=r"lack 1 of the 1 videos \(elsewhere\)"):
        run_train(**{**held_out, "validation": [path]})


class FirstPixels(torch.nn.Module):
    """A network whose embedding is the beginning of the clip itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))  # says which device it is on

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1)[:, :500]


def test_frames_are_resized_in_float32_whatever_the_network_takes(frames_files, video_ids, tiny):
    store = FrameStore(frames_files)
    exact, fast = (
        embed_videos(FirstPixels(), store, video_ids, replace(tiny, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    assert exact.shape == (12, 500) and torch.equal(exact, fast)
