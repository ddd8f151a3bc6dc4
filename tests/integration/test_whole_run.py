"""The whole pipeline on a tiny generated dataset: everything is there, nothing runs twice, a change reruns its part."""

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


def test_it_ends_with_a_report_and_nothing_is_left_to_do(tiny: Workflow) -> None:
    page = (tiny.folder / "results" / "report" / "index.html").read_text()
    assert "la_idt_tune" in page or "IDT" in page
    assert "Nothing to be done" in tiny.run("--dry-run")
    assert yaml.safe_load((tiny.folder / "results" / "config.yaml").read_text())["clusters"]["k"] == 3


def test_every_artifact_opens_and_says_what_it_is(tiny: Workflow) -> None:
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


def test_results_carry_their_number_of_videos_and_chance(tiny: Workflow) -> None:
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
    assert set(digests.values()) == {1}, "runs that differ by the objective alone have digests of their own"


def test_models_hold_what_later_stages_need(tiny: Workflow) -> None:
    model = torch.load(tiny.folder / "results/pretraining/la_idt_tune/seed0/model.pt", weights_only=True)
    assert len(model["video_ids"]) == 12 == len(model["bank"]) and model["labels"].shape == (2, 12)


def test_one_parameter_of_a_run_reruns_it_and_what_hangs_on_it(tiny: Workflow) -> None:
    config = _changed(tiny.config, "pretraining", "runs", "la", "lr", to=0.01)
    assert tiny.planned(config=config) == Counter(
        resolved_config=1, pretraining=1, finetune=1, features=1, linear=1, knn=1, bank_clusters=1, report=1
    )
    config = _changed(tiny.config, "pretraining", "runs", "la_idt", "lr", to=0.01)
    assert tiny.planned(config=config)["pretraining"] == 2  # and la_idt_tune, which starts from it


def _raise_version(folder: Path, noun: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Snakemake see another VERSION of a stage, as after a mended stage; the stages themselves do not see it."""
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
        ("evaluation", "cluster_bank", {"bank_clusters": 2, "report": 1}),
        ("report", "draw_examples", {"examples": 1, "report": 1}),
    ],
)
def test_a_mended_stage_reruns_no_other_stage_of_its_noun(
    tiny: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noun: str, stage: str, rerun: dict[str, int]
) -> None:
    _raise_version(tmp_path, noun, stage, monkeypatch)
    assert tiny.planned() == Counter(rerun)


def test_mended_select_videos_trains_nothing_again_if_the_list_stays_the_same(
    tiny: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny.folder, tmp_path / "mended")
    mended = Workflow(tmp_path / "mended", tiny.config)
    _raise_version(tmp_path, "pretraining", "select_videos", monkeypatch)
    assert mended.planned("results/pretraining/videos/idt/all.tsv") == Counter(training_videos=1)
    mended.run("results/pretraining/videos/idt/all.tsv")
    assert "Nothing to be done" in mended.run("--dry-run")


def test_the_size_of_the_mixture_computes_no_trajectories(tiny: Workflow) -> None:
    config = _changed(tiny.config, "encoding", "components", to=5)
    planned = tiny.planned(config=config)
    assert planned["codebook"] == 2 and planned["encoding"] == 3 and planned["clusters"] == 1
    assert not {"videos", "persons", "trajectories", "frames"} & set(planned)


def test_the_codebook_of_each_channel_is_of_the_whole_fisher_vectors_alone(tiny: Workflow) -> None:
    config = _changed(tiny.config, "encoding", "per_channel", to=True)
    assert tiny.planned(config=config) == Counter(resolved_config=1, report=1)
    config = _changed(config, "evaluation", "runs", to=["idt", "idt_fisher"])
    planned = tiny.planned(config=config)
    assert planned["codebook"] == 1 and planned["fisher_vectors"] > 0 and not planned["encoding"]


CHANGES = {  # the README's first column, and what stands for it here
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
    """What the README's table says that a change runs again."""
    table = (REPOSITORY / "README.md").read_text().partition("| what you change |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|", table.partition("|---|\n")[2], re.MULTILINE))


