"""No run is evaluated on videos whose labels it has learned."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import REPOSITORY

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.evaluation.label_leakage import only_split
from workflow_scripts.ground.stage import StageError

SUPERVISED = {"objective": "supervised"}


def config(
    runs: dict[str, Any], evaluated: list[str], datasets: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Runs trained on the dataset `mine`, all of them evaluated on `evaluated`."""
    return {
        "datasets": {"mine": {"layout": "folder", "root": "videos"}, **(datasets or {})},
        "pretraining": {"dataset": "mine", "runs": runs},
        "evaluation": {"datasets": evaluated},
        **more,
    }


def test_check_label_leakage_refuses_a_supervised_run_on_the_evaluated_dataset() -> None:
    with pytest.raises(StageError) as refused:
        resolve(config({"sup": SUPERVISED}, ["mine"]))
    sentence = str(refused.value)
    assert sentence.startswith(
        "config: the run sup has learned labels of test videos of mine in pretraining.runs.sup. Do one of these: "
    )
    assert "subset: split1" in sentence and "take sup out of evaluation.runs" in sentence


@pytest.mark.parametrize("subset", ["split2", "split2:30"])
def test_only_split_of_a_run_on_a_training_part_is_that_split(subset: str) -> None:
    runs = {"sup": {**SUPERVISED, "subset": subset}, "after": {"objective": "instance", "init": "sup"}}
    resolved = resolve(config(runs, ["mine"]))
    assert [only_split(resolved, run, "mine") for run in ("sup", "after", "scratch")] == [2, 2, None]
    assert only_split(resolved, "sup", "another") is None


def test_check_label_leakage_refuses_a_run_that_starts_from_a_refused_run() -> None:
    runs = {"sup": SUPERVISED, "la": {"objective": "local_aggregation", "clusters": "network", "init": "sup"}}
    evaluated = config(runs, ["mine"])
    evaluated["evaluation"]["runs"] = ["la"]
    with pytest.raises(StageError, match=r"the run la has learned labels of test videos of mine in .*runs\.sup\."):
        resolve(evaluated)
    runs["la"]["subset"] = "split1"  # sup has learned labels of all videos, so the subset of la does not help
    with pytest.raises(StageError, match=r"in pretraining\.runs\.sup\."):
        resolve(evaluated)
    runs["sup"] = {**SUPERVISED, "subset": "split2"}  # whose training part holds test videos of split 1
    with pytest.raises(StageError, match=r"in pretraining\.runs\.sup\."):
        resolve(evaluated)
    runs["sup"] = {**SUPERVISED, "subset": "split1"}
    assert only_split(resolve(evaluated), "la", "mine") == 1


@pytest.mark.parametrize(
    "runs",
    [
        {"ir": {"objective": "instance"}},
        {"hara": {**SUPERVISED, "epochs": 0}},  # zero epochs: it learns nothing
    ],
)
def test_check_label_leakage_allows_runs_that_learn_no_labels(runs: dict[str, Any]) -> None:
    resolve(config(runs, ["mine"]))


def test_check_label_leakage_allows_runs_that_are_not_evaluated() -> None:
    unevaluated = config({"sup": SUPERVISED}, ["mine"])
    unevaluated["evaluation"]["runs"] = ["scratch"]
    resolve(unevaluated)
    row = {"method": "Supervised", "run": "sup"}
    unevaluated["report"] = {"tables": {"table1": {"title": "One", "rows": [row]}}}  # a table evaluates it
    with pytest.raises(StageError, match="labels of test videos of mine"):
        resolve(unevaluated)


def test_share_videos_compares_roots_lists_and_seeds(tmp_path: Path) -> None:
    for name in ("videos/part", "annotations", "other", "third"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "videos")
    for root in ("videos", "other"):
        (tmp_path / root / "list.csv").touch()

    def evaluated(trained: dict[str, Any], tested: dict[str, Any]) -> None:
        resolve(config({"sup": SUPERVISED}, ["tested"], {"mine": trained, "tested": tested}))

    def folder(root: str) -> dict[str, Any]:
        return {"layout": "folder", "root": str(tmp_path / root)}

    def listed(root: str, **of: str) -> dict[str, Any]:
        return {"layout": "manifest" if "manifest" in of else "ucf101", "root": str(tmp_path / root), **of}

    def generated(seed: int) -> dict[str, Any]:
        return {"layout": "generated", "generated": {"seed": seed}}

    annotations = str(tmp_path / "annotations")
    shared = [
        (folder("videos"), folder("link")),
        (folder("videos"), folder("videos/part")),
        (listed("videos", annotations=annotations), listed("other", annotations=annotations)),
        (generated(1), generated(1)),
    ]
    for pair in shared:
        with pytest.raises(StageError, match=r"test videos of tested \(its root or list overlaps that of mine"):
            evaluated(*pair)
    evaluated(folder("videos"), folder("other"))
    evaluated(listed("videos", manifest="list.csv"), listed("other", manifest="list.csv"))  # a file below each root
    evaluated(generated(1), generated(2))
    evaluated(generated(0), folder("videos"))


@pytest.mark.parametrize("path", [Path("config.yaml"), *sorted(REPOSITORY.glob("configs/*.yaml"))], ids=str)
def test_check_label_leakage_allows_every_shipped_config(path: Path) -> None:
    shipped = yaml.safe_load((REPOSITORY / path).read_text())
    resolve(shipped)
    assert shipped["pretraining"]["dataset"] not in shipped["evaluation"]["datasets"] or not any(
        run["objective"] == "supervised" for run in shipped["pretraining"]["runs"].values()
    )
