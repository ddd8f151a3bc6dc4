"""Whole small runs of every objective, and what makes a run."""

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.augmentation import Color, Draw
from workflow_scripts.pretraining.inputs import Squares, collate, to_input
from workflow_scripts.pretraining.learner import Learner, Targets, learning_rate, make_optimizer
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import VERSIONS, PretrainingSettings, values_read
from workflow_scripts.pretraining.train import TrainingFiles, train


def test_instance_run_writes_what_others_read(run_train, video_ids, tmp_path):
    model = run_train()
    assert sorted(model) == sorted(
        "state_dict settings run objective clusters digest seed video_ids bank labels history classes version".split()
    )
    assert model["video_ids"] == video_ids and model["classes"] == [] and model["version"] == VERSIONS["train"]
    assert model["bank"].shape == (12, 16) and model["labels"] is None
    torch.testing.assert_close(model["bank"].norm(dim=1), torch.ones(12))
    assert [entry["lr"] for entry in model["history"]] == pytest.approx([0.03, 0.003])
    assert all({"epoch", "loss", "lr", "seconds", "waiting", "knn"} == set(entry) for entry in model["history"])
    assert sorted(path.name for path in tmp_path.rglob("*.pt")) == ["last.pt", "model.pt", "previous.pt"]


def test_local_aggregation_by_network_idt_and_joint_clusters(run_train, clusters_file, encoding_files, tmp_path):
    run_train("warmup")
    init = tmp_path / "warmup" / "model.pt"
    network = run_train("network", "local_aggregation", clusters="network", init=init)
    idt = run_train("idt", "local_aggregation", clusters="idt", clusters_file=clusters_file, init=init)
    joint = run_train("joint", "local_aggregation", clusters="joint", sketches=encoding_files, init=init)
    assert network["labels"].shape == joint["labels"].shape == (2, 12)
    assert idt["labels"].tolist() == [[0, 1] * 6] * 2
    banks = [torch.load(init, weights_only=True)["bank"], network["bank"], idt["bank"], joint["bank"]]
    assert all(not torch.equal(one, other) for n, one in enumerate(banks) for other in banks[:n])


def test_idt_clusters_pull_their_videos_together(run_train, clusters_file, tmp_path):
    """What the prior is for: after training, the bank follows the given clusters more than before."""

    def contrast(bank: torch.Tensor) -> float:
        cosines = bank @ bank.T
        same = torch.tensor([[i % 2 == j % 2 for j in range(12)] for i in range(12)])
        return float(cosines[same & ~torch.eye(12, dtype=torch.bool)].mean() - cosines[~same].mean())

    before = run_train("warmup")["bank"]
    options = {"clusters": "idt", "clusters_file": clusters_file, "init": tmp_path / "warmup" / "model.pt"}
    after = run_train("idt", "local_aggregation", changed={"epochs": 12, "lr_milestones": ()}, **options)["bank"]
    assert contrast(after) > contrast(before) + 0.1


def test_supervised_run_has_sorted_classes_and_no_bank(run_train):
    model = run_train("supervised", "supervised", changed={"epochs": 1})
    assert model["classes"] == ["down", "right"] and model["bank"] is None and model["labels"] is None
    assert model["state_dict"]["fc.weight"].shape[0] == 2
    assert set(model["history"][0]) == {"epoch", "loss", "lr", "seconds", "waiting", "accuracy"}