def _nouns(planned: Counter[str]) -> str:
    """The nouns of planned rules, in the order of the README's stages."""
    of_rule = {
        rule: path.stem
        for path in (REPOSITORY / "rules").glob("*.smk")
        for rule in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.MULTILINE)
    }
    order = "videos persons trajectories encoding frames clusters pretraining evaluation report".split()
    return ", ".join(sorted({of_rule[rule] for rule in planned}, key=order.index))


def test_the_readme_names_the_changes_that_are_tried_here() -> None:
    assert list(_readme()) == [ADDED, *CHANGES]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_the_readme_says(tiny: Workflow, change: str) -> None:
    *path, to = CHANGES[change]
    planned = tiny.planned(config=_changed(tiny.config, *path, to=to))
    assert _readme()[change] == _nouns(planned)
    if planned["trajectories"]:
        assert planned["codebook"] == 2, "of other trajectories, fitted in this run and not in the next"


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
def test_a_change_retrains_the_runs_that_read_it(
    tiny: Workflow, path: tuple[str, ...], to: Any, retrained: set
) -> None:
    told = tiny.run("--dry-run", config=_changed(tiny.config, *path, to=to))
    assert set(re.findall(r"output: results/pretraining/([^/]+)/seed0/model.pt", told)) == retrained


def test_a_video_that_is_added_reruns_what_the_readme_says(tiny: Workflow, tmp_path: Path) -> None:
    shutil.copytree(tiny.folder, tmp_path / "grown")
    generated = {**tiny.config["datasets"]["tiny"]["generated"], "per_pair": 3}
    config = _changed(tiny.config, "datasets", "tiny", "generated", to=generated)
    grown = Workflow(tmp_path / "grown", config)
    grown.run("results/tiny/videos/index.tsv")
    planned = grown.planned()
    assert _readme()[ADDED].replace("persons, ", "") == _nouns(planned)  # nobody is masked here
    assert not planned["codebook"]


def test_a_default_that_is_written_out_reruns_nothing(tiny: Workflow) -> None:
    config = _changed(tiny.config, "pretraining", "momentum", to=0.9)
    assert "Nothing to be done" in tiny.run("--dry-run", config=config)


def test_the_checkpoint_of_a_training_is_found_by_what_it_depends_on(
    tiny: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no longer where a key that the run reads has changed."""
    monkeypatch.chdir(tiny.folder)
    config = resolve(tiny.config)
    changed = resolve(_changed(tiny.config, "pretraining", "neighbours", to=7))
    for run in ("ir", "la", "la_idt", "la_idt_tune"):
        (folder,) = Path(f"results/pretraining/{run}/seed0/checkpoints").iterdir()
        assert training_folder(config, run, 0) == folder
        assert (training_folder(changed, run, 0) == folder) == (run == "ir")
    assert not list(Path("results/evaluation").rglob("checkpoints")), "finished evaluations leave nothing"


def test_a_report_of_snakemakes_own_is_made(tiny: Workflow) -> None:
    tiny.run("--report", "snakemake_report.html")
    page = (tiny.folder / "snakemake_report.html").read_text()
    assert "few_shot.svg" in page and "Accuracy of every run" in page


def test_keeping_the_samples_trajectories_alone_gives_the_same_sketches(
    tiny: Workflow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = _changed(tiny.config, "trajectories", "keep", to="sample")
    workflow = Workflow(tmp_path_factory.mktemp("sample"), config)
    encodings = [f"results/tiny/encoding/idt/{shard}.h5" for shard in ("000of002", "001of002")]
    workflow.run(*encodings)
    kept = sum(len(h5py.File(path)) for path in (workflow.folder / "results/tiny/trajectories/idt").glob("*.h5"))
    assert kept == 6 == config["encoding"]["sample_videos"]
    for path in encodings:
        with h5py.File(tiny.folder / path) as one, h5py.File(workflow.folder / path) as other:
            assert len(one["sketch"]) > 0 and (one["video_id"][:] == other["video_id"][:]).all()
            assert (one["sketch"][:] == other["sketch"][:]).all()
    assert "Nothing to be done" in workflow.run("--dry-run", *encodings)
