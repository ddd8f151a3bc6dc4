"""The inputs and parameters of a dataset's rules that depend on the config or on the dataset's videos.

Methods that take `wildcards` are functions for rules: Snakemake calls them with the wildcards of a job.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.configuration import datasets, paths
from workflow_scripts.configuration.arguments import argument
from workflow_scripts.configuration.stage_settings import changed_settings, version
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.identity import digest, shard_of


def stage_inputs(wildcards: Any, input: Any) -> str:
    """Returns `--name file ...` for each named input of a rule, without inputs that have no files."""
    lists = ((name, [files] if isinstance(files, str) else files) for name, files in input.items())
    return " ".join(filter(None, (argument(name, files) for name, files in lists)))


class DatasetInputs:
    """The inputs of the stages from videos to frames, sketches and clusters.

    Args:
        config: The resolved config.
        entries: The entry of each used dataset, as `datasets.dataset_values` returns it.
        beside_index: Returns the paths of named files beside a dataset's index; Snakemake waits for the index first.
    """

    def __init__(
        self, config: dict[str, Any], entries: Mapping[str, dict[str, Any]], beside_index: Callable[..., list[str]]
    ) -> None:
        self.config, self.entries, self.beside_index = config, entries, beside_index
        self.reading = changed_settings("videos", config["videos"], "ReadingSettings")

    def section(self, noun: str, **values: Any) -> str:
        """The keys of a section that differ from the defaults, as JSON; `values` override those of the section."""
        return changed_settings(noun, {**self.config[noun], "seed": self.config["seed"], **values})

    def settings(self, noun: str) -> Callable[[Any], str]:
        """A function for rules that returns `section(noun)`; Snakemake would take braces in a text for wildcards."""
        return lambda wildcards: self.section(noun)

    # Videos

    def dataset_settings(self, wildcards: Any) -> str:
        """The layout of the dataset on disk, as JSON."""
        return changed_settings("videos", self.entries[wildcards.dataset], "DatasetSettings")

    def sources(self, wildcards: Any) -> str:
        """A digest that changes when videos are added, removed or listed differently."""
        return datasets.sources_digest(self.entries[wildcards.dataset])

    def shards(self, dataset: str) -> list[str]:
        """The shards that hold videos."""
        (folder,) = self.beside_index(dataset, "shards")
        return sorted(path.stem for path in Path(folder).glob("*.tsv"))

    def shard_videos(self, wildcards: Any) -> list[str]:
        """The list of a shard's videos."""
        return self.beside_index(wildcards.dataset, f"shards/{wildcards.shard}.tsv")

    def all_shard_videos(self, dataset: str) -> list[str]:
        """The lists of all shards' videos."""
        return self.beside_index(dataset, *(f"shards/{shard}.tsv" for shard in self.shards(dataset)))

    def splits(self, wildcards: Any) -> list[str]:
        """The dataset's table of splits."""
        return self.beside_index(wildcards.dataset, "splits.tsv")

    def unread(self, wildcards: Any) -> list[str]:
        """The dataset's table of unreadable videos, which are in no split."""
        return self.beside_index(wildcards.dataset, "unread.tsv")

    def index(self, wildcards: Any) -> list[str]:
        """The dataset's index."""
        return self.beside_index(wildcards.dataset, "index.tsv")

    def root(self, wildcards: Any) -> str:
        """The folder that holds the videos of the dataset."""
        return datasets.dataset_root(self.entries[wildcards.dataset], wildcards.dataset)

    def sample(self, wildcards: Any) -> list[str]:
        """The table of the videos that the codebook is fitted to."""
        return self.beside_index(wildcards.dataset, "sample.tsv")

    # Frames and persons

    def frames_settings(self, wildcards: Any) -> str:
        """The section `frames` with the short side of the file's name."""
        return self.section("frames", short_side=int(wildcards.short_side))

    def frames(self, dataset: str, short_side: int) -> list[str]:
        """The frames of all shards."""
        return [
            paths.FRAMES.format(dataset=dataset, short_side=short_side, shard=shard) for shard in self.shards(dataset)
        ]

    def shard_boxes(self, wildcards: Any) -> list[str]:
        """The persons of a shard, if the descriptors mask them."""
        detector = datasets.detector_of(self.config, wildcards.descriptors)
        if detector == "none":
            return []
        return [paths.PERSONS.format(dataset=wildcards.dataset, detector=detector, shard=wildcards.shard)]

    # Trajectories

    def trajectories_settings(self, wildcards: Any) -> str:
        """The settings of the descriptors' trajectories, as JSON."""
        return self.section("trajectories", rows=self.config["descriptors"][wildcards.descriptors]["rows"])

    def keeps_all_trajectories(self, wildcards: Any) -> bool:
        """Whether the trajectories of all videos are stored, not only of the sampled videos."""
        (totals,) = self.beside_index(wildcards.dataset, "totals.json")
        return datasets.keeps_all_trajectories(self.config, Path(totals))

    def only_sample(self, wildcards: Any) -> list[str]:
        """The sample, if only its trajectories are stored."""
        return [] if self.keeps_all_trajectories(wildcards) else self.sample(wildcards)

    def made_by(self, wildcards: Any) -> str:
        """A digest of how the trajectories are made."""
        detector = datasets.detector_of(self.config, wildcards.descriptors)
        persons = (
            [] if detector == "none" else [detector, self.section("persons"), version("persons", "detect_persons")]
        )
        settings = self.trajectories_settings(wildcards)
        return digest(settings, self.reading, version("trajectories", "extract_shard"), persons)

    def made_by_file(self, wildcards: Any) -> str:
        """The digest of how the trajectories of the descriptors are made."""
        tracked = datasets.tracked_for(self.config, wildcards.descriptors)
        return paths.MADE_BY.format(dataset=wildcards.dataset, descriptors=tracked)

    def trajectories(self, wildcards: Any) -> str:
        """The trajectories of a shard for the descriptors, which descriptors of other channels share."""
        tracked = datasets.tracked_for(self.config, wildcards.descriptors)
        return paths.TRAJECTORIES.format(dataset=wildcards.dataset, descriptors=tracked, shard=wildcards.shard)

    # Encoding

    def codebook_settings(self, wildcards: Any) -> str:
        """The settings of the codebook, of all channels or of each channel, as JSON."""
        per_channel = wildcards.space == "per_channel"
        chosen = {} if per_channel else {"channels": self.config["descriptors"][wildcards.descriptors]["channels"]}
        return self.section("encoding", per_channel=per_channel, **chosen)

    def sampled_trajectories(self, wildcards: Any) -> list[str]:
        """The trajectories of the shards that hold sampled videos."""
        (table,) = self.sample(wildcards)
        n_shards = self.entries[wildcards.dataset]["shards"]
        sampled = {shard_of(row["video_id"], n_shards) for row in read_columns(Path(table))}
        tracked = datasets.tracked_for(self.config, wildcards.descriptors)
        return [
            paths.TRAJECTORIES.format(dataset=wildcards.dataset, descriptors=tracked, shard=shard)
            for shard in self.shards(wildcards.dataset)
            if shard in sampled
        ]

    def joint_codebook(self, wildcards: Any) -> str:
        """The codebook of the sketches."""
        return paths.CODEBOOK.format(dataset=wildcards.dataset, descriptors=wildcards.descriptors, space="joint")

    def fisher_codebook(self, wildcards: Any) -> str:
        """The codebook of the whole Fisher vectors."""
        space = "per_channel" if self.config["encoding"]["per_channel"] else "joint"
        return paths.CODEBOOK.format(dataset=wildcards.dataset, descriptors=wildcards.descriptors, space=space)

    def streamed_videos(self, wildcards: Any) -> list[str]:
        """The videos of the shard, if some are encoded while they are tracked."""
        return [] if self.keeps_all_trajectories(wildcards) else self.shard_videos(wildcards)

    def streamed_boxes(self, wildcards: Any) -> list[str]:
        """The persons of the shard, if some videos are encoded while they are tracked."""
        return [] if self.keeps_all_trajectories(wildcards) else self.shard_boxes(wildcards)

    def streamed_settings(self, wildcards: Any) -> str:
        """The settings of the tracking, if some videos are encoded while they are tracked."""
        return "{}" if self.keeps_all_trajectories(wildcards) else self.trajectories_settings(wildcards)

    def vectors(self, wildcards: Any) -> str:
        """The file of the user's vectors."""
        return str(self.config["descriptors"][wildcards.descriptors]["vectors"])

    def descriptors_pattern(self, have_vectors: bool) -> str:
        """A pattern of the names of the descriptors that are read from a file of vectors, or that are computed."""
        entries = self.config["descriptors"].items()
        return "|".join(name for name, entry in entries if bool(entry["vectors"]) == have_vectors) or "(?!)"

    def encodings(self, dataset: str, descriptors: str, pattern: str = paths.ENCODING) -> list[str]:
        """The sketches of all shards; with the pattern `paths.FISHER` their Fisher vectors."""
        return [pattern.format(dataset=dataset, descriptors=descriptors, shard=shard) for shard in self.shards(dataset)]

    # Clusters

    def clustered_encodings(self, wildcards: Any) -> list[str]:
        """The sketches of all shards for the descriptors."""
        return self.encodings(wildcards.dataset, wildcards.descriptors)

    def clusters_settings(self, wildcards: Any) -> str:
        """The section `clusters` with the method, K, m and the seed of the file's name."""
        numbers = {key: int(wildcards[key]) for key in ("k", "m", "seed")}
        return self.section("clusters", method=wildcards.method, **numbers)
