"""Finetuning: it learns, nothing of the test videos leaks, and it repeats and resumes exactly."""

import dataclasses
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.evaluation import trainer as training
from workflow_scripts.evaluation.finetune import finetune, freeze, hold_out
from workflow_scripts.evaluation.network import read_inputs, read_pretrained
from workflow_scripts.evaluation.results import Record, Task, read_record
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.evaluation.trainer import Trainer
from workflow_scripts.ground.curves import read_rows
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.videos.layouts import hmdb51, ucf101
from workflow_scripts.videos.layouts.annotations import annotated_videos
from workflow_scripts.videos.layouts.layout import Annotated

TASK = '{"run": "ir", "seed": 2, "dataset": "toy"}'
QUICK = EvaluationSettings(clips=2, finetune_epochs=6, finetune_batch_size=6, finetune_lr=0.03)
ONE_EPOCH, TWO_EPOCHS = (dataclasses.replace(QUICK, finetune_epochs=n) for n in (1, 2))


def run(dataset: Any, folder: Path, architecture: Architecture, settings: EvaluationSettings, **more: Any) -> Record:
    """Finetunes from scratch on the tiny dataset, or as `more` says, and returns the record."""
    output = folder / "finetune.json"
    arguments: dict[str, Any] = {"splits": dataset.splits, **more}
    finetune(
        frames=dataset.frames,
        output=output,
        task=Task("scratch", 1, "toy"),
        checkpoints=folder / "checkpoints",
        architecture=architecture,
        settings=settings,
        **arguments,
    )
    assert not (folder / "checkpoints").exists()  # a finished job leaves no checkpoints
    return read_record(output)


