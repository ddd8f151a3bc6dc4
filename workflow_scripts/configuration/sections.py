"""The config as dataclasses: the settings of the stages, and the keys that only the rules read.

These dataclasses only describe the config, which is a dictionary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.encoding.settings import CHANNELS, EncodingSettings
from workflow_scripts.evaluation.protocols import NETWORK_PROTOCOLS
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.ground.setting import setting
from workflow_scripts.persons.detectors import DETECTORS
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.report.settings import ReportSettings, TableSettings
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.settings import DatasetSettings, ReadingSettings

NAMES = {"description": "letters, digits, _ and -", "pattern": r"^[A-Za-z0-9_-]+\Z"}
WORDS = {"description": "letters, digits and _, a letter first", "pattern": r"^[A-Za-z][A-Za-z0-9_]*\Z"}
SEEDS = {"minimum": 0, "maximum": 2**32 - 1}


@dataclass(frozen=True)
class VideosSection(ReadingSettings):
    shards: int = setting(
        16,
        "Parts of a dataset; each job processes one. Jobs of 15 to 60 minutes suit a cluster.",
        source="ours",
        minimum=1,
    )


@dataclass(frozen=True)
class DescriptorsEntry:
    """An entry of `descriptors`."""

    rows: str = setting(
        "",
        "Folder of existing descriptors, which are read instead of tracking. Files are named after the videos: .txt "
        "or .txt.gz by the original extractor, .h5 by `idt extract`.",
        source="ours",
    )
    vectors: str = setting(
        "",
        "File with a vector per video, which takes the place of the IDT sketch: .h5, .npz, .csv or .parquet. The entry "
        "has no other keys then.",
        source="ours",
    )
    boxes: str = setting(
        "detectron2",
        "Detector whose boxes exclude persons from the estimate of the camera's motion. none: nobody is excluded; "
        f"{'; '.join(f'{name}: {entry.meaning}' for name, entry in DETECTORS.items())}.",
        source="paper 3.3",
        enum=["none", *DETECTORS],
    )
    channels: Sequence[str] = setting(
        CHANNELS,
        "Channels of a trajectory that are encoded: any of trajectory, hog, hof and mbh. Without hog, which tells what "
        "things look like, motion alone is the prior. encoding.per_channel takes all.",
        source="paper 3.3",
        minItems=1,
        uniqueItems=True,
        items={"enum": list(CHANNELS)},
    )


@dataclass(frozen=True)
class TrajectoriesSection(TrajectoriesSettings):
    keep: str = setting(
        "auto",
        "Videos whose trajectories stay on disk. all: changing the PCA, GMM or sketch needs no new tracking; sample: "
        "only the sampled videos; auto: all if they fit in keep_gb.",
        source="ours",
        influences_result=False,
        enum=["auto", "all", "sample"],
    )
    keep_gb: float = setting(
        100,
        "Largest size that auto keeps per dataset, estimated from the number and the size of its frames.",
        source="ours",
        unit="gigabytes",
        influences_result=False,
        minimum=0,
    )


@dataclass(frozen=True)
class EncodingSection(EncodingSettings):
    resample: bool = setting(
        False, "Draw a new sample when videos are added. Otherwise the first sample stays.", source="ours"
    )


@dataclass(frozen=True)
class RunEntry:
    """An entry of `pretraining.runs`; it also takes the keys in CONFIG_KEYS_OF_RUNS."""

    objective: str = setting(
        "",
        "What the network learns. supervised learns the labels, so evaluate it on another dataset, or train it with "
        "subset splitN and evaluate it on that split. scratch trains nothing: it is a baseline of another shape.",
        source="paper 3",
        required=True,
        enum=[*OBJECTIVES, "scratch"],
    )
    init: str | None = setting(
        None,
        "Run whose weights and memory bank this run starts from, or a file: a model.pt, a state dict, or a checkpoint "
        "of Hara et al. or of the paper's authors.",
        source="paper 4.2",
    )
    clusters: str | None = setting(
        None,
        "Space in which the videos are clustered, for an objective that learns clusters (local_aggregation): the "
        "network's embeddings (network), IDT (idt), or both (joint). The name of an entry of `descriptors` stands for "
        "`idt` with these descriptors.",
        source="paper 3.2",
    )
    descriptors: str | None = setting(None, "Entry of `descriptors` whose sketches are clustered. Left out: the first.")


@dataclass(frozen=True)
class PretrainingSection(PretrainingSettings):
    dataset: str = setting("", "Name of the dataset to train on.", required=True)
    subset: str | int = setting(
        "all",
        "Videos to train on. all; NUMBER: so many randomly drawn videos; FOLDER: the videos in folders of that name; "
        "splitN: the training part of split N; FOLDER:NUMBER and splitN:NUMBER: so many of these.",
        source="paper 4.1",
        anyOf=[
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[^/:{}\x00-\x1f]+(:[1-9][0-9]*)?\Z"},
        ],
    )
    validation: str = setting(
        "",
        "Dataset whose nearest neighbours are computed after each epoch, to monitor the training. Empty: the training "
        "videos.",
        source="ours",
        influences_result=False,
    )
    seeds: list[int] = setting(
        [0], "Seeds; each run is trained once per seed.", source="ours", items=SEEDS, minItems=1, uniqueItems=True
    )
    runs: dict[str, RunEntry] = setting(
        {}, "Named trainings. A run can override most keys of this section.", propertyNames=NAMES
    )


@dataclass(frozen=True)
class EvaluationSection(EvaluationSettings):
    datasets: list[str] = setting([], "Names of the datasets to evaluate on.")
    splits: list[int] = setting([], "Numbers of the splits. Empty: all.", source="paper 4.1")
    runs: list[str] = setting(
        [],
        "Names of the runs to evaluate. Empty: all runs, scratch and idt (a linear SVM on IDT sketches). idt_fisher "
        "(full Fisher vectors, 400 kB per video) is evaluated only if it is named.",
    )
    protocols: list[str] = setting(
        list(NETWORK_PROTOCOLS),
        "How the networks are evaluated.",
        source="paper 4.2",
        items={"enum": NETWORK_PROTOCOLS},
    )


@dataclass(frozen=True)
class TableEntry(TableSettings):
    """An entry of `report.tables`."""

    datasets: list[str] = setting([], "Datasets to evaluate on. Empty: evaluation.datasets.")
    splits: list[int] = setting([], "Numbers of the splits. Empty: all.")


@dataclass(frozen=True)
class SourceEntry:
    """An entry of `report.sources`."""

    key: str = setting("", "RUN.KEY, SECTION.KEY or descriptors.NAME.KEY. An asterisk matches any text.", required=True)
    value: object = setting("", "The value that comes from this source.", required=True)
    source: str = setting("", "paper N, reference [N], authors' code or ours.", required=True)


@dataclass(frozen=True)
class ReportSection(ReportSettings):
    tables: dict[str, TableEntry] = setting(
        {},
        "Tables that compare our results with the paper's. `snakemake NAME` computes the results of table NAME and "
        "writes it to results/tables/; the report shows it.",
        propertyNames=WORDS,
    )
    sources: list[SourceEntry] = setting(
        [],
        "Sources of single values. Each replaces the source of its key. If a source begins with paper, the tables do "
        "not list the value as a departure from the paper.",
    )


@dataclass(frozen=True)
class ConfigSettings:
    seed: int = setting(
        0,
        "Seed of all random choices except those of the trainings: samples, codebook, clusters, splits.",
        source="ours",
        minimum=0,
        maximum=2**32 - 1,
    )
    max_failed_fraction: float = setting(
        0.1,
        "Fraction of a dataset's videos that may fail. If more fail, the run stops and lists them.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    datasets: dict[str, DatasetSettings] = setting(
        {},
        "Named datasets, for pretraining.dataset and evaluation.datasets.",
        required=True,
        propertyNames=NAMES,
        minProperties=1,
    )
    videos: VideosSection = setting({}, "How videos are read and divided into shards.")
    persons: PersonsSettings = setting({}, "How persons are found. The estimate of the camera's motion ignores them.")
    descriptors: dict[str, DescriptorsEntry] = setting(
        {"idt": {"boxes": "detectron2"}},
        "Named kinds of IDT descriptors. Runs and evaluation use the first by default.",
        propertyNames=NAMES,
        minProperties=1,
    )
    trajectories: TrajectoriesSection = setting({}, "How trajectories are tracked and stored.")
    encoding: EncodingSection = setting({}, "How the descriptors of a video become one vector.")
    clusters: ClustersSettings = setting({}, "How the sketches of the videos are clustered.")
    frames: FramesSettings = setting({}, "How frames are stored for training.")
    pretraining: PretrainingSection = setting({}, "How networks are pretrained.", required=True)
    evaluation: EvaluationSection = setting({}, "How the trained networks are evaluated.")
    report: ReportSection = setting({}, "What the report shows. All defaults are ours, and no key changes a result.")


# The keys of sections that a run can override.
CONFIG_KEYS_OF_RUNS = {
    "pretraining": ("subset", *(one.name for one in fields(PretrainingSettings) if "meaning" in one.metadata)),
    "clusters": ("k", "m"),
    "frames": ("short_side",),
}
