"""The config: the paper's values by default, one sentence for every mistake, settings that cannot drift."""

import copy
import dataclasses
import itertools
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.configuration.arguments import TEXTS, argument
from workflow_scripts.configuration.datasets import dataset_values
from workflow_scripts.configuration.make_schema import DOCUMENTATION, SCHEMA, documentation_text, schema_text
from workflow_scripts.configuration.resolve import read_config, resolve
from workflow_scripts.configuration.runs import run_settings, run_values, training_threads
from workflow_scripts.configuration.schema import config_schema, keys_of
from workflow_scripts.configuration.stage_settings import changed_settings
from workflow_scripts.ground.stage import StageError, command_line

REPOSITORY = Path(__file__).parents[2]
LEAST = {"datasets": {"a": {"layout": "folder"}}, "pretraining": {"dataset": "a"}}


def _plain(settings: Any) -> dict[str, Any]:
    return dict(json.loads(json.dumps(dataclasses.asdict(settings))))


def test_run_values_are_by_default_those_of_the_training() -> None:
    from workflow_scripts.pretraining.settings import PretrainingSettings

    values = run_values(resolve(LEAST), "scratch")
    in_stage = _plain(PretrainingSettings())
    assert {key: values[key] for key in in_stage} == in_stage


def test_schema_text_and_documentation_text_are_in_their_files() -> None:
    hint = "a settings dataclass changed; run `make schema`"
    assert SCHEMA.read_text() == schema_text(), hint
    assert DOCUMENTATION.read_text() == documentation_text(), hint


def test_config_schema_explains_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(config_schema())

    def nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        entry = node.get("additionalProperties") or node.get("items") or {}
        for key, part in {**node.get("properties", {}), **entry.get("properties", {})}.items():
            if "$ref" not in part:
                yield f"{path}.{key}", part
                yield from nodes(part, f"{path}.{key}")

    keys = dict(nodes(config_schema(), "config"))
    assert len(keys) > 100
    for path, node in keys.items():
        assert node["description"].endswith("."), path
        assert "type" in node or "anyOf" in node or path == "config.report.sources.value", path
        source = node.get("source", "ours")
        assert source.startswith(("paper ", "reference [", "authors' code", "ours")), path


def test_keys_of_stages_have_a_source() -> None:
    for section in ("videos", "persons", "trajectories", "encoding", "clusters", "frames"):
        assert [key for key, node in keys_of(section).items() if "source" not in node] == []
    of_names = {"dataset", "runs", "datasets"}
    for section in ("pretraining", "evaluation"):
        assert {key for key, node in keys_of(section).items() if "source" not in node} <= of_names


def test_keys_of_sections_have_the_values_of_setting() -> None:
    persons = keys_of("persons")
    assert persons["hog_height"]["detectors"] == ["hog"] and "detectors" not in persons["stride"]
    assert persons["hog_height"]["minimum"] == 128 and persons["hog_height"]["unit"] == "pixels"
    assert keys_of("trajectories")["keep"]["influences_result"] is False
    assert (
        keys_of("datasets")["shards"]["default_key"] == "videos.shards"
        and "default" not in keys_of("datasets")["shards"]
    )
    pretraining = keys_of("pretraining")
    assert (pretraining["width"]["source"], pretraining["color"]["source"]) == ("paper 4.2", "paper 4.2")
    assert pretraining["lr_milestones"]["items"] == {"type": "integer"}


def test_keys_of_persons_name_the_detectors_that_boxes_allows() -> None:
    boxes = keys_of("descriptors")["boxes"]["enum"]
    named = {detector for node in keys_of("persons").values() for detector in node.get("detectors", [])}
    assert named == set(boxes) - {"none"}


def _with(path: str, value: Any) -> dict[str, Any]:
    config: dict[str, Any] = copy.deepcopy(LEAST)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return config


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
        ("descriptors.idt", {"rows": "/no/such"}, "descriptors.idt.rows: the folder /no/such is not there"),
        (
            "descriptors.idt",
            {"boxes": "files"},
            "persons.files (for descriptors.idt.boxes): the folder (empty) is",
        ),
    ],
)
def test_resolve_names_the_wrong_key_in_one_sentence(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(StageError) as told:
        resolve(_with(path, value))
    assert sentence in str(told.value) and str(told.value).startswith("config: ")


def test_resolve_accepts_init_from_a_run_or_a_file(tmp_path: Path) -> None:
    weights = tmp_path / "resnet-18-kinetics.pth"
    weights.touch()
    runs = {"ir": {"objective": "instance", "init": str(weights)}, "other": {"objective": "instance", "init": "ir"}}
    config = resolve(_with("pretraining.runs", runs))
    assert run_values(config, "ir")["init"] == str(weights)
    assert run_values(config, "other")["init"] == "ir"
    assert argument("init", ["my weights/r18.pth"]) == "--init 'my weights/r18.pth'"


def test_dataset_values_names_a_missing_root(tmp_path: Path) -> None:
    config = resolve(_with("datasets.a.root", str(tmp_path / "none")))
    with pytest.raises(StageError, match=r"datasets\.a\.root: the folder .*none is not there"):
        dataset_values(config, "a", "")


def test_dataset_values_finds_a_manifest_in_the_folder_of_the_snakefile(tmp_path: Path) -> None:
    given = {"layout": "manifest", "root": str(tmp_path), "manifest": "list.csv"}
    config = resolve(_with("datasets.a", given))
    with pytest.raises(StageError, match=r"datasets\.a\.manifest: no file list\.csv"):
        dataset_values(config, "a", str(tmp_path / "beside"))
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "list.csv").write_text("path\n")
    assert "beside" in dataset_values(config, "a", str(tmp_path / "beside"))["manifest"]