@pytest.fixture(scope="module")
def uninterrupted(dataset: Any, tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a training of two epochs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(dataset, folder, tiny, TWO_EPOCHS)
    return folder / "finetune.json"


def test_finetune_learns_and_records_how(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    record = run(dataset, tmp_path, tiny, QUICK)
    assert torch.get_num_threads() == 1, "the number of threads for so small a network"
    assert record["accuracy"] >= 0.85  # chance is 9 of 17
    assert (record["run"], record["protocol"], record["dataset"], record["split"]) == ("scratch", "finetune", "toy", 1)
    assert (record["n_test"], record["n_listed"], record["n_left_out"]) == (17, 17, 0)  # bad-sketch has frames
    assert record["unused"] == {"bad-frames": "unreadable"}
    assert (record["n_train"], record["n_held_out"]) == (24, 2)  # trained again on all videos
    for history in (record["history"], record["refit"]):
        assert [row["epoch"] for row in history] == list(range(6))
        assert history[-1]["loss"] < history[0]["loss"]
    assert [row["lr"] for row in record["refit"]] == [row["lr"] for row in record["history"]]
    assert {row["validation_loss"] for row in record["refit"]} == {None}
    assert record["settings"]["finetune_lr"] == 0.03
    shape = {"depth": 10, "width": 0.125, "shortcut": "B", "clip_length": 8, "frame_interval": 1, "crop_size": 32}
    assert record["settings"]["architecture"] == {**shape, "precision": "auto"}
    assert "svm_c" not in record["settings"]


def test_finetune_without_refit_does_not_train_on_held_out_videos(
    dataset: Any, tiny: Architecture, tmp_path: Path
) -> None:
    record = run(dataset, tmp_path, tiny, dataclasses.replace(ONE_EPOCH, finetune_refit=False))
    assert (record["n_train"], record["n_held_out"]) == (22, 2) and "refit" not in record
    none = run(dataset, tmp_path, tiny, dataclasses.replace(ONE_EPOCH, finetune_validation_fraction=0.0))
    assert (none["n_train"], none["n_held_out"]) == (24, 0) and "refit" not in none


def test_finetune_refits_with_the_learning_rates_of_the_first_training(
    dataset: Any, tiny: Architecture, tmp_path: Path
) -> None:
    """Without patience the rate drops as soon as the loss of the videos held out does not fall."""
    eager = dataclasses.replace(QUICK, finetune_epochs=5, finetune_plateau_patience=0, finetune_plateau_factor=0.5)
    record = run(dataset, tmp_path, tiny, eager)
    rates = [row["lr"] for row in record["history"]]
    assert rates[0] == 0.03 and len(set(rates)) > 1
    assert [row["lr"] for row in record["refit"]] == rates


def test_finetune_with_random_labels_gives_chance(
    dataset: Any, tiny: Architecture, tmp_path: Path, write_parts: Any
) -> None:
    """Half of the videos of each class get each label, so the labels can be known only from the test videos."""
    shuffled = [{name: "ab"[i // 2 % 2] for i, name in enumerate(labels)} for labels in (dataset.train, dataset.test)]
    splits = write_parts(tmp_path / "splits.tsv", *shuffled)
    record = run(dataset, tmp_path, tiny, QUICK, splits=splits)
    assert 0.2 <= record["accuracy"] <= 0.8


def test_finetune_training_does_not_depend_on_the_test_part(
    dataset: Any, tiny: Architecture, uninterrupted: Path, tmp_path: Path, write_parts: Any
) -> None:
    """The loss, validation loss and schedule of every epoch do not depend on the test videos."""
    whole = read_record(uninterrupted)
    few = write_parts(tmp_path / "splits.tsv", dataset.train, {"test-01": "across", "test-06": "down"})
    part = run(dataset, tmp_path, tiny, TWO_EPOCHS, splits=few)
    assert part["history"] == whole["history"] and part["refit"] == whole["refit"]
    assert whole["history"][0]["validation_loss"] > 0


@pytest.mark.parametrize("killed_after", [1, 2, 3])  # epochs: within the first training, at its end, in the second
def test_finetune_resumes_to_the_same_result_after_a_kill(
    killed_after: int,
    dataset: Any,
    tiny: Architecture,
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save, saved = training.save_checkpoint, []

    def save_then_die(state: dict[str, Any], folder: Path) -> None:
        save(state, folder)
        saved.append(folder)
        if len(saved) == killed_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path, tiny, TWO_EPOCHS)
    run(dataset, tmp_path, tiny, TWO_EPOCHS)
    assert len(saved) == 2 * 2  # no epoch of the two trainings was done twice
    for name, key in (("rates", "history"), ("refit", "refit")):
        rows = read_rows(tmp_path / "finetune" / name / "history.csv")
        steps = [int(row["step"]) for row in rows]
        assert steps == sorted(set(steps)) and set(steps) >= {4, 8}, "rows at the ends of epochs, without doubles"
        at_ends = [row for row in rows if int(row["step"]) % 4 == 0]
        for row, epoch in zip(at_ends, read_record(uninterrupted)[key], strict=True):
            assert {column: row[column] for column in epoch} == {
                column: "" if value is None else str(value) for column, value in epoch.items()
            }
            assert float(row["clips_per_second"]) > 0 and 0 < float(row["waiting_share"]) < 1
    assert (tmp_path / "finetune.json").read_bytes() == uninterrupted.read_bytes()


def test_finetune_takes_the_architecture_of_the_model(dataset: Any, model: Path, tmp_path: Path) -> None:
    """The command line is used. Another process that loads the clips gives the same bytes."""
    arguments = ["--splits", dataset.splits, "--frames", *dataset.frames]
    arguments += ["--task", TASK, "--model", model, "--checkpoints", tmp_path / "checkpoints"]
    arguments += ["--settings", '{"clips": 1, "finetune_epochs": 1}']
    outputs = [tmp_path / "1.json", tmp_path / "2.json"]
    for workers, output in enumerate(outputs):
        command_line(finetune, [str(argument) for argument in [*arguments, "--output", output, "--workers", workers]])
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    record = read_record(outputs[0])
    assert record["settings"]["architecture"]["depth"] == 10  # the paper's is 18
    assert record["settings"]["pretraining"]["n_videos"] == 24


def test_freeze_fixes_weights_and_statistics(dataset: Any, model: Path, tmp_path: Path) -> None:
    pretrained = read_pretrained(model, Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames)
    network = pretrained.network(2, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    frozen = freeze(network, {"ucf101": 1, "hmdb51": 2, "other": 0}, "hmdb51")
    trainer = Trainer("ir", network, frozen, store, pretrained.architecture, ONE_EPOCH, seed=0)
    trainer.train(parts.train, parts.classes, tmp_path / "state", tmp_path)
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"layer3", "layer4", "fc"}
    assert freeze(pretrained.network(2, seed=0), {"ucf101": 1, "other": 0}, "folder") == []
    with pytest.raises(StageError, match="4 blocks"):
        freeze(network, {"other": 5}, "folder")


def test_trainer_in_several_passes_has_the_same_gradients_without_batch_norm(
    dataset: Any, model: Path, tmp_path: Path
) -> None:
    class Narrow(Architecture):
        clips_per_pass = 3

    def trained(architecture: Architecture) -> tuple[list[dict[str, Any]], torch.Tensor]:
        network = pretrained.network(2, seed=0)
        batch_norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm3d)]
        trainer = Trainer("ir", network, batch_norms, store, architecture, ONE_EPOCH, seed=0)
        history = trainer.train(parts.train, parts.classes, tmp_path / architecture.__class__.__name__, tmp_path)
        return history, torch.cat([weight.detach().flatten() for weight in network.parameters()])

    pretrained = read_pretrained(model, Architecture())
    parts, store = read_inputs(dataset.splits, 1, dataset.frames)
    shape = dataclasses.asdict(pretrained.architecture) | {"precision": "float32"}
    assert len(parts.train) > 2 * Narrow.clips_per_pass and ONE_EPOCH.finetune_batch_size > Narrow.clips_per_pass
    whole, weights = trained(Architecture(**shape))
    divided, same_weights = trained(Narrow(**shape))
    assert divided[0]["loss"] == pytest.approx(whole[0]["loss"], rel=1e-5)
    torch.testing.assert_close(same_weights, weights, rtol=1e-4, atol=1e-5)


def test_finetune_from_scratch_freezes_nothing(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    histories = [
        run(dataset, tmp_path, tiny, dataclasses.replace(ONE_EPOCH, finetune_freeze_blocks={"other": n}))["history"]
        for n in (0, 4)
    ]
    assert histories[0] == histories[1]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "g1", "g2", "g3", "g4"])), min_size=2, max_size=60),
    st.floats(0, 0.9),
    st.integers(0, 3),
)
def test_hold_out_takes_whole_groups_and_leaves_every_class(
    videos: list[tuple[str, str]], fraction: float, seed: int
) -> None:
    labels = {f"v{i}": label for i, (label, _) in enumerate(videos)}
    groups = {f"v{i}": group for i, (_, group) in enumerate(videos) if group}
    held_out = hold_out(labels, groups, fraction, seed)
    assert held_out <= labels.keys() and (fraction > 0 or not held_out)
    trained = labels.keys() - held_out
    assert {labels[name] for name in trained} == set(labels.values())  # every class is trained on
    assert not {groups[name] for name in held_out & groups.keys()} & {groups[name] for name in trained & groups.keys()}
    assert held_out == hold_out(dict(reversed(labels.items())), groups, fraction, seed)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=60), st.floats(0.01, 0.5), st.integers(0, 3))