def test_class_head_is_not_taken_for_an_embedding(run_train, tmp_path):
    run_train("supervised", "supervised", changed={"epochs": 1})
    model = run_train("after", init=tmp_path / "supervised" / "model.pt", changed={"epochs": 0})
    before = torch.load(tmp_path / "supervised" / "model.pt", weights_only=True)
    assert torch.equal(model["state_dict"]["conv1.weight"], before["state_dict"]["conv1.weight"])
    assert model["state_dict"]["fc.weight"].shape == (16, 128 // 2)
    assert model["bank"].shape == (12, 16)  # embedded by the network


def test_seed_alone_decides(run_train):
    first, again, other = run_train("a"), run_train("b"), run_train("c", seed=1)
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    assert torch.equal(first["bank"], again["bank"])
    assert not torch.equal(first["bank"], other["bank"])


def test_small_networks_learn_the_same_whatever_threads_they_are_given(run_train):
    first = run_train("one")
    torch.set_num_threads(2)
    again = run_train("two")
    assert torch.get_num_threads() == 1
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    assert torch.equal(first["bank"], again["bank"])


def test_sampled_negatives_are_used_when_there_are_more_videos(run_train):
    exact, sampled = run_train("exact"), run_train("sampled", changed={"negatives": 4})
    assert not torch.equal(exact["bank"], sampled["bank"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "contrastive"}, "no objective 'contrastive'"),
        ({"objective": "local_aggregation"}, "needs clusters network, idt, joint"),
        ({"objective": "local_aggregation", "clusters": "idt"}, "--clusters-file"),
        ({"objective": "local_aggregation", "clusters": "joint"}, "--sketches"),
        (
            {"objective": "local_aggregation", "clusters": "network", "changed": {"k": 6}},
            "k = 6 is too large for 12 videos",
        ),
    ],
)
def test_a_request_that_is_no_run_is_refused_at_once(run_train, options, message):
    with pytest.raises(StageError, match=message):
        run_train(**options)


def one_video(folder: Path, label: str) -> Path:
    write_columns(folder / "one.tsv", [{"video_id": "video00", "label": label}], ["video_id", "label"])
    return folder / "one.tsv"


@pytest.mark.parametrize("label", ["", "right"])
def test_one_video_is_trained_on_where_nothing_is_judged(run_train, tmp_path, label):
    model = run_train(videos=one_video(tmp_path, label), changed={"crop_size": 33})
    assert model["video_ids"] == ["video00"] and model["bank"].isfinite().all()
    assert [entry["loss"] for entry in model["history"]] == pytest.approx([0, 0])  # there is none to tell it from


def test_one_video_of_tiny_clips_is_told_of(run_train, tmp_path):
    with pytest.raises(StageError, match="one video to train on, and a clip of it is too small for batch norm"):
        run_train(videos=one_video(tmp_path, ""), changed={"crop_size": 32})


def test_model_of_another_shape_is_refused_with_its_name(run_train, tmp_path):
    run_train("warmup", changed={"epochs": 0})
    init = tmp_path / "warmup" / "model.pt"
    with pytest.raises(StageError, match=r"warmup.*cannot start this run"):
        run_train("wider", init=init, changed={"width": 0.25})


def test_a_gpu_machine_needs_torch_numpy_h5py_and_opencv_alone():
    blocked = ["pandas", "yaml", "av", "sklearn", "faiss", "snakemake", "scipy", "matplotlib", "jsonschema"]
    script = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\nimport workflow_scripts.pretraining.train"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_defaults_are_the_paper_s():
    settings = PretrainingSettings()
    assert (settings.lr, settings.momentum, settings.batch_size, settings.epochs) == (0.03, 0.9, 256, 200)
    rates = [learning_rate(settings, epoch) for epoch in (0, 159, 160, 189, 190, 199)]
    assert rates == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])
    assert (settings.k, settings.m, settings.negatives, settings.temperature) == (6000, 3, 4096, 0.07)
    assert (settings.crop, settings.n_scales, settings.color) == ("random", 5, False)


def test_weight_decay_spares_batch_norm_alone(tiny):
    model = ResNet3D(10, 16, 0.125)
    decayed, free = make_optimizer(model, tiny).param_groups
    norms = {id(p) for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d) for p in m.parameters()}
    assert {id(p) for p in free["params"]} == norms and free["weight_decay"] == 0
    assert len(decayed["params"]) + len(norms) == len(list(model.parameters()))
    assert decayed["weight_decay"] == tiny.weight_decay


