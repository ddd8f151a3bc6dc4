"""The inputs and parameters of the rules of the report and of the paper's tables.

Methods that take `wildcards` are functions for rules: Snakemake calls them with the wildcards of a job.
"""

from typing import Any

from workflow_scripts.configuration import paths
from workflow_scripts.configuration.arguments import in_file
from workflow_scripts.configuration.datasets import detector_of
from workflow_scripts.configuration.resolve import as_yaml
from workflow_scripts.configuration.run_inputs import RunInputs
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.stage_settings import changed_settings
from workflow_scripts.evaluation.evaluations import evaluated_runs, evaluations, table_evaluations
from workflow_scripts.evaluation.settings import IDT_RUNS


class ReportInputs:
    """The inputs of the report and the tables; `runs` finds the files of runs and datasets."""

    def __init__(self, runs: RunInputs) -> None:
        self.runs, self.data, self.config = runs, runs.data, runs.config
        trained = self.config["pretraining"]["runs"]
        self.trained_runs = [run for run in evaluated_runs(self.config) if run in trained]
        self.seeds: list[int] = self.config["pretraining"]["seeds"]

    def config_file(self, wildcards: Any) -> str:
        """A file with the config and all its defaults."""
        return str(in_file(as_yaml(self.config)))

    # The page

    def evaluations(self, wildcards: Any) -> list[str]:
        """The result of each run, seed, dataset, split and protocol."""
        return self.runs.results(evaluations(self.config))

    def models(self, wildcards: Any) -> list[str]:
        """The models of all trained runs that are evaluated."""
        return [paths.MODEL.format(run=run, seed=seed) for run in self.trained_runs for seed in self.seeds]

    def clusters(self, wildcards: Any) -> list[str]:
        """The clusters of the embeddings of the evaluated models, and those in the IDT space.

        Raises WorkflowError before any training if K is too large for the videos of one of these runs.
        """
        for run in self.trained_runs:
            self.runs.check_clusters(run_values(self.config, run), run)
        networks = [paths.CLUSTER_BANK.format(run=run, seed=seed) for run in self.trained_runs for seed in self.seeds]
        values = run_values(self.config, "scratch")
        return networks + [
            self.runs.clusters_file({**values, "descriptors": descriptors})
            for descriptors in self.config["descriptors"]
        ]

    def indexes(self, wildcards: Any) -> list[str]:
        """The index of each dataset."""
        return [file for dataset in self.data.entries for file in self.data.beside_index(dataset, "index.tsv")]

    def statuses(self, wildcards: Any) -> list[str]:
        """Files with a status per video: frames, and sketches if a run or an evaluation uses them."""
        by_idt = {one.dataset for one in evaluations(self.config) if one.run in IDT_RUNS}
        first, side = next(iter(self.config["descriptors"])), self.config["frames"]["short_side"]
        encoded = [dataset for dataset in self.data.entries if dataset in {self.runs.dataset, *by_idt}]
        frames = [file for dataset in self.data.entries for file in self.data.frames(dataset, side)]
        return frames + [file for dataset in encoded for file in self.data.encodings(dataset, first)]

    # Examples

    def example_videos(self, wildcards: Any) -> list[str]:
        """The list of the videos of the first shard."""
        return self.data.all_shard_videos(self.runs.dataset)[:1]

    def example_boxes(self, wildcards: Any) -> list[str]:
        """The persons of that shard, if descriptors mask them."""
        return self.masked_boxes()[:1]

    def people_videos(self, wildcards: Any) -> list[str]:
        """The lists of the videos of the first four shards, which are enough for the examples."""
        return self.data.all_shard_videos(self.runs.dataset)[:4]

    def people_boxes(self, wildcards: Any) -> list[str]:
        """The persons of those shards."""
        return self.masked_boxes()[:4]

    def people(self, wildcards: Any) -> list[str]:
        """The measurement of masking, if descriptors mask people."""
        return [paths.PEOPLE] if self.masked_boxes() else []

    def masked_boxes(self) -> list[str]:
        """The persons of all shards, from the first detector whose boxes descriptors mask."""
        detectors = [detector_of(self.config, descriptors) for descriptors in self.config["descriptors"]]
        return [
            paths.PERSONS.format(dataset=self.runs.dataset, detector=detector, shard=shard)
            for detector in [name for name in detectors if name != "none"][:1]
            for shard in self.data.shards(self.runs.dataset)
        ]

    # Tables

    def table_results(self, wildcards: Any) -> list[str]:
        """The results in a table.

        Waits for the indexes of all their datasets. Snakemake (9.27) does not resolve the checkpoints of the jobs that
        make these results if the indexes exist already.
        """
        in_table = list(table_evaluations(self.config, [wildcards.table]))
        datasets = [self.runs.dataset, self.runs.validation_dataset, *(one.dataset for one in in_table)]
        for dataset in dict.fromkeys(filter(None, datasets)):
            self.data.beside_index(dataset)
        return self.runs.results(in_table)

    def table_settings(self, wildcards: Any) -> str:
        """The table's entry in report.tables, as JSON."""
        return changed_settings("report", self.config["report"]["tables"][wildcards.table], "TableSettings")