def test_hold_out_without_groups_takes_about_the_same_share_of_every_class(
    classes: list[str], fraction: float, seed: int
) -> None:
    labels = {f"v{i}": label for i, label in enumerate(classes)}
    held_out = hold_out(labels, {}, fraction, seed)
    sizes, n_held_out = Counter(classes), Counter(labels[name] for name in held_out)
    assert all(n_held_out[label] <= fraction * n + 1 for label, n in sizes.items())
    if max(sizes.values()) > 1:
        assert held_out
    if min(sizes.values()) >= 2 / fraction:
        assert abs(len(held_out) - fraction * len(labels)) <= 0.5 + 1e-9
        assert all(n_held_out[label] >= fraction * n - len(sizes) for label, n in sizes.items())


def test_hold_out_never_splits_a_group() -> None:
    labels = {f"v{i}": "ab"[i % 2] for i in range(40)}
    assert hold_out(labels, dict.fromkeys(labels, "film"), 0.1, 0) == set()
    halves = {name: f"film {i // 20}" for i, name in enumerate(labels)}
    assert len(hold_out(labels, halves, 0.1, 0)) == 20  # a whole group, although the target is 4


@pytest.mark.parametrize(
    ("read_videos", "folder"),
    [(ucf101.read_videos, "ucf101_subset/ucfTrainTestlist"), (hmdb51.read_videos, "hmdb51_splits")],
)
def test_hold_out_of_the_real_lists_shares_no_recording_with_the_training(
    read_videos: Callable[[Path], list[Annotated]], folder: str, shared: Path
) -> None:
    videos = {
        f"{video.label}/{video.names[0]}": video
        for video in annotated_videos(shared / "videos" / folder, read_videos)
        if dict(video.splits).get(1) == "train"
    }
    labels = {name: video.label for name, video in videos.items()}
    groups = {name: video.group for name, video in videos.items()}
    sizes = Counter(labels.values())
    for seed in range(2):
        held_out = hold_out(labels, groups, 0.1, seed)
        n_held_out = Counter(labels[name] for name in held_out)
        assert not {groups[name] for name in held_out} & {groups[name] for name in labels.keys() - held_out}
        assert 0.09 < len(held_out) / len(labels) < 0.12
        assert len(n_held_out) >= len(sizes) - 2 and all(n_held_out[label] <= 0.35 * n for label, n in sizes.items())