def test_changed_settings_are_those_that_differ() -> None:
    config = resolve(_with("encoding.components", 8))
    assert changed_settings("encoding", config["encoding"]) == '{"components": 8}'
    assert changed_settings("encoding", resolve(LEAST)["encoding"]) == "{}"


def test_run_settings_do_not_contain_checkpoint_minutes() -> None:
    """They have no influence on the result, so that a change of them must train nothing again."""
    runs = {"ir": {"objective": "instance"}, "la": {"objective": "local_aggregation", "clusters": "joint"}}
    pretraining = {"dataset": "a", "runs": runs}
    before = resolve(_with("pretraining", pretraining))
    after = resolve(_with("pretraining", {**pretraining, "checkpoint_minutes": 3}))
    for run in runs:
        assert run_settings(before, run) == run_settings(after, run)


def test_run_values_override_those_of_the_sections() -> None:
    given = _with("pretraining", {"dataset": "a", "epochs": 7, "runs": {"ir": {"objective": "instance", "k": 5}}})
    config = resolve({**given, "clusters": {"m": 2}})
    values = run_values(config, "ir")
    assert (values["epochs"], values["k"], values["m"], values["lr"]) == (7, 5, 2, 0.03)
    assert "lr" not in config["pretraining"]["runs"]["ir"]


def test_training_threads_grow_with_network_and_batch_size() -> None:
    demo = resolve(yaml.safe_load((REPOSITORY / "config.yaml").read_text()))
    assert {training_threads(demo, run) for run in ["scratch", *demo["pretraining"]["runs"]]} == {1}
    paper = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    assert training_threads(paper, "la_idt") == 8
    of_batch = [training_threads(paper, "la_idt", batch) for batch in (1, 2, 3, 128)]
    assert of_batch == sorted(of_batch) and of_batch[0] > 1 and of_batch[-1] == 8


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


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_argument_of_files_is_quoted_for_the_shell(files: list[str]) -> None:
    text = argument("the_files", files)
    command = ["bash", "-c", f"printf '%s\\0' {text}"]
    words = subprocess.run(command, capture_output=True, check=True).stdout.split(b"\0")[:-1]
    paths = [f"./{file}" if file.startswith("-") else file for file in files]  # else an option
    assert words == ([name.encode() for name in ("--the-files", *paths)] if files else [b""])


def test_argument_of_thousands_of_files_goes_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [
        f"results/evaluation/run{run}/seed0/{dataset}/split{split}/{protocol}.json"
        for run in range(1000)
        for dataset in ("ucf101", "my data")
        for split in (1, 2, 3)
        for protocol in ("finetune", "linear")
    ]
    text = argument("the_files", files)
    assert len(text) < 200 and text == argument("the_files", files)
    assert text != argument("the_files", files[:-1])
    seen: list[Path] = []

    def stage(the_files: list[Path]) -> None:
        """Reads the list."""
        seen.extend(the_files)

    command_line(stage, shlex.split(text))
    assert seen == [Path(file) for file in files]
    (written,) = [path for path in (tmp_path / TEXTS).iterdir() if path.name in text]
    written.write_text("[1,")
    with pytest.raises(SystemExit):
        command_line(stage, shlex.split(text))
    argument("the_files", files)
    assert json.loads(written.read_text()) == files, "a damaged list is written again"


@pytest.mark.parametrize("kind", ["lists", "maps", "deep lists", "deep maps", "long"])
def test_read_config_refuses_too_large_configs_in_seconds(tmp_path: Path, kind: str) -> None:
    """Aliases of YAML are nothing until somebody walks through them: 9 to the 9th values here."""
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
    start = time.monotonic()
    with pytest.raises(StageError, match=r"^config: .*(more than 100000 values|nested too deeply|longer than)"):
        read_config([path])
    assert time.monotonic() - start < 10


def test_resolve_refuses_the_crafted_config(shared: Path) -> None:
    with pytest.raises(StageError, match=r"more than 50 levels. Each alias \(\*name\) counts as a copy"):
        resolve(yaml.safe_load((shared / "videos" / "hostile" / "laughs.yaml").read_text()))
