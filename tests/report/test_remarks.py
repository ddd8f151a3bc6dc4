"""Remarks on runs that saw test videos and on runs that were trained on enlarged crops."""

from typing import Any

import pytest

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.report.page.remarks import remarks


def config_of_same_videos() -> dict[str, Any]:
    """A config whose networks are evaluated on the dataset that they are pretrained on."""
    runs = {
        "ir": {"objective": "instance"},
        "la": {"objective": "local_aggregation", "clusters": "network", "init": "ir"},
        "supervised": {"objective": "supervised"},
    }
    datasets = {"a": {"layout": "folder", "root": "videos"}, "b": {"layout": "folder", "root": "videos/more"}}
    datasets["c"] = {"layout": "folder", "root": "videos_of_others"}
    return resolve({"datasets": datasets, "pretraining": {"dataset": "a", "runs": runs}})


def test_remarks_on_networks_that_saw_test_videos() -> None:
    config = config_of_same_videos()
    config["frames"]["short_side"] = 240
    runs = ["scratch", "la", "supervised"]
    seen = "la: saw the test videos of {} in pretraining, without labels."
    assert remarks(config, runs, {"a": {1}}) == [seen.format("a")]
    assert remarks(config, runs, {"b": {1}}) == [seen.format("b")], "its folder is in that of a"
    assert remarks(config, runs, {"c": {1}}) == [] == remarks(config, ["scratch", "supervised"], {"a": {1}})
    config["pretraining"]["subset"] = "split1"
    assert remarks(config, runs, {"a": {1}}) == []
    assert remarks(config, ["ir"], {"a": {1, 2, 3}}) == [], "it is evaluated only on split 1"
    config["pretraining"]["subset"] = "split1:100"
    assert remarks(config, runs, {"a": {1, 2, 3}}) == []
    (line,) = remarks(config, ["la"], {"b": {1}})
    assert line == "la: saw some of the test videos of b in pretraining, without labels."
    config["pretraining"]["runs"]["ir"]["subset"] = "split3"  # the run that it starts from counts too
    (line,) = remarks(config, ["la"], {"a": {1, 2, 3}})
    assert line == "la: saw test videos of split 1 of a in pretraining, without labels."
    config["pretraining"]["runs"]["ir"]["subset"] = 50
    (line,) = remarks(config, ["la"], {"a": {1}})
    assert line == "la: saw some of the test videos of a in pretraining, without labels."
    (line,) = remarks(config, ["idt", "idt_fisher"], {"c": {1}})
    assert line.startswith("idt, idt_fisher: learns its PCA and GMM from a sample of the evaluated dataset")


def test_remarks_on_vectors_in_place_of_idt() -> None:
    config = config_of_same_videos()
    config["descriptors"]["own"] = {**config["descriptors"]["idt"], "vectors": "own.npz"}
    of_idt = {"objective": "local_aggregation", "clusters": "idt"}
    config["pretraining"]["runs"] |= {"la_idt": of_idt, "la_own": {**of_idt, "descriptors": "own"}}
    runs = ["idt", "la", "la_idt", "la_own"]
    learned, of_own = remarks(config, runs, {"c": {1}})
    assert (
        learned.startswith("idt: learns its PCA") and of_own == "la_own: uses the vectors of own.npz in place of IDT."
    )
    config["descriptors"] = {"own": config["descriptors"]["own"], "idt": config["descriptors"]["idt"]}
    assert remarks(config, runs, {"c": {1}}) == ["idt, la_idt, la_own: uses the vectors of own.npz in place of IDT."]


@pytest.mark.parametrize(("short_side", "enlarged"), [(240, False), (224, False), (223, True), (128, True)])
def test_remarks_on_enlarged_crops(short_side: int, enlarged: bool) -> None:
    config = config_of_same_videos()
    config["frames"]["short_side"] = short_side
    assert config["pretraining"]["crop_size"] == 112 and config["pretraining"]["n_scales"] == 5
    crop_remarks = [line for line in remarks(config, ["la"], {"c": {1}}) if "crops" in line]
    assert bool(crop_remarks) == enlarged
    if short_side == 128:
        assert crop_remarks == [
            "ir, la: was trained on frames with a short side of 128 pixels; its training crops of 64 to 128 pixels "
            "were resized to 112, which blurs smaller ones."
        ]
    config["pretraining"]["n_scales"] = 1
    assert not [line for line in remarks(config, ["la"], {"c": {1}}) if "crops" in line]