def test_trainer_shows_and_logs_progress_within_an_epoch(dataset: Any, model: Path, tmp_path: Path) -> None:
    """The test runs the stage in a separate process, like the rule."""
    arguments = ["--splits", dataset.splits, "--frames", *dataset.frames]
    arguments += ["--task", TASK, "--model", model, "--checkpoints", tmp_path / "checkpoints"]
    arguments += ["--settings", '{"clips": 1, "finetune_epochs": 1, "finetune_batch_size": 6}']
    arguments += ["--output", tmp_path / "finetune.json", "--log", tmp_path / "finetune.log"]
    command = [sys.executable, "-m", "workflow_scripts.evaluation.finetune", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (tmp_path / "finetune.log").read_text().splitlines()
    assert lines[0] == "22 videos to train on, 2 held out"
    assert lines[1].startswith("ir finetune: epoch 0, 6 of 22 clips, loss")  # after the first batch
    assert any(line.startswith("ir refit: epoch 0, 6 of 24 clips, loss") for line in lines)
    assert all(text in done.stderr for text in ("ir finetune:", "22/22", "ir refit:", "24/24", "17/17"))


def test_finetune_names_broken_inputs(dataset: Any, tiny: Architecture, tmp_path: Path) -> None:
    broken = tmp_path / "model.pt"
    broken.write_text("not a model")
    with pytest.raises(StageError, match=r"model\.pt cannot be read as weights"):
        run(dataset, tmp_path, tiny, ONE_EPOCH, model=broken)
    with pytest.raises(StageError, match="in none of the given files"):
        finetune(dataset.splits, dataset.frames[:1], tmp_path / "o.json", Task(), tmp_path, ONE_EPOCH, tiny)
    with pytest.raises(StageError, match="cannot have depth 12"):
        run(dataset, tmp_path, dataclasses.replace(tiny, depth=12), ONE_EPOCH)
    with pytest.raises(StageError, match="lower finetune_lr"):
        run(dataset, tmp_path, tiny, dataclasses.replace(QUICK, finetune_lr=1e30))