def test_the_loss_sees_the_bank_before_its_update(tiny):
    """One step by hand: the loss against the old rows, then the rows renewed by the embeddings of that very pass."""
    torch.manual_seed(0)
    model = ResNet3D(10, 16, 0.125)
    bank = MemoryBank([f"v{n}" for n in range(6)], 16, seed=0)
    settings = dataclasses.replace(tiny, bank_momentum=0.25, precision="float32")
    learner = Learner("instance", model, bank, settings, seed=0)
    learner.start_epoch(0)
    clips, rows, old = torch.randn(4, 3, 8, 32, 32) * 50, [4, 0, 2, 5], bank.rows.clone()
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(model(clips), dim=1)  # in training mode, as the step will be
        exponents = embeddings @ old.T / 0.07
        expected = (exponents.logsumexp(1) - exponents[torch.arange(4), rows]).sum()
    loss, _ = learner.step(clips, rows, 0, 0).tolist()
    assert loss == pytest.approx(float(expected), rel=1e-5)
    renewed = torch.nn.functional.normalize(0.25 * old[rows] + 0.75 * embeddings, dim=1)
    torch.testing.assert_close(bank.rows[rows], renewed)
    assert torch.equal(bank.rows[[1, 3]], old[[1, 3]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("objective", ["instance", "local_aggregation", "supervised"])
def test_a_step_on_a_gpu_waits_for_nothing(tiny, objective):
    """Nor does making its input, of a batch that is pinned."""
    outputs = 2 if objective == "supervised" else 16
    model, bank = ResNet3D(10, outputs, 0.125).cuda(), MemoryBank([f"v{n}" for n in range(40)], 16, seed=0)
    options = dataclasses.replace(tiny, negatives=8, neighbours=8)
    targets = Targets(torch.arange(40) % 2, torch.arange(40)[None] % 3)
    learner = Learner(objective, model, bank, options, seed=0, targets=targets)
    learner.start_epoch(0)
    draws = [Draw(0, flip=bool(n % 2), color=Color(hue=0.1)) for n in range(4)]
    drawn = collate([(np.full((8, 30 + n, 30 + n, 3), 100, np.uint8), draw) for n, draw in enumerate(draws)])
    pinned = Squares(*(part.pin_memory() for part in drawn if part is not None))
    for step in range(3):
        torch.cuda.set_sync_debug_mode("default" if step == 0 else "error")  # the first makes what is kept
        try:
            sums = learner.step(to_input(pinned, 32, "cuda"), [4, 0, 2, 5], 0, step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(sums).all()


def test_bfloat16_learns_as_float32_does(run_train):
    """The first epoch's loss is that near that of float32, and the weights stay float32."""
    exact, fast = (run_train(name, changed={"precision": name, "epochs": 1}) for name in ("float32", "bfloat16"))
    assert fast["history"][0]["loss"] == pytest.approx(exact["history"][0]["loss"], rel=0.2)
    assert not torch.equal(exact["bank"], fast["bank"])
    assert all(weight.dtype != torch.bfloat16 for weight in fast["state_dict"].values())


def test_loss_that_is_no_number_stops_the_run_with_its_name(run_train):
    with pytest.raises(StageError, match=r"run: the loss is nan in epoch \d; lower the run's lr \(1e\+30"):
        run_train(changed={"lr": 1e30, "epochs": 20, "lr_milestones": ()})


@pytest.mark.parametrize("size", [1, 4, 5, 6, 4096])
@pytest.mark.parametrize("objective", ["instance", "local_aggregation"])
def test_banks_smaller_than_what_is_drawn_of_them_are_taken_whole(tiny, objective, size):
    """Six videos, and sizes below, at and above that: from five others, or six near, on, nothing is left out."""
    torch.manual_seed(0)
    model = ResNet3D(10, 16, 0.125)
    bank = MemoryBank([f"v{n}" for n in range(6)], 16, seed=0)
    labels = torch.tensor([[0, 0, 1, 1, 2, 2]])
    options = dataclasses.replace(tiny, negatives=size, neighbours=size, precision="float32")
    learner = Learner(objective, model, bank, options, seed=0, targets=Targets(fixed=labels))
    learner.start_epoch(0)
    clips, rows = torch.randn(4, 3, 8, 32, 32) * 50, [4, 0, 2, 5]
    with torch.no_grad():
        terms = (torch.nn.functional.normalize(model(clips), dim=1).double() @ bank.rows.T.double() / 0.07).exp()
    close = (
        labels[0] == labels[0][rows][:, None]
        if objective == "local_aggregation"
        else torch.tensor(rows)[:, None] == torch.arange(6)
    )
    whole = -((terms * close).sum(1) / terms.sum(1)).log().mean()
    loss = float(learner.step(clips, rows, 0, 0)[0]) / 4
    if size >= (6 if objective == "local_aggregation" else 5):
        assert loss == pytest.approx(float(whole), rel=1e-4)
    else:
        assert math.isfinite(loss) and loss != pytest.approx(float(whole), rel=1e-4)


def test_the_digest_tells_what_was_asked_for_and_not_how_long_it_took(run_train, tmp_path):
    warmup = run_train("warmup", changed={"epochs": 1})
    warmup["history"][0]["seconds"] += 1
    torch.save(warmup, tmp_path / "slower.pt")
    inits = {"after": tmp_path / "warmup" / "model.pt", "after_slower": tmp_path / "slower.pt"}
    digests = [
        run_train(name, objective, clusters=clusters, init=init, changed={"epochs": 1})["digest"]
        for objective, clusters in (("instance", ""), ("local_aggregation", "network"))
        for name, init in inits.items()
    ]
    assert digests[0] == digests[1] != digests[2] == digests[3]
    assert warmup["digest"] not in digests


def test_order_of_files_and_rows_means_nothing(
    run_train, tmp_path, tiny, frames_files, videos_table, clusters_file, encoding_files
):
    """Bank, clusters, sketches and frames are joined by video id: lists in another order train the same network."""
    header, *rows = videos_table.read_text().splitlines()
    shuffled = tmp_path / "shuffled.tsv"
    shuffled.write_text("\n".join([header, *rows[5:], *rows[:5][::-1]]) + "\n")
    run_train("warmup", changed={"epochs": 1})
    init = tmp_path / "warmup" / "model.pt"
    there = torch.load(init, weights_only=True)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    turned = tmp_path / "turned.pt"
    names = [there["video_ids"][row] for row in order]
    torch.save({**there, "bank": there["bank"][order], "video_ids": names}, turned)
    for clusters, options in (("joint", {}), ("idt", {"clusters_file": clusters_file})):
        model = run_train(
            clusters, "local_aggregation", clusters=clusters, sketches=encoding_files, init=init, **options
        )
        output = tmp_path / "again" / clusters / "model.pt"
        files = TrainingFiles(shuffled, frames_files[::-1], sketches=encoding_files[::-1], init=turned, **options)
        train(files, output, output.parent, "again", 0, "local_aggregation", tiny, clusters)
        again = torch.load(output, weights_only=True)
        assert again["video_ids"] == model["video_ids"]
        assert torch.equal(again["bank"], model["bank"]) and torch.equal(again["labels"], model["labels"])
        assert all(torch.equal(again["state_dict"][name], weight) for name, weight in model["state_dict"].items())


UNREAD = {  # objective, clusters -> keys that this training does not read, and another value
    ("instance", ""): {"k": 5, "m": 1, "cluster_method": "another", "neighbours": 3, "kmeans_iterations": 2},
    ("supervised", ""): {
        **{"k": 5, "m": 1, "cluster_method": "another", "neighbours": 3, "negatives": 3},
        **{"bank_momentum": 0.9, "temperature": 0.5},
    },
    ("local_aggregation", "network"): {"negatives": 3},
}


@pytest.mark.parametrize(("objective", "clusters"), UNREAD)
def test_keys_that_a_run_does_not_read_change_nothing(run_train, tiny, objective, clusters):
    """Neither the weights nor the digest; the other keys change both requests."""
    first = run_train("first", objective, clusters=clusters, changed={"epochs": 1})
    unread = {**UNREAD[objective, clusters], "lr_milestones": (7,)}  # after the last epoch
    again = run_train("again", objective, clusters=clusters, changed={"epochs": 1, **unread})
    assert again["digest"] == first["digest"]
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    values = dataclasses.asdict(tiny)
    for key in values.keys() - unread.keys():
        assert (
            key in ("lr_gamma", "checkpoint_minutes")
            or key in values_read({**values, "lr_milestones": ()}, objective, clusters)
            or (objective == "supervised" and key in ("embedding_dim", "kmeans_iterations"))
        )
