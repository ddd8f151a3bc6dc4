"""Resolving a config: shipped configs, and one sentence for each mistake."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_config import config_with

from workflow_scripts.configuration.arguments import argument
from workflow_scripts.configuration.resolve import read_config, resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.ground.stage import StageError

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("pretraining.epoch", 3, "pretraining.epoch is not a known key; did you mean epochs"),
        (
            "pretraining.runs",
            {"ir": {"objective": "instance", "lrr": 1}},
            "runs.ir.lrr is not a known key; did you mean lr",
        ),
        ("encoding.gmm", 3, "encoding.gmm is not a known key; known are resample, pca_variance"),
        ("encodings", {}, "encodings is not a known key; did you mean encoding"),
        ("encoding.components", "8", "encoding.components: '8' is not of type 'integer'"),
        ("datasets.a.layout", "zip", "datasets.a.layout: 'zip' is not one of"),
        ("datasets.tables", {"layout": "folder"}, "datasets.tables: the folder results/tables holds something else"),
        ("pretraining.dataset", "b", "pretraining.dataset names 'b', which is not among a"),
        ("pretraining.subset", "a/b", "pretraining.subset: 'a/b' must be all, a number, FOLDER, splitN, or one of"),
        ("evaluation.datasets", ["b"], "evaluation.datasets names 'b'"),
        ("evaluation.runs", ["la"], "evaluation.runs names 'la'"),
        (
            "report.comparisons",
            [{"title": "Prior", "runs": ["idt", "la"]}],
            "report.comparisons, 'Prior', names 'la', which is not among",
        ),
        (
            "report.tables",
            {"table1": {"title": "One", "rows": [{"method": "LA", "run": "la"}]}},
            "report.tables.table1 names 'la', which is not among scratch, idt",
        ),
        (
            "report.tables",
            {"table1": {"title": "One", "supervised": "idt", "rows": [{"method": "Scratch", "run": "scratch"}]}},
            "report.tables.table1.supervised names 'idt', which is not among scratch",
        ),
        (
            "report.tables",
            {"method_table": {"title": "One", "rows": [{"method": "Scratch", "run": "scratch"}]}},
            "report.tables.method_table: results/tables/method_table.tsv is another table",
        ),
        ("pretraining.runs", {"la": {"objective": "local_aggregation"}}, "runs.la: objective local_aggregation"),
        ("pretraining.runs", {"ir": {"objective": "instance", "init": "x"}}, "runs.ir.init names 'x'"),
        (
            "pretraining.runs",
            {"ir": {"objective": "instance", "init": "w/x.pth"}},
            "among ir, and no file has this path",
        ),
        ("pretraining.runs", {"ir": {"objective": "instance", "init": "ir"}}, "a run cannot start from itself"),
        ("pretraining.runs", {"idt": {"objective": "instance"}}, "the runs scratch, idt, idt_fisher always exist"),
        ("descriptors.idt", {"rows": "/no/such"}, "descriptors.idt.rows: the folder /no/such does not exist"),
        ("descriptors.own", {"vectors": "own.csv"}, "descriptors.own.vectors: the file own.csv does not exist"),
        ("descriptors.own", {"vectors": __file__}, "test_resolve.py is none of .h5, .hdf5, .npz, .csv, .parquet"),
        ("descriptors.joint", {"boxes": "none"}, "descriptors.joint: `clusters: joint` means something else"),
        (
            "pretraining.runs",
            {"la": {"objective": "local_aggregation", "clusters": "own"}},
            "needs clusters: network, idt, joint or the name of descriptors",
        ),
        ("descriptors.idt", {"boxes": "files"}, "for descriptors.idt.boxes): the folder (empty) does not exist"),
    ],
)
def test_resolve_names_the_wrong_key_in_one_sentence(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(StageError) as raised:
        resolve(config_with(path, value))
    assert sentence in str(raised.value) and str(raised.value).startswith("config: ")


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A file of vectors."""
    (tmp_path / "own.csv").touch()
    return str(tmp_path / "own.csv")


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"boxes": "none"}, "remove boxes from the entry"),
        ({"channels": ["mbh"], "rows": "folder"}, "remove rows and channels from the entry"),
    ],
)
def test_resolve_refuses_other_keys_beside_vectors(own: str, others: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StageError, match=f"descriptors.own.vectors: vectors are used as they are; {sentence}"):
        resolve(config_with("descriptors.own", {"vectors": own, **others}))


def test_resolve_refuses_fisher_vectors_of_own_vectors(own: str) -> None:
    config = config_with("descriptors", {"own": {"vectors": own}, "idt": {"boxes": "none"}})
    assert resolve(config)["descriptors"]["own"]["vectors"] == own
    with pytest.raises(StageError, match=r"idt_fisher needs Fisher vectors, and descriptors\.own has `vectors`"):
        resolve({**config, "evaluation": {"runs": ["idt_fisher"]}})


