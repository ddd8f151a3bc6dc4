"""Which jobs a config asks for, by the paths of their benchmark files: those of earlier configs stay on disk."""

from collections.abc import Callable, Sequence
from typing import Any

from workflow_scripts.configuration.datasets import detector_of, used_datasets
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.evaluation.evaluations import evaluated_runs, needed_runs, table_runs

Job = Sequence[str]  # a benchmark file's path below the folder of benchmarks, without suffix


def asked_for(config: dict[str, Any]) -> Callable[[Job], bool]:
    """Tells whether a job is one of the resolved `config`."""
    runs = needed_runs(config)
    judged = {*evaluated_runs(config), *table_runs(config)}
    seeds = {f"seed{seed}" for seed in config["pretraining"]["seeds"]}
    values = [run_values(config, run) for run in ["scratch", *config["pretraining"]["runs"]]]
    detectors = {detector_of(config, descriptors) for descriptors in config["descriptors"]}
    sides = {str(each["short_side"]) for each in values}
    lists = {(each["descriptors"], str(each["subset"])) for each in values} | {
        (descriptors, str(config["pretraining"]["subset"])) for descriptors in config["descriptors"]
    }
    clusters = {f"{each['cluster_method']}_k{each['k']}_m{each['m']}_s{config['seed']}" for each in values}
    n_shards = {
        name: config["datasets"][name].get("shards", config["videos"]["shards"]) for name in used_datasets(config)
    }

    def of_dataset(stage: str, rest: Job) -> bool:
        dataset, *below = rest
        if dataset not in n_shards or not below:
            return dataset in n_shards
        known = {"persons": detectors, "frames": sides}.get(stage, set(config["descriptors"]))
        if stage == "clusters":
            return (below[0], below[1]) in lists and below[2] in clusters
        _, of, total = below[-1].partition("of")
        return below[0] in known and (not of or not total.isdigit() or int(total) == n_shards[dataset])

    def is_wanted(job: Job) -> bool:
        stage, *rest = job
        if stage == "pretraining":
            return tuple(rest[1:]) in lists if rest[0] == "videos" else rest[0] in runs and rest[1] in seeds
        if stage == "evaluation":
            return rest[0] in judged and rest[1] in seeds and (len(rest) == 3 or rest[2] in n_shards)
        return of_dataset(stage, rest)

    return is_wanted
