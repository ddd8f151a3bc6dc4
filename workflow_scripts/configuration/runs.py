"""Pretraining runs: the values that define a run, and the settings that its training reads."""

from typing import Any

from workflow_scripts.configuration.stage_settings import changed_settings
from workflow_scripts.pretraining.settings import useful_threads, values_read

# The keys of the section clusters that a training has under these or other names: kmeans_iterations, cluster_method.
_OF_ALL_METHODS = {"method", "k", "m", "iterations"}


def run_values(config: dict[str, Any], run: str) -> dict[str, Any]:
    """Returns all keys of a run. The run's own keys override those of the sections pretraining, clusters and frames."""
    common_keys = ("runs", "seeds", "dataset", "validation")
    section = {key: value for key, value in config["pretraining"].items() if key not in common_keys}
    clusters = {key: config["clusters"][key] for key in ("k", "m")} | {"cluster_method": config["clusters"]["method"]}
    of_one_method = {key: config["clusters"][key] for key in config["clusters"].keys() - _OF_ALL_METHODS}
    clusters["cluster_parameters"] = changed_settings("clusters", of_one_method)
    defaults = {"descriptors": next(iter(config["descriptors"])), "init": "", "clusters": ""}
    overrides = {"objective": "scratch"} if run == "scratch" else config["pretraining"]["runs"][run]
    return {**section, **clusters, **defaults, "short_side": config["frames"]["short_side"], **overrides}


def run_settings(config: dict[str, Any], run: str) -> str:
    """Returns the keys that a run's training reads and that differ from the defaults, as JSON."""
    values = run_values(config, run)
    return changed_settings("pretraining", values_read(values, values["objective"], values["clusters"]))


def training_threads(config: dict[str, Any], run: str, batch_size: int | None = None) -> int:
    """Returns how many cores speed up the training of a run's network.

    Args:
        config: The resolved config.
        run: The run.
        batch_size: Clips per step; by default the run's own number.
    """
    values = run_values(config, run)
    shape = {key: values[key] for key in ("depth", "width", "clip_length", "crop_size")}
    return useful_threads(**shape, batch_size=batch_size or values["batch_size"])