def test_clusters_of_a_run_name_descriptors() -> None:
    runs = {
        "named": {"objective": "local_aggregation", "clusters": "masked"},
        "first": {"objective": "local_aggregation", "clusters": "idt"},
        "both": {"objective": "local_aggregation", "clusters": "idt", "descriptors": "masked"},
    }
    config = config_with("pretraining.runs", runs)
    config["descriptors"] = {"plain": {"boxes": "none"}, "masked": {"boxes": "hog"}}
    resolved = resolve(config)
    chosen = {run: (run_values(resolved, run)["clusters"], run_values(resolved, run)["descriptors"]) for run in runs}
    assert chosen == {"named": ("idt", "masked"), "first": ("idt", "plain"), "both": ("idt", "masked")}
    assert resolve(resolved) == resolved, "results/config.yaml can be used again"
    assert config["pretraining"]["runs"]["named"] == {"objective": "local_aggregation", "clusters": "masked"}


def test_resolve_accepts_init_from_a_run_or_a_file(tmp_path: Path) -> None:
    weights = tmp_path / "resnet-18-kinetics.pth"
    weights.touch()
    runs = {"ir": {"objective": "instance", "init": str(weights)}, "other": {"objective": "instance", "init": "ir"}}
    config = resolve(config_with("pretraining.runs", runs))
    assert run_values(config, "ir")["init"] == str(weights)
    assert run_values(config, "other")["init"] == "ir"
    assert argument("init", ["my weights/r18.pth"]) == "--init 'my weights/r18.pth'"


@pytest.mark.parametrize("path", sorted([REPOSITORY / "config.yaml", *REPOSITORY.glob("configs/*.yaml")]), ids=str)
def test_resolve_accepts_every_shipped_config(path: Path) -> None:
    resolve(yaml.safe_load(path.read_text()))


def test_resolve_of_the_papers_config_has_the_papers_values() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    assert (config["clusters"]["k"], config["clusters"]["m"], config["encoding"]["components"]) == (6000, 3, 256)
    assert (config["encoding"]["sample_videos"], config["encoding"]["sample_descriptors"]) == (3500, 500)
    assert config["descriptors"]["idt"]["boxes"] == "detectron2"
    values = run_values(config, "la_idt_fixed")
    paper = {
        "depth": 18,
        "width": 1.0,
        "crop_size": 112,
        "clip_length": 16,
        "epochs": 200,
        "batch_size": 256,
        "lr": 0.03,
    }
    paper |= {
        "momentum": 0.9,
        "lr_milestones": [160, 190],
        "temperature": 0.07,
        "negatives": 4096,
        "embedding_dim": 128,
    }
    assert {key: values[key] for key in paper} == paper
    assert run_values(config, "ir_warmup")["epochs"] == 40
    assert (config["evaluation"]["finetune_lr"], config["evaluation"]["finetune_batch_size"]) == (0.1, 128)
    assert "demo" not in json.dumps(config) and "generated" not in json.dumps(config["datasets"]).replace(
        '"generated": {}', ""
    )


@pytest.mark.parametrize("kind", ["lists", "maps", "deep lists", "deep maps", "long"])
def test_read_config_refuses_too_large_configs_in_seconds(tmp_path: Path, kind: str) -> None:
    """Aliases of YAML take no memory, but here they stand for 9**9 values."""
    lines = ["datasets: {q: {layout: generated}}", "pretraining: {dataset: q}", "report:", "  baselines:"]
    if kind in ("lists", "maps"):
        lines.append("    a: &a {x: 1}")
        for above, name in itertools.pairwise("abcdefghijk"):
            words = [f"*{above} " if kind == "lists" else f"{key}: *{above} " for key in "pqrstuvwx"]
            brackets = "[]" if kind == "lists" else "{}"
            lines.append(f"    {name}: &{name} {brackets[0]}{', '.join(words)}{brackets[1]}")
    elif kind == "long":
        lines.append("    a: " + "x" * 11_000_000)
    else:
        opening, closing = ("[", "]") if kind == "deep lists" else ("{a: ", "}")
        lines.append(f"    a: {opening * 3000}1{closing * 3000}")
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines) + "\n")
    start = time.process_time()
    with pytest.raises(StageError, match=r"^config: .*(more than 100000 values|nested too deeply|longer than)"):
        read_config([path])
    assert time.process_time() - start < 10


def test_resolve_refuses_the_crafted_config(shared: Path) -> None:
    with pytest.raises(StageError, match=r"more than 50 levels. Each alias \(\*name\) counts as a copy"):
        resolve(yaml.safe_load((shared / "videos" / "hostile" / "laughs.yaml").read_text()))
