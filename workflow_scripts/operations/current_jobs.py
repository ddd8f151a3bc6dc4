"""The jobs that belong to a config. Benchmark files of earlier configs stay on disk, and the report must skip them."""

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from pathlib import PurePath
from typing import Any

from workflow_scripts.configuration import paths
from workflow_scripts.configuration.datasets import detector_of, tracked_for, used_datasets
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.evaluation.evaluations import evaluated_runs, needed_runs, table_runs

Job = Sequence[str]  # a benchmark file's path below the folder of benchmarks, without suffix


def is_job_of(config: dict[str, Any]) -> Callable[[Job], bool]:
    """A function that returns whether a job belongs to the resolved `config`."""
    benchmarks = (PurePath(paths.benchmark(artifact)) for artifact in _artifacts(config))
    globs = {str(path.relative_to(paths.BENCHMARKS).with_suffix("")) for path in benchmarks}
    pattern = re.compile("|".join(map(translate, sorted(globs))))
    return lambda job: pattern.match("/".join(job)) is not None


def _artifacts(config: dict[str, Any]) -> Iterator[str]:
    """The artifacts of the config as globs. `*` matches the numbers of shards and splits."""
    every_run = [run_values(config, run) for run in ["scratch", *config["pretraining"]["runs"]]]
    subsets = {(values["descriptors"], values["subset"]) for values in every_run}
    subsets |= {(descriptors, config["pretraining"]["subset"]) for descriptors in config["descriptors"]}
    for dataset in used_datasets(config):
        n_shards = config["datasets"][dataset].get("shards", config["videos"]["shards"])
        yield paths.INDEX.format(dataset=dataset)
        for values in every_run:
            yield paths.FRAMES.format(dataset=dataset, short_side=values["short_side"], shard=f"*of{n_shards:03}")
        for descriptors in config["descriptors"]:
            names = {"detector": detector_of(config, descriptors), "descriptors": descriptors}
            names |= {"dataset": dataset, "space": "*", "shard": f"*of{n_shards:03}"}
            for pattern in (paths.PERSONS, paths.CODEBOOK, paths.ENCODING, paths.FISHER):
                yield pattern.format(**names)
            yield paths.TRAJECTORIES.format(**names | {"descriptors": tracked_for(config, descriptors)})
    for descriptors, subset in subsets:
        yield paths.TRAINING_VIDEOS.format(descriptors=descriptors, subset=subset)
        for values in every_run:
            names = {"dataset": config["pretraining"]["dataset"], "method": values["cluster_method"]}
            names |= {"descriptors": descriptors, "subset": subset, "seed": config["seed"]}
            yield paths.CLUSTERS.format(**{**values, **names})
    for seed in config["pretraining"]["seeds"]:
        for run in needed_runs(config):
            yield paths.MODEL.format(run=run, seed=seed)
        for run in {*evaluated_runs(config), *table_runs(config)}:
            yield paths.CLUSTER_BANK.format(run=run, seed=seed)
            for dataset in used_datasets(config):
                yield paths.FEATURES.format(run=run, seed=seed, dataset=dataset)
                yield paths.RESULT.format(run=run, seed=seed, dataset=dataset, split="*", protocol="*")
