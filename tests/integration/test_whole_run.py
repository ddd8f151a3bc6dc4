"""The whole pipeline on a tiny generated dataset: all results exist, and a change reruns only what depends on it."""

import copy
import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
import yaml
from workflow import ENVIRONMENT, REPOSITORY, Workflow

from idt_tools.attributes import read_attributes
from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.operations.checkpoints import training_folder


def _changed(config: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    node = changed
    for key in path[:-1]:
        node = node.setdefault(key, {})
    node[path[-1]] = to
    return changed


def test_run_ends_with_report(tiny: Workflow) -> None:
    page = (tiny.folder / "results" / "report" / "index.html").read_text()
    assert "la_idt_tune" in page or "IDT" in page
    assert "Nothing to be done" in tiny.run("--dry-run")
    assert yaml.safe_load((tiny.folder / "results" / "config.yaml").read_text())["clusters"]["k"] == 3


def test_artifacts_have_stage_and_version(tiny: Workflow) -> None:
    files = [path for path in (tiny.folder / "results").rglob("*.h5")]
    stages = Counter()
    for path in files:
        with h5py.File(path) as file:
            stages[read_attributes(file)["stage"]] += 1
            assert "VERSION" in file.attrs and "parameters" in file.attrs, path
    assert {"trajectories", "frames"} <= set(stages) and len(stages) >= 4
    with open(tiny.folder / "results" / "tiny" / "videos" / "index.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 12 and {row["status"] for row in rows} == {"ok"}
    assert Counter((row["label"], row["scene"]) for row in rows).most_common()[0][1] == 2


def test_records_hold_number_of_videos_and_chance(tiny: Workflow) -> None:
    results = sorted((tiny.folder / "results" / "evaluation").rglob("split1/*.json"))
    assert {(path.parts[-5], path.stem) for path in results} == {
        *((run, protocol) for run in ("scratch", "la", "la_idt_tune") for protocol in ("finetune", "linear", "knn")),
        ("idt", "svm"),
    }
    digests = Counter()
    for path in results:
        record = json.loads(path.read_text())
        digests[record["config_digest"]] += 1
        assert record["n_train"] + record["n_test"] == 12 and record["n_left_out"] == 0
        assert 0 <= record["accuracy"] <= 1 and record["chance"] == pytest.approx(1 / 3)
    assert set(digests.values()) == {1}, "runs that differ only in the objective have different digests"


def test_models_hold_bank_and_labels(tiny: Workflow) -> None:
    model = torch.load(tiny.folder / "results/pretraining/la_idt_tune/seed0/model.pt", weights_only=True)
    assert len(model["video_ids"]) == 12 == len(model["bank"]) and model["labels"].shape == (2, 12)


def test_changed_run_reruns_its_dependents(tiny: Workflow) -> None:
    config = _changed(tiny.config, "pretraining", "runs", "la", "lr", to=0.01)
    assert tiny.planned(config=config) == Counter(
        resolved_config=1, pretraining=1, finetune=1, features=1, linear=1, knn=1, cluster_bank=1, report=1
    )
    config = _changed(tiny.config, "pretraining", "runs", "la_idt", "lr", to=0.01)
    assert tiny.planned(config=config)["pretraining"] == 2  # and la_idt_tune, which starts from it


def _raise_version(folder: Path, noun: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises the VERSION of a stage for Snakemake, but not for the stages."""
    settings = f"workflow_scripts.{noun}.settings"
    (folder / "sitecustomize.py").write_text(
        "import sys\nif 'snakemake' in sys.argv[0]:\n"
        f"    from {settings} import VERSIONS\n    VERSIONS[{stage!r}] += 1\n"
    )
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", str(folder))


@pytest.mark.parametrize(
    ("noun", "stage", "rerun"),
    [
        ("evaluation", "linear", {"linear": 3, "report": 1}),
        ("evaluation", "features", {"features": 3, "knn": 3, "linear": 3, "report": 1}),
        ("evaluation", "finetune", {"finetune": 3, "report": 1}),
        ("evaluation", "cluster_bank", {"cluster_bank": 2, "report": 1}),
        ("report", "draw_examples", {"examples": 1, "report": 1}),
    ],
)
def test_raised_version_reruns_only_its_stage(
    tiny: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noun: str, stage: str, rerun: dict[str, int]
) -> None:
    _raise_version(tmp_path, noun, stage, monkeypatch)
    assert tiny.planned() == Counter(rerun)


def test_raised_version_of_select_videos_retrains_nothing_for_equal_list(
    tiny: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny.folder, tmp_path / "mended")
    mended = Workflow(tmp_path / "mended", tiny.config)
    _raise_version(tmp_path, "pretraining", "select_videos", monkeypatch)
    assert mended.planned("results/pretraining/videos/idt/all.tsv") == Counter(training_videos=1)
    mended.run("results/pretraining/videos/idt/all.tsv")
    assert "Nothing to be done" in mended.run("--dry-run")


def test_changed_mixture_reruns_no_trajectories(tiny: Workflow) -> None:
    config = _changed(tiny.config, "encoding", "components", to=5)
    planned = tiny.planned(config=config)
    assert planned["codebook"] == 2 and planned["encoding"] == 3 and planned["clusters"] == 1
    assert not {"videos", "persons", "trajectories", "frames"} & set(planned)


def test_changed_per_channel_reruns_only_fisher_vectors(tiny: Workflow) -> None:
    config = _changed(tiny.config, "encoding", "per_channel", to=True)
    assert tiny.planned(config=config) == Counter(resolved_config=1, report=1)
    config = _changed(config, "evaluation", "runs", to=["idt", "idt_fisher"])
    planned = tiny.planned(config=config)
    assert planned["codebook"] == 1 and planned["fisher_vectors"] > 0 and not planned["encoding"]


CHANGES = {  # the README's first column, and a key and a value as its example
    "`persons.*`, `descriptors.NAME.boxes`": ("descriptors", "idt", "boxes", "hog"),
    "`trajectories.max_side`": ("trajectories", "max_side", 100),
    "`encoding.components`": ("encoding", "components", 5),
    "`frames.short_side`": ("frames", "short_side", 44),
    "`clusters.k`": ("clusters", "k", 4),
    "`pretraining.temperature`": ("pretraining", "temperature", 0.1),
    "`pretraining.runs.NAME.*`": ("pretraining", "runs", "la", "lr", 0.01),
    "`pretraining.seeds`": ("pretraining", "seeds", [0, 1]),
    "`evaluation.finetune_*`": ("evaluation", "finetune_epochs", 2),
    "`report.*`": ("report", "thumbnail_frames", 5),
}
ADDED = "a video is added"


def _readme() -> dict[str, str]:
    """The README's table: the nouns that run again, by change."""
    table = (REPOSITORY / "README.md").read_text().partition("| what you change |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|", table.partition("|---|\n")[2], re.MULTILINE))


def _nouns(planned: Counter[str]) -> str:
    """The nouns of planned rules, in the README's order."""
    of_rule = {
        rule: path.stem
        for path in (REPOSITORY / "rules").glob("*.smk")
        for rule in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.MULTILINE)
    }
    order = "videos persons trajectories encoding frames clusters pretraining evaluation report".split()
    return ", ".join(sorted({of_rule[rule] for rule in planned}, key=order.index))


def test_readme_lists_tested_changes() -> None:
    assert list(_readme()) == [ADDED, *CHANGES]


@pytest.mark.parametrize("change", CHANGES)
def test_change_reruns_nouns_of_readme(tiny: Workflow, change: str) -> None:
    *path, to = CHANGES[change]
    planned = tiny.planned(config=_changed(tiny.config, *path, to=to))
    assert _readme()[change] == _nouns(planned)
    if planned["trajectories"]:
        assert planned["codebook"] == 2, "the codebook of the new trajectories is fitted in the same run"


@pytest.mark.parametrize(
    ("path", "to", "retrained"),
    [
        (("clusters", "k"), 4, {"la", "la_idt", "la_idt_tune"}),
        (("pretraining", "negatives"), 9, {"ir", "la", "la_idt", "la_idt_tune"}),  # of ir, from which all start
        (("pretraining", "neighbours"), 9, {"la", "la_idt", "la_idt_tune"}),
        (("pretraining", "kmeans_iterations"), 9, {"la", "la_idt_tune"}),
        (("pretraining", "temperature"), 0.1, {"ir", "la", "la_idt", "la_idt_tune"}),
        (("pretraining", "runs", "la_idt", "lr"), 0.01, {"la_idt", "la_idt_tune"}),
        (("pretraining", "lr_milestones"), [1], set()),  # there is one epoch
    ],
)
def test_change_retrains_runs_that_read_it(tiny: Workflow, path: tuple[str, ...], to: Any, retrained: set) -> None:
    output = tiny.run("--dry-run", config=_changed(tiny.config, *path, to=to))
    assert set(re.findall(r"output: results/pretraining/([^/]+)/seed0/model.pt", output)) == retrained


def test_added_video_reruns_nouns_of_readme(tiny: Workflow, tmp_path: Path) -> None:
    shutil.copytree(tiny.folder, tmp_path / "grown")
    generated = {**tiny.config["datasets"]["tiny"]["generated"], "per_pair": 3}
    config = _changed(tiny.config, "datasets", "tiny", "generated", to=generated)
    grown = Workflow(tmp_path / "grown", config)
    grown.run("results/tiny/videos/index.tsv")
    planned = grown.planned()
    assert _readme()[ADDED].replace("persons, ", "") == _nouns(planned)  # people are not masked here
    assert not planned["codebook"]


def test_explicit_default_reruns_nothing(tiny: Workflow) -> None:
    config = _changed(tiny.config, "pretraining", "momentum", to=0.9)
    assert "Nothing to be done" in tiny.run("--dry-run", config=config)


def test_training_folder_depends_on_read_keys(tiny: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a key that a run reads gives another folder."""
    monkeypatch.chdir(tiny.folder)
    config = resolve(tiny.config)
    changed = resolve(_changed(tiny.config, "pretraining", "neighbours", to=7))
    for run in ("ir", "la", "la_idt", "la_idt_tune"):
        (folder,) = Path(f"results/pretraining/{run}/seed0/checkpoints").iterdir()
        assert training_folder(config, run, 0) == folder
        assert (training_folder(changed, run, 0) == folder) == (run == "ir")
    assert not list(Path("results/evaluation").rglob("checkpoints")), "finished evaluations leave no checkpoints"


def test_snakemake_report_is_written(tiny: Workflow) -> None:
    tiny.run("--report", "snakemake_report.html")
    page = (tiny.folder / "snakemake_report.html").read_text()
    assert "few_shot.svg" in page and "Accuracy of each run" in page


def test_keep_sample_gives_equal_sketches(tiny: Workflow, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = _changed(tiny.config, "trajectories", "keep", to="sample")
    workflow = Workflow(tmp_path_factory.mktemp("sample"), config)
    encodings = [f"results/tiny/encoding/idt/{shard}.h5" for shard in ("000of002", "001of002")]
    workflow.run(*encodings)
    n_stored = sum(len(h5py.File(path)) for path in (workflow.folder / "results/tiny/trajectories/idt").glob("*.h5"))
    assert n_stored == 6 == config["encoding"]["sample_videos"]
    for path in encodings:
        with h5py.File(tiny.folder / path) as one, h5py.File(workflow.folder / path) as other:
            assert len(one["sketch"]) > 0 and (one["video_id"][:] == other["video_id"][:]).all()
            assert (one["sketch"][:] == other["sketch"][:]).all()
    assert "Nothing to be done" in workflow.run("--dry-run", *encodings)
