"""The inputs of rules, without Snakemake: a folder replaces the output of the checkpoint `videos`."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace as Wildcards
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from workflow_scripts.configuration.inputs import DatasetInputs, stage_inputs
from workflow_scripts.configuration.report_inputs import ReportInputs
from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.configuration.run_inputs import RunInputs
from workflow_scripts.ground.artifacts import write_columns, write_json
from workflow_scripts.ground.identity import shard_of

RUNS = {
    "ir": {"objective": "instance"},
    "la": {"objective": "local_aggregation", "clusters": "network", "init": "ir"},
    "la_idt": {"objective": "local_aggregation", "clusters": "idt", "k": 2},
    "joint": {"objective": "local_aggregation", "clusters": "joint", "descriptors": "masked"},
    "supervised": {"objective": "supervised", "subset": "split1"},
}
N_SHARDS = 3
MakeInputs = Callable[..., ReportInputs]
VIDEOS = [f"video{number}" for number in range(8)]
SHARDS = sorted({shard_of(name, N_SHARDS) for name in VIDEOS})


def _write(table: Path, videos: list[str], **values: str) -> None:
    write_columns(table, [{"video_id": name, **values} for name in videos], ["video_id", *values])


@pytest.fixture
def report_inputs(tmp_path: Path) -> MakeInputs:
    """Returns a function that makes the inputs for a config; datasets `a` and `b` have eight videos and one split."""
    for dataset in ("a", "b"):
        folder = tmp_path / dataset
        for shard in SHARDS:
            _write(folder / "shards" / f"{shard}.tsv", [name for name in VIDEOS if shard_of(name, N_SHARDS) == shard])
        _write(folder / "sample.tsv", VIDEOS[:1])
        _write(folder / "splits.tsv", VIDEOS, split="1", part="train")
        write_json(folder / "splits.json", {"numbers": [1], "reason_for_none": ""})
        _write(folder / "index.tsv", VIDEOS, path="video.mp4", status="ok")
        write_json(folder / "totals.json", {"videos": len(VIDEOS), "pixels": 1000})

    def beside_index(dataset: str, *names: str) -> list[str]:
        return [str(tmp_path / dataset / name) for name in names]

    def inputs(**sections: Any) -> ReportInputs:
        config = {
            "datasets": {name: {"layout": "folder", "shards": N_SHARDS} for name in ("a", "b")},
            "descriptors": {"idt": {"boxes": "none"}, "masked": {"boxes": "hog"}},
            "pretraining": {"dataset": "a", "runs": RUNS},
            "evaluation": {"datasets": ["b"]},
            "clusters": {"k": 3},
            **sections,
        }
        resolved = resolve(config)
        return ReportInputs(RunInputs(DatasetInputs(resolved, resolved["datasets"], beside_index)))

    return inputs


def _names(files: list[str]) -> list[str]:
    return [Path(file).stem for file in files]


def test_stage_inputs_are_options_of_the_same_names() -> None:
    named = {"model": "a b/model.pt", "frames": ["x.h5", "y.h5"], "clusters_file": [], "init": ["-x"]}
    assert stage_inputs(None, named) == "--model 'a b/model.pt' --frames x.h5 y.h5 --init ./-x"


def test_frames_are_those_of_the_shards_that_hold_videos(report_inputs: MakeInputs) -> None:
    data = report_inputs().data
    assert data.frames("a", 40) == [f"results/a/frames/40/{shard}.h5" for shard in SHARDS]
    assert _names(data.all_shard_videos("a")) == SHARDS


def test_shard_boxes_are_inputs_only_for_descriptors_that_mask_people(report_inputs: MakeInputs) -> None:
    data = report_inputs().data
    assert data.shard_boxes(Wildcards(dataset="a", descriptors="idt", shard=SHARDS[0])) == []
    boxes = data.shard_boxes(Wildcards(dataset="a", descriptors="masked", shard=SHARDS[0]))
    assert boxes == [f"results/a/persons/hog/{SHARDS[0]}.h5"]


def test_descriptors_with_vectors_need_the_file_alone(report_inputs: MakeInputs, tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    file.touch()
    entries = {"own": {"vectors": str(file)}, "idt": {"boxes": "none"}, "masked": {"boxes": "hog"}}
    data = report_inputs(descriptors=entries).data
    wildcards = Wildcards(dataset="a", descriptors="own", shard=SHARDS[0])
    assert data.vectors(wildcards) == str(file) and data.shard_boxes(wildcards) == []
    assert data.descriptors_pattern(have_vectors=True) == "own"
    assert data.descriptors_pattern(have_vectors=False) == "idt|masked"
    assert not re.match(report_inputs().data.descriptors_pattern(have_vectors=True), "idt")


@pytest.mark.parametrize("keep", ["all", "sample"])
def test_streamed_videos_exist_only_if_other_trajectories_are_not_stored(report_inputs: MakeInputs, keep: str) -> None:
    data = report_inputs(trajectories={"keep": keep, "max_side": 100}).data
    wildcards = Wildcards(dataset="a", descriptors="masked", shard=SHARDS[0])
    streamed = [data.streamed_videos(wildcards), data.streamed_boxes(wildcards), data.only_sample(wildcards)]
    assert [bool(files) for files in streamed] == [keep == "sample"] * 3
    assert (data.streamed_settings(wildcards) == "{}") == (keep == "all")


def test_sampled_trajectories_are_those_of_the_shards_of_sampled_videos(report_inputs: MakeInputs) -> None:
    files = report_inputs().data.sampled_trajectories(Wildcards(dataset="a", descriptors="idt"))
    assert files == [f"results/a/trajectories/idt/{shard_of(VIDEOS[0], N_SHARDS)}.h5"]


def test_trajectories_are_shared_by_descriptors_that_differ_in_channels(report_inputs: MakeInputs) -> None:
    descriptors = {
        "idt": {"boxes": "none"},
        "masked": {"boxes": "hog"},
        "motion": {"boxes": "hog", "channels": ["hof"]},
    }
    data = report_inputs(descriptors=descriptors).data
    for name, tracked in (("idt", "idt"), ("masked", "masked"), ("motion", "masked")):
        wildcards = Wildcards(dataset="a", descriptors=name, shard=SHARDS[0])
        assert data.trajectories(wildcards) == f"results/a/trajectories/{tracked}/{SHARDS[0]}.h5"
        assert data.made_by_file(wildcards) == f"results/a/trajectories/{tracked}/made_by.txt"
        assert {Path(file).parts[3] for file in data.sampled_trajectories(wildcards)} == {tracked}


def test_made_by_changes_with_the_persons_only_if_they_are_masked(report_inputs: MakeInputs) -> None:
    before, after = report_inputs().data, report_inputs(persons={"stride": 2}).data
    for descriptors, is_same in (("idt", True), ("masked", False)):
        wildcards = Wildcards(dataset="a", descriptors=descriptors)
        assert (before.made_by(wildcards) == after.made_by(wildcards)) == is_same


def test_init_is_another_runs_model_or_a_file(report_inputs: MakeInputs, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.touch()
    runs = {**RUNS, "own": {"objective": "instance", "init": str(weights)}}
    inputs = report_inputs(pretraining={"dataset": "a", "runs": runs}).runs
    assert inputs.init(Wildcards(run="la", seed="3")) == ["results/pretraining/ir/seed3/model.pt"]
    assert inputs.init(Wildcards(run="own", seed="3")) == [str(weights)]
    assert inputs.init(Wildcards(run="ir", seed="3")) == []


def test_clusters_and_sketches_are_those_that_the_run_names(report_inputs: MakeInputs) -> None:
    inputs = report_inputs().runs
    seed = inputs.config["seed"]
    assert inputs.clusters(Wildcards(run="la_idt")) == [f"results/a/clusters/idt/all/kmeans_k2_m3_s{seed}.h5"]
    assert inputs.sketches(Wildcards(run="joint")) == [f"results/a/encoding/masked/{shard}.h5" for shard in SHARDS]
    for run in ("ir", "la", "supervised"):
        assert not inputs.clusters(Wildcards(run=run)) and not inputs.sketches(Wildcards(run=run))


@pytest.mark.parametrize("run", ["la", "supervised"])
def test_frames_without_bank_are_those_of_a_supervised_run(report_inputs: MakeInputs, run: str) -> None:
    assert bool(report_inputs().runs.frames_without_bank(Wildcards(run=run))) == (run == "supervised")


def test_validation_is_read_only_if_the_config_names_it(report_inputs: MakeInputs) -> None:
    wildcards = Wildcards(run="ir")
    without, with_b = (
        report_inputs(pretraining={"dataset": "a", "runs": RUNS, "validation": name}).runs for name in ("", "b")
    )
    assert without.validation(wildcards) == without.validation_frames(wildcards) == []
    assert len(with_b.validation(wildcards)) == len(with_b.validation_frames(wildcards)) == len(SHARDS)


def test_training_splits_are_read_for_a_subset_of_a_split(report_inputs: MakeInputs) -> None:
    inputs = report_inputs().runs
    assert inputs.training_splits(Wildcards(subset="all")) == []
    assert _names(inputs.training_splits(Wildcards(subset="split1:2"))) == ["splits"]


def test_check_clusters_refuses_a_k_that_is_too_large(report_inputs: MakeInputs) -> None:
    inputs = report_inputs(clusters={"k": 9})
    with pytest.raises(WorkflowError, match=r"config: pretraining\.runs\.la: "):
        inputs.runs.frames(Wildcards(run="la"))
    with pytest.raises(WorkflowError, match=r"config: pretraining\.runs\.ir: "):
        inputs.clusters(Wildcards())


def test_architecture_of_a_run_without_a_model(report_inputs: MakeInputs) -> None:
    inputs = report_inputs(pretraining={"dataset": "a", "runs": RUNS, "depth": 10}).runs
    assert inputs.model(Wildcards(run="scratch", seed="0")) == []
    assert inputs.architecture(Wildcards(run="scratch", seed="0")) == '{"depth": 10}'
    assert inputs.model(Wildcards(run="ir", seed="0")) == ["results/pretraining/ir/seed0/model.pt"]
    assert inputs.architecture(Wildcards(run="ir", seed="0")) == "{}"


def test_svm_encodings_are_sketches_or_fisher_vectors(report_inputs: MakeInputs) -> None:
    inputs = report_inputs().runs
    for run, folder in (("idt", ""), ("idt_fisher", "fisher/")):
        files = inputs.svm_encodings(Wildcards(run=run, dataset="b"))
        assert files == [f"results/b/encoding/idt/{folder}{shard}.h5" for shard in SHARDS]


def test_evaluations_refuse_a_dataset_without_splits(report_inputs: MakeInputs, tmp_path: Path) -> None:
    write_json(tmp_path / "b" / "splits.json", {"numbers": [], "reason_for_none": "it has one group"})
    with pytest.raises(WorkflowError, match=r"evaluation\.datasets: b has no splits: it has one group"):
        report_inputs().evaluations(Wildcards())


def test_evaluations_are_on_the_splits_of_the_config(report_inputs: MakeInputs, tmp_path: Path) -> None:
    write_json(tmp_path / "b" / "splits.json", {"numbers": [1, 2, 3], "reason_for_none": ""})
    for splits, expected in (([], {"split1", "split2", "split3"}), ([2], {"split2"})):
        inputs = report_inputs(evaluation={"datasets": ["b"], "runs": ["scratch", "ir", "idt"], "splits": splits})
        files = inputs.evaluations(Wildcards())
        assert {Path(file).parts[-2] for file in files} == expected
        assert {Path(file).parts[2] for file in files} == {"scratch", "ir", "idt"}
    with pytest.raises(WorkflowError, match=r"config: splits: b has no split 4, 5; it has 1, 2, 3"):
        report_inputs(evaluation={"datasets": ["b"], "splits": [4, 2, 5]}).evaluations(Wildcards())


def test_report_inputs_are_models_of_trained_runs_and_sketches_of_the_idt_run(report_inputs: MakeInputs) -> None:
    inputs = report_inputs(evaluation={"datasets": ["b"], "runs": ["scratch", "ir", "idt"]})
    assert inputs.models(Wildcards()) == ["results/pretraining/ir/seed0/model.pt"]
    statuses = inputs.statuses(Wildcards())
    assert {Path(file).parts[1:3] for file in statuses} == {(d, noun) for d in "ab" for noun in ("frames", "encoding")}
    results = inputs.evaluations(Wildcards())
    assert "results/evaluation/idt/seed0/b/split1/svm.json" in results
    assert not any("/ir/" in file and file.endswith("svm.json") for file in results)


def test_example_boxes_are_those_of_the_first_detector(report_inputs: MakeInputs) -> None:
    inputs = report_inputs()
    assert inputs.example_boxes(Wildcards()) == [f"results/a/persons/hog/{SHARDS[0]}.h5"]
    assert inputs.people(Wildcards()) == ["results/report/people.html"]
    unmasked = report_inputs(
        descriptors={"idt": {"boxes": "none"}}, pretraining={"dataset": "a", "runs": {"ir": RUNS["ir"]}}
    )
    assert unmasked.people(Wildcards()) == [] and unmasked.example_boxes(Wildcards()) == []
