"""Remarks on the runs of a table that no single value of the config shows."""

from collections.abc import Collection, Iterable
from typing import Any

from workflow_scripts.configuration.runs import run_values
from workflow_scripts.evaluation.label_leakage import only_split, share_videos
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.pretraining.settings import lineage, split_of_subset
from workflow_scripts.report.methods import PRIOR, learns_without_labels
from workflow_scripts.report.tables.departures import with_ancestors


def remarks(config: dict[str, Any], runs: Iterable[str], splits: dict[str, set[int]]) -> list[str]:
    """Sentences on runs that saw test videos without labels, use a user's vectors, or were trained on enlarged crops.

    Args:
        config: The resolved config.
        runs: The runs of the table.
        splits: The numbers of the splits that the runs were evaluated on, by dataset.
    """
    runs = list(runs)
    trained = with_ancestors(runs, config["pretraining"]["runs"])
    networks = {name: run_values(config, name) for name in trained}
    lines: dict[str, list[str]] = {}
    for dataset, numbers in splits.items():
        for name in (name for name in runs if name in trained):
            names = lineage(config["pretraining"]["runs"], name)
            seen = {_seen_part(config, name, networks[one], dataset, numbers) for one in names} - {""}
            if seen:
                most = "the test videos" if "the test videos" in seen else seen.pop()
                lines.setdefault(f"saw {most} of {dataset} in pretraining, without labels", []).append(name)
    of_idt = [name for name in runs if name in IDT_RUNS]
    first = next(iter(config["descriptors"]))
    with_prior = {name: values["descriptors"] for name, values in networks.items() if values["clusters"] in PRIOR}
    for name, descriptors in {**dict.fromkeys(of_idt, first), **with_prior}.items():
        if file := config["descriptors"][descriptors]["vectors"]:
            lines.setdefault(f"uses the vectors of {file} in place of IDT", []).append(name)
        elif name in IDT_RUNS:
            remark = "learns its PCA and GMM from a sample of the evaluated dataset, which includes test videos, "
            lines.setdefault(f"{remark}without labels", []).append(name)
    for name, values in networks.items():
        smallest = int(values["short_side"] * 2 ** (-(values["n_scales"] - 1) / 4))
        if smallest < values["crop_size"]:
            remark = (
                f"was trained on frames with a short side of {values['short_side']} pixels; its training crops of "
                f"{smallest} to {values['short_side']} pixels were resized to {values['crop_size']}, which blurs "
                "smaller ones"
            )
            lines.setdefault(remark, []).append(name)
    return [f"{', '.join(names)}: {remark}." for remark, names in lines.items()]


def _seen_part(config: dict[str, Any], run: str, values: dict[str, Any], dataset: str, numbers: Collection[int]) -> str:
    """The test videos, in words, that a training of `values` saw without labels in the splits `numbers`.

    `run` is the evaluated run, which may be evaluated on a single split. Empty if it saw none, or the config has no
    such dataset.
    """
    trained_on = config["pretraining"]["dataset"]
    if dataset not in config["datasets"]:
        return ""
    if not learns_without_labels(values["objective"]) or not share_videos(config, trained_on, dataset):
        return ""
    subset, only = str(values["subset"]), only_split(config, run, dataset)
    if subset == "all":
        return "the test videos"
    split = split_of_subset(subset)
    if split is None or dataset != trained_on:
        return "some of the test videos"
    others = [str(number) for number in sorted(numbers) if number != split and only in (None, number)]
    return f"test videos of split {', '.join(others)}" if others else ""
