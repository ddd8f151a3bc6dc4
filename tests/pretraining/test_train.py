"""Small runs of every objective, and requests that are errors."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.curves import read_rows
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.settings import VERSIONS
from workflow_scripts.pretraining.train import TrainingFiles, train

ALWAYS_MEASURED = "epoch step clips loss lr gradient_norm clips_per_second waiting_share seconds waiting".split()


def test_train_instance_writes_the_model(run_train, video_ids, tmp_path):
    model = run_train()
    assert sorted(model) == sorted(
        "state_dict settings run objective clusters digest seed video_ids bank labels history classes version".split()
    )
    assert model["video_ids"] == video_ids and model["classes"] == [] and model["version"] == VERSIONS["train"]
    assert model["bank"].shape == (12, 16) and model["labels"] is None
    torch.testing.assert_close(model["bank"].norm(dim=1), torch.ones(12))
    assert [entry["lr"] for entry in model["history"]] == pytest.approx([0.03, 0.003])
    assert all({*ALWAYS_MEASURED, "knn"} == set(entry) for entry in model["history"])
    assert sorted(path.name for path in tmp_path.rglob("*.pt")) == ["last.pt", "model.pt", "previous.pt"]


def test_train_local_aggregation_by_clusters(run_train, usual, clusters_file, encoding_files):
    network = run_train("network", "local_aggregation", clusters="network", init=usual)
    idt = run_train("idt", "local_aggregation", clusters="idt", clusters_file=clusters_file, init=usual)
    joint = run_train("joint", "local_aggregation", clusters="joint", sketches=encoding_files, init=usual)
    assert network["labels"].shape == joint["labels"].shape == (2, 12)
    assert idt["labels"].tolist() == [[0, 1] * 6] * 2
    before = [["nmi_before" in epoch for epoch in model["history"]] for model in (network, idt, joint)]
    assert before == [[False, True], [False, False], [False, True]], "fixed clusters do not change"
    assert [epoch["nmi_labels"] for epoch in idt["history"]] == [1, 1], "these clusters are the labels"
    assert all(0 <= epoch["nmi_labels"] < 1 for epoch in network["history"])
    banks = [torch.load(usual, weights_only=True)["bank"], network["bank"], idt["bank"], joint["bank"]]
    assert all(not torch.equal(one, other) for n, one in enumerate(banks) for other in banks[:n])


def test_train_idt_clusters_raise_the_cosines_within_clusters(run_train, usual, clusters_file):
    """The purpose of the prior: training moves the embeddings of a cluster closer to each other."""

    def contrast(bank: torch.Tensor) -> float:
        cosines = bank @ bank.T
        same = torch.tensor([[i % 2 == j % 2 for j in range(12)] for i in range(12)])
        return float(cosines[same & ~torch.eye(12, dtype=torch.bool)].mean() - cosines[~same].mean())

    before = torch.load(usual, weights_only=True)["bank"]
    options = {"clusters": "idt", "clusters_file": clusters_file, "init": usual}
    after = run_train("idt", "local_aggregation", changed={"epochs": 12, "lr_milestones": ()}, **options)["bank"]
    assert contrast(after) > contrast(before) + 0.1


def test_train_supervised_has_sorted_classes_and_no_bank(run_train):
    model = run_train("supervised", "supervised", changed={"epochs": 1})
    assert model["classes"] == ["down", "right"] and model["bank"] is None and model["labels"] is None
    assert model["state_dict"]["fc.weight"].shape[0] == 2
    assert set(model["history"][0]) == {*ALWAYS_MEASURED, "accuracy"}


def test_train_history_holds_the_rows_at_the_ends_of_epochs(usual):
    rows = read_rows(usual.with_name("history.csv"))
    at_ends = [row for row in rows if int(row["step"]) % 3 == 0]
    history = torch.load(usual, weights_only=True)["history"]
    for row, epoch in zip(at_ends, history, strict=True):
        assert {name: float(row[name]) for name in epoch} == epoch
        empty = {"accuracy", "validation", "validation_loss", "nmi_before", "nmi_labels", "gpu_memory"}
        assert {name for name, text in row.items() if not text} == empty
    assert [(epoch["step"], epoch["clips"]) for epoch in history] == [(3, 12), (6, 24)]


def test_train_init_supervised_ignores_the_class_head(run_train, tmp_path):
    run_train("supervised", "supervised", changed={"epochs": 1})
    model = run_train("after", init=tmp_path / "supervised" / "model.pt", changed={"epochs": 0})
    before = torch.load(tmp_path / "supervised" / "model.pt", weights_only=True)
    assert torch.equal(model["state_dict"]["conv1.weight"], before["state_dict"]["conv1.weight"])
    assert model["state_dict"]["fc.weight"].shape == (16, 128 // 2)
    assert model["bank"].shape == (12, 16)  # embedded by the network


def test_train_same_seed_gives_the_same_weights(run_train, usual):
    first, again, other = torch.load(usual, weights_only=True), run_train("again"), run_train("other", seed=1)
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    assert torch.equal(first["bank"], again["bank"])
    assert not torch.equal(first["bank"], other["bank"])


def test_train_small_network_does_not_depend_on_threads(run_train, usual):
    first = torch.load(usual, weights_only=True)
    torch.set_num_threads(2)
    again = run_train()
    assert torch.get_num_threads() == 1
    assert all(torch.equal(first["state_dict"][name], again["state_dict"][name]) for name in first["state_dict"])
    assert torch.equal(first["bank"], again["bank"])


def test_train_samples_negatives(run_train, usual):
    exact, sampled = torch.load(usual, weights_only=True), run_train(changed={"negatives": 4})
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
def test_check_request_impossible_is_an_error(run_train, options, message):
    with pytest.raises(StageError, match=message):
        run_train(**options)


def one_video(folder: Path, label: str) -> Path:
    write_columns(folder / "one.tsv", [{"video_id": "video00", "label": label}], ["video_id", "label"])
    return folder / "one.tsv"


@pytest.mark.parametrize("label", ["", "right"])
def test_train_one_video(run_train, tmp_path, label):
    model = run_train(videos=one_video(tmp_path, label), changed={"crop_size": 33})
    assert model["video_ids"] == ["video00"] and model["bank"].isfinite().all()
    assert [entry["loss"] for entry in model["history"]] == pytest.approx([0, 0])  # there is no other video


def test_check_request_one_video_of_small_clips_is_an_error(run_train, tmp_path):
    with pytest.raises(StageError, match="one video to train on, and a clip of it is too small for batch norm"):
        run_train(videos=one_video(tmp_path, ""), changed={"crop_size": 32})


def test_load_initial_weights_of_another_width_is_an_error(run_train, tmp_path):
    run_train("warmup", changed={"epochs": 0})
    init = tmp_path / "warmup" / "model.pt"
    with pytest.raises(StageError, match=r"warmup.*cannot start this run"):
        run_train("wider", init=init, changed={"width": 0.25})


def test_train_imports_few_packages():
    blocked = [
        "tensorboard",
        "pandas",
        "yaml",
        "av",
        "sklearn",
        "faiss",
        "snakemake",
        "scipy",
        "matplotlib",
        "jsonschema",
    ]
    script = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\nimport workflow_scripts.pretraining.train"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_train_bfloat16_agrees_with_float32(run_train):
    """The first loss is near that of float32, and the weights are float32."""
    exact, fast = (run_train(name, changed={"precision": name, "epochs": 1}) for name in ("float32", "bfloat16"))
    assert fast["history"][0]["loss"] == pytest.approx(exact["history"][0]["loss"], rel=0.2)
    assert not torch.equal(exact["bank"], fast["bank"])
    assert all(weight.dtype != torch.bfloat16 for weight in fast["state_dict"].values())


def test_train_nan_loss_is_an_error(run_train):
    with pytest.raises(StageError, match=r"run: the loss is nan in epoch \d; lower the run's lr \(1e\+30"):
        run_train(changed={"lr": 1e30, "epochs": 20, "lr_milestones": ()})


def test_train_digest_depends_on_the_request_and_not_on_time(run_train, tmp_path):
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


def test_train_does_not_depend_on_the_order_of_files_and_rows(
    run_train, tmp_path, tiny, frames_files, videos_table, clusters_file, encoding_files
):
    """Bank, clusters, sketches and frames are joined by video id."""
    header, *rows = videos_table.read_text().splitlines()
    shuffled = tmp_path / "shuffled.tsv"
    shuffled.write_text("\n".join([header, *rows[5:], *rows[:5][::-1]]) + "\n")
    run_train("warmup", changed={"epochs": 1})
    init = tmp_path / "warmup" / "model.pt"
    warmup = torch.load(init, weights_only=True)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    turned = tmp_path / "turned.pt"
    names = [warmup["video_ids"][row] for row in order]
    torch.save({**warmup, "bank": warmup["bank"][order], "video_ids": names}, turned)
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


def test_run_digest_differs_by_request(tmp_path, run_train):
    run_train("r", changed={"epochs": 1})
    run_train("r", changed={"epochs": 1, "lr": 0.05})
    run_train("r", changed={"epochs": 1, "checkpoint_minutes": 3})  # no influence on the result
    run_train("r", changed={"epochs": 1}, checkpoint_minutes=0)
    assert len(list((tmp_path / "r" / "checkpoints").iterdir())) == 2


def test_train_says_how_many_videos_are_shorter_than_a_clip_spans(run_train, caplog):
    run_train("spans", changed={"epochs": 1, "clip_length": 8, "frame_interval": 1})
    assert "start again" not in caplog.text
    run_train("spans_more", changed={"epochs": 1, "clip_length": 8, "frame_interval": 2})
    assert "12 of 12 videos have fewer frames than a clip spans (15)" in caplog.text
