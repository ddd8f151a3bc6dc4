"""The inputs and parameters of the rules of runs: pretraining and evaluation.

Methods that take `wildcards` are functions for rules: Snakemake calls them with the wildcards of a job.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from workflow_scripts.configuration import datasets, paths
from workflow_scripts.configuration.inputs import DatasetInputs
from workflow_scripts.configuration.runs import run_settings, run_values, training_threads
from workflow_scripts.configuration.stage_settings import changed_settings
from workflow_scripts.evaluation.evaluations import Evaluation, result_files
from workflow_scripts.evaluation.protocols import settings_of
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.artifacts import read_json
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.settings import check_clusters, split_of_subset


class RunInputs:
    """The inputs of the training and the evaluation of runs; `data` finds the files of datasets."""

    def __init__(self, data: DatasetInputs) -> None:
        self.data, self.config = data, data.config
        self.dataset: str = data.config["pretraining"]["dataset"]
        self.validation_dataset: str = data.config["pretraining"]["validation"]

    def values(self, wildcards: Any) -> dict[str, Any]:
        """All that defines the run."""
        return run_values(self.config, wildcards.run)

    def value(self, key: str) -> Callable[[Any], Any]:
        """A function for rules that returns a run's value of `key`."""
        return lambda wildcards: self.values(wildcards)[key]

    # The list of the videos to train on

    def training_lists(self, wildcards: Any) -> list[str]:
        """The lists of the videos of pretraining.dataset."""
        return self.data.all_shard_videos(self.dataset)

    def training_frames(self, wildcards: Any) -> list[str]:
        """The frames of pretraining.dataset at the common short side."""
        return self.data.frames(self.dataset, self.config["frames"]["short_side"])

    def training_encodings(self, wildcards: Any) -> list[str]:
        """The sketches of pretraining.dataset for the first descriptors, which all runs use, and the list's."""
        both = dict.fromkeys([next(iter(self.config["descriptors"])), wildcards.descriptors])
        return [file for descriptors in both for file in self.data.encodings(self.dataset, descriptors)]

    def training_splits(self, wildcards: Any) -> list[str]:
        """The splits of pretraining.dataset, if the subset is the training part of one."""
        is_split = split_of_subset(wildcards.subset) is not None
        return self.data.beside_index(self.dataset, "splits.tsv") if is_split else []

    def training_root(self, wildcards: Any) -> str:
        """The folder that holds the videos of pretraining.dataset."""
        return datasets.dataset_root(self.data.entries[self.dataset], self.dataset)

    # Training

    def settings(self, wildcards: Any) -> str:
        """The hyper-parameters that the run reads, as JSON."""
        return run_settings(self.config, wildcards.run)

    def checkpoint_minutes(self, wildcards: Any) -> str:
        """Minutes between checkpoints, as text, because Snakemake adds up numbers of all running jobs."""
        return str(self.values(wildcards)["checkpoint_minutes"])

    def threads(self, wildcards: Any) -> int:
        """Cores that speed up the training of the run."""
        return training_threads(self.config, wildcards.run)

    def videos(self, wildcards: Any) -> str:
        """The list of the videos that the run is trained on."""
        values = self.values(wildcards)
        return paths.TRAINING_VIDEOS.format(descriptors=values["descriptors"], subset=values["subset"])

    def frames(self, wildcards: Any) -> list[str]:
        """The frames that the run is trained on. Raises WorkflowError if K is too large for the videos."""
        if OBJECTIVES[self.values(wildcards)["objective"]].clusters:
            self.check_clusters(self.values(wildcards), wildcards.run)
        return self.data.frames(self.dataset, self.values(wildcards)["short_side"])

    def validation(self, wildcards: Any) -> list[str]:
        """The lists of the videos of pretraining.validation, if there is one."""
        return self.data.all_shard_videos(self.validation_dataset) if self.validation_dataset else []

    def validation_frames(self, wildcards: Any) -> list[str]:
        """The frames of pretraining.validation, if there is one."""
        side = self.values(wildcards)["short_side"]
        return self.data.frames(self.validation_dataset, side) if self.validation_dataset else []

    def clusters(self, wildcards: Any) -> list[str]:
        """The clusters in the IDT space, if the run has `clusters: idt`."""
        values = self.values(wildcards)
        return [self.clusters_file(values, wildcards.run)] if values["clusters"] == "idt" else []

    def sketches(self, wildcards: Any) -> list[str]:
        """The sketches, if the run has `clusters: joint`."""
        values = self.values(wildcards)
        return self.data.encodings(self.dataset, values["descriptors"]) if values["clusters"] == "joint" else []

    def init(self, wildcards: Any) -> list[str]:
        """The model that the run starts from, if there is one: another run's, or any file."""
        init = self.values(wildcards)["init"]
        if init in self.config["pretraining"]["runs"]:
            return [paths.MODEL.format(run=init, seed=wildcards.seed)]
        return [init] if init else []

    def check_clusters(self, values: dict[str, Any], run: str = "") -> None:
        """Raises WorkflowError if the K of a run ("": of the config) is too large for its videos."""
        (index,) = self.data.beside_index(self.dataset, "index.tsv")
        try:
            check_clusters(values, Path(index).parent, self.training_root(None))
        except StageError as error:
            key = f"pretraining.runs.{run}" if run else "clusters"
            raise WorkflowError(f"config: {key}: {error}") from None

    def clusters_file(self, values: dict[str, Any], run: str = "") -> str:
        """The clusters in the IDT space at the K, m, descriptors and subset of a run ("": of the config)."""
        self.check_clusters(values, run)
        overrides = {"method": values["cluster_method"], "dataset": self.dataset, "seed": self.config["seed"]}
        return paths.CLUSTERS.format(**{**values, **overrides})

    # Evaluation

    def model(self, wildcards: Any) -> list[str]:
        """The model that is evaluated; none for a network from scratch."""
        if self.values(wildcards)["objective"] == "scratch":
            return []
        return [paths.MODEL.format(run=wildcards.run, seed=wildcards.seed)]

    def architecture(self, wildcards: Any) -> str:
        """The shape of a network from scratch and of its clips, as JSON; a model file contains its own."""
        return changed_settings("evaluation", {} if self.model(wildcards) else self.values(wildcards), "Architecture")

    def evaluated_frames(self, wildcards: Any) -> list[str]:
        """The frames of the dataset that the run is evaluated on."""
        return self.data.frames(wildcards.dataset, self.values(wildcards)["short_side"])

    def evaluation_threads(self, wildcards: Any) -> int:
        """Cores that speed up the finetuning of the run's network."""
        return training_threads(self.config, wildcards.run, self.config["evaluation"]["finetune_batch_size"])

    def task(self, wildcards: Any) -> str:
        """The run, the seed, the dataset with its layout, and the split that are evaluated, as JSON."""
        layout = self.data.entries[wildcards.dataset]["layout"]
        numbers = {"seed": int(wildcards.seed), "split": int(wildcards.split)}
        return json.dumps({"run": wildcards.run, "dataset": wildcards.dataset, "layout": layout, **numbers})

    def svm_encodings(self, wildcards: Any) -> list[str]:
        """The sketches, or the Fisher vectors, that the SVM is trained and tested on."""
        pattern = paths.FISHER if IDT_RUNS[wildcards.run] == "fisher" else paths.ENCODING
        return self.data.encodings(wildcards.dataset, next(iter(self.config["descriptors"])), pattern)

    def protocol_settings(self, protocol: str) -> Callable[[Any], str]:
        """A function for rules that returns the keys that the protocol reads, as JSON."""
        return lambda wildcards: changed_settings("evaluation", settings_of(protocol, self.config["evaluation"]))

    def features_settings(self, wildcards: Any) -> str:
        """The number of clips per video, as JSON: the only key that the features depend on."""
        return changed_settings("evaluation", {"clips": self.config["evaluation"]["clips"]})

    def frames_without_bank(self, wildcards: Any) -> list[str]:
        """The frames that the run was trained on, if its model has no memory bank."""
        return [] if OBJECTIVES[self.values(wildcards)["objective"]].bank else self.frames(wildcards)

    def cluster_bank_settings(self, wildcards: Any) -> str:
        """The section `clusters` with K and m of the run."""
        values = self.values(wildcards)
        return self.data.section("clusters", k=values["k"], m=values["m"])

    def split_numbers(self, dataset: str) -> list[int]:
        """The numbers of a dataset's splits. Raises WorkflowError if it has none."""
        (record,) = self.data.beside_index(dataset, "splits.json")
        splits = read_json(Path(record))
        if not splits["numbers"]:
            raise WorkflowError(f"evaluation.datasets: {dataset} has no splits: {splits['reason_for_none']}")
        return list(splits["numbers"])

    def results(self, evaluations: Iterable[Evaluation]) -> list[str]:
        """The results of these evaluations on each of their splits."""
        try:
            return list(result_files(self.config, evaluations, self.split_numbers))
        except StageError as error:
            raise WorkflowError(str(error)) from None
