"""Finetuning: learns what can be learned and nothing from test videos; repeatable; goes on after a kill."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts import artifacts
from workflow_scripts.evaluation import finetune as stage
from workflow_scripts.evaluation.finetune import Trainer, finetune, freeze, hold_out
from workflow_scripts.evaluation.network import read_inputs, read_pretrained
from workflow_scripts.evaluation.results import Record, read_record
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.stage import StageError, command_line

QUICK = EvaluationSettings(clips=2, finetune_epochs=6, finetune_batch_size=6)
ONE_EPOCH = dataclasses.replace(QUICK, finetune_epochs=1)


def run(dataset: Any, folder: Path, architecture: Architecture, settings: EvaluationSettings, **more: Any) -> Record:
    """Finetunes from scratch on the tiny dataset, or as `more` says, and returns the record."""
    output = folder / "finetune.json"
    arguments: dict[str, Any] = {"splits": dataset.splits, "encodings": dataset.encodings, "run": "scratch", **more}
    finetune(
        split=1,
        frames=dataset.frames,
        output=output,
        seed=arguments.pop("seed", 1),
        dataset="toy",
        checkpoints=folder / "checkpoints",
        architecture=architecture,
        settings=settings,
        **arguments,
    )
    assert not any((folder / "checkpoints").iterdir())  # nothing of a finished job is left
    return read_record(output)


def write_part(dataset: Any, path: Path, train: dict[str, str], test: dict[str, str]) -> Path:
    rows = [
        {"split": "1", "video_id": video_id, "part": part, "label": label}
        for part, labels in (("train", train), ("test", test))
        for video_id, label in labels.items()
    ]
    artifacts.write_columns(path, rows, ["split", "video_id", "part", "label"])
    return path


def test_it_learns_and_says_how(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    record = run(dataset, tmp_path, tiny, QUICK)
    assert record["accuracy"] >= 0.85  # chance is 0.5
    assert (record["run"], record["protocol"], record["dataset"], record["split"]) == ("scratch", "finetune", "toy", 1)
    assert (record["n_train"], record["n_test"], record["n_left_out"]) == (24, 16, 2)
    assert record["left_out"] == {"bad-frames": "unreadable", "bad-sketch": "no_trajectories"}
    assert [row["epoch"] for row in record["history"]] == list(range(6))
    assert record["history"][-1]["loss"] < record["history"][0]["loss"]
    assert record["settings"]["finetune_learning_rate"] == 0.1
    shape = {"depth": 10, "width": 0.125, "shortcut": "B", "clip_length": 8, "size": 32}
    assert record["settings"]["architecture"] == shape
    assert "svm_c" not in record["settings"]


def test_labels_that_say_nothing_give_chance(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    """Of each look half of the videos get each label, so only having seen the test videos could tell."""
    shuffled = [{name: "ab"[i // 2 % 2] for i, name in enumerate(labels)} for labels in (dataset.train, dataset.test)]
    splits = write_part(dataset, tmp_path / "splits.tsv", *shuffled)
    record = run(dataset, tmp_path, tiny, QUICK, splits=splits)
    assert 0.2 <= record["accuracy"] <= 0.8


def test_training_never_looks_at_the_test_part(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    """The loss, validation loss and schedule of every epoch are the same whatever is tested on."""
    whole = run(dataset, tmp_path, tiny, dataclasses.replace(QUICK, finetune_epochs=2))
    few = write_part(dataset, tmp_path / "splits.tsv", dataset.train, {"test-01": "across", "test-06": "down"})
    part = run(dataset, tmp_path, tiny, dataclasses.replace(QUICK, finetune_epochs=2), splits=few)
    assert part["history"] == whole["history"]
    assert whole["history"][0]["validation_loss"] > 0


def test_a_killed_job_goes_on_to_the_same_result(
    dataset: Any, tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(QUICK, finetune_epochs=4)
    run(dataset, tmp_path / "whole", tiny, settings)
    save, saved = stage.save_checkpoint, []

    def save_then_die(state: dict[str, Any], folder: Path) -> None:
        save(state, folder)
        saved.append(folder)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "save_checkpoint", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "killed", tiny, settings)
    run(dataset, tmp_path / "killed", tiny, settings)
    assert len(saved) == 4  # two epochs before, two after
    whole, killed = (tmp_path / name / "finetune.json" for name in ("whole", "killed"))
    assert killed.read_bytes() == whole.read_bytes()


def test_a_model_brings_its_own_architecture(dataset: Any, model: Path, tmp_path: Path) -> None:
    """On the command line; and with another process to read the clips, the same bytes."""
    arguments = ["--splits", dataset.splits, "--split", 1, "--frames", *dataset.frames, "--run", "ir", "--seed", 2]
    arguments += ["--dataset", "toy", "--model", model, "--checkpoints", tmp_path / "checkpoints", "--encodings"]
    arguments += ["--settings", '{"clips": 1, "finetune_epochs": 1}']
    outputs = [tmp_path / "1.json", tmp_path / "2.json"]
    for workers, output in enumerate(outputs):
        command_line(finetune, [str(argument) for argument in [*arguments, "--output", output, "--workers", workers]])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    record = read_record(outputs[0])
    assert record["settings"]["architecture"]["depth"] == 10  # the paper's is 18
    assert record["settings"]["pretraining"]["n_videos"] == 24
    assert record["n_left_out"] == 1  # without encodings, a missing sketch does not matter


def test_frozen_blocks_stay_as_they_were(dataset: Any, model: Path, tmp_path: Path) -> None:
    pretrained = read_pretrained(model, Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames, [])
    network = pretrained.network(2, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    frozen = freeze(network, {"ucf101": 1, "hmdb51": 2, "other": 0}, "HMDB51")
    trainer = Trainer(network, frozen, store, pretrained.architecture, ONE_EPOCH, seed=0)
    trainer.train(parts.train, parts.classes, tmp_path / "state")
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"layer3", "layer4", "fc"}
    assert freeze(pretrained.network(2, seed=0), {"ucf101": 1, "other": 0}, "mine") == []
    with pytest.raises(StageError, match="4 blocks"):
        freeze(network, {"other": 5}, "mine")


def test_nothing_is_frozen_from_scratch(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    histories = [
        run(dataset, tmp_path, tiny, dataclasses.replace(ONE_EPOCH, finetune_freeze_blocks={"other": n}))["history"]
        for n in (0, 4)
    ]
    assert histories[0] == histories[1]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=60),
    st.floats(0, 0.9),
    st.integers(0, 3),
)
def test_the_held_out_part(labels: list[str], fraction: float, seed: int) -> None:
    videos = {f"v{i}": label for i, label in enumerate(labels)}
    held_out = hold_out(videos, fraction, seed)
    assert held_out <= videos.keys()
    left = Counter(videos[name] for name in videos.keys() - held_out)
    assert set(left) == set(labels)  # every class is trained on
    sizes = Counter(labels)
    free = sum(sizes.values()) - len(sizes)
    assert len(held_out) == min(free, max(1, round(fraction * len(labels))) if fraction > 0 else 0)
    taken = {label: sizes[label] - left[label] for label in sizes}
    if len(held_out) < free / 2:  # about the same share of every class
        assert all(abs(taken[label] - len(held_out) * sizes[label] / len(labels)) <= 2 for label in sizes)


def test_broken_inputs_are_named(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    broken = tmp_path / "model.pt"
    broken.write_text("not a model")
    with pytest.raises(StageError, match=r"model\.pt cannot be read as weights"):
        run(dataset, tmp_path, tiny, ONE_EPOCH, model=broken)
    with pytest.raises(StageError, match="in none of the given files"):
        finetune(
            dataset.splits,
            1,
            dataset.frames[:1],
            [],
            tmp_path / "o.json",
            "scratch",
            0,
            "toy",
            tmp_path,
            ONE_EPOCH,
            tiny,
        )
    with pytest.raises(StageError, match="no 3D ResNet of depth 12"):
        run(dataset, tmp_path, dataclasses.replace(tiny, depth=12), ONE_EPOCH)
    with pytest.raises(StageError, match="lower finetune_learning_rate"):
        run(dataset, tmp_path, tiny, dataclasses.replace(QUICK, finetune_learning_rate=1e30))
