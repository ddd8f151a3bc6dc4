"""Reads the results that the report shows into plain records. Nothing here computes a number.

Every reader takes the paths it is given and no others; an empty list gives an empty answer. Which dataset,
descriptors or run a file belongs to is read from the file where it says so and else from its path (docs/artifacts.md:
`results/{dataset}/{noun}/...`, `results/evaluation/{run}/seed{seed}/clusters.h5`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.results import read_record
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.statuses import shard_statuses
from workflow_scripts.pretraining.model_file import read_model
from workflow_scripts.videos.folders import counted_suffixes

SHARD_STAGES = ("persons", "trajectories", "encoding", "frames")  # in the order of the pipeline


@dataclass(frozen=True)
class Video:
    """A row of a dataset's index. `label` (the motion) and `scene` are empty where they are not known."""

    dataset: str
    video_id: str
    path: str
    label: str
    group: str
    scene: str
    seconds: float
    status: str
    reason: str

    @classmethod
    def unknown(cls, video_id: str) -> "Video":
        """A video of which no index tells."""
        return cls("", video_id, video_id, "", "", "", 0.0, "", "")

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return PurePath(self.path).stem

    @property
    def description(self) -> str:
        """What a reader who does not see the picture is told."""
        known = ", in front of ".join(part for part in (self.label, self.scene) if part)
        return f"{known}: video {self.name}" if known else f"video {self.name}"


@dataclass(frozen=True)
class Run:
    """A trained model without its weights: on how many videos, and how it went (`history`, an entry per epoch)."""

    name: str
    seed: int
    history: list[dict[str, float]]
    n_videos: int

    @property
    def seconds(self) -> float:
        """How long its epochs took."""
        return sum(float(epoch.get("seconds") or 0) for epoch in self.history)


@dataclass(frozen=True)
class Evaluation:
    """One protocol on one split. Shares in 0..1.

    `metrics` has the metrics of METRICS that apply, by name. `shots` maps "1", "5", ... "all" to an accuracy per draw;
    only the protocol `linear` has them.
    """

    run: str
    seed: int
    dataset: str
    split: int
    protocol: str
    metrics: dict[str, float]
    accuracy_interval: list[float]  # 95 %, over the test videos
    chance: float
    n_train: int
    n_test: int
    n_left_out: int
    config_digest: str
    shots: dict[str, list[float]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)  # rows: classes; columns: answers

    @property
    def accuracy(self) -> float:
        """Top-1."""
        return self.metrics["accuracy"]

    @property
    def n_listed(self) -> int:
        """The videos of the dataset's test list, whether they could be judged or not."""
        return self.n_test + self.n_left_out


@dataclass(frozen=True)
class Clustering:
    """Labels (m, N) int of N videos by m runs of K-means: of a run's memory bank, or (`run` empty) of IDT."""

    run: str
    descriptors: str
    variant: str  # tells apart clusterings of the same run or descriptors: the seed, or subset, K, m and seed
    video_ids: list[str]
    labels: np.ndarray


@dataclass(frozen=True)
class Failure:
    """A video that a stage could not use, with the stage that said so first."""

    dataset: str
    video_id: str
    stage: str
    status: str
    reason: str


class Damaged(NamedTuple):
    """A video that is used, though damage cost it frames."""

    dataset: str
    video_id: str
    n_skipped: int


@dataclass(frozen=True)
class StageTime:
    """Wall-clock seconds of a stage's jobs, added up, and the most memory that one of them held."""

    stage: str
    jobs: int
    seconds: float
    max_rss_mb: float | None


def read_videos(indexes: list[Path]) -> list[Video]:
    """Every row of the datasets' `results/{dataset}/videos/index.tsv`."""
    videos = []
    for path in indexes:
        for row in read_columns(path):
            videos.append(
                Video(
                    dataset=path.parent.parent.name,
                    video_id=row["video_id"],
                    path=row.get("path", ""),
                    label=row.get("label", ""),
                    group=row.get("group", ""),
                    scene=row.get("scene", "") or "",
                    seconds=float(row.get("seconds") or 0),
                    status=row["status"],
                    reason=row.get("reason", "") or "",
                )
            )
    return videos


def read_missing(indexes: list[Path]) -> dict[str, int]:
    """Dataset -> how many videos its annotations name that are not there (`missing.tsv` beside the index)."""
    tables = {path.parent.parent.name: path.parent / "missing.tsv" for path in indexes}
    return {dataset: len(read_columns(table)) for dataset, table in tables.items() if table.exists()}


def read_passed_over(indexes: list[Path]) -> dict[str, str]:
    """Dataset -> which files and links below its root are no videos of it (`passed_over.tsv` beside the index)."""
    sentences = {}
    for path in indexes:
        table = path.parent / "passed_over.tsv"
        rows = read_columns(table) if table.exists() else []
        suffixes = Counter({row["name"]: int(row["files"]) for row in rows if row["kind"] == "suffix"})
        links = [row["name"] for row in rows if row["kind"] == "link"]
        parts = [f"files that are no videos by their suffix ({counted_suffixes(suffixes)})"] if suffixes else []
        if links:
            parts.append(f"links to folders that are read already ({', '.join(links[:5])}{', ...' * (len(links) > 5)})")
        if parts:
            sentences[path.parent.parent.name] = "; ".join(parts)
    return sentences


def read_runs(models: list[Path]) -> list[Run]:
    """What each model.pt says of itself. Raises StageError for a file that is no model, or is damaged."""
    runs = []
    for path in models:
        try:
            model = read_model(path)
            runs.append(Run(model["run"], int(model["seed"]), list(model["history"]), len(model["video_ids"])))
        except (KeyError, TypeError, ValueError) as error:
            raise StageError(f"{path} is not a model of the pretraining stage ({error}); make it again") from error
    return runs


def read_evaluations(paths: list[Path]) -> list[Evaluation]:
    """The records of the evaluation stage, one JSON file per run, seed, dataset, split and protocol."""
    evaluations = []
    for path in paths:
        record = read_record(path)
        metrics = {name: record[name] for name in METRICS if name in record}
        own = {key: record[key] for key in Evaluation.__dataclass_fields__ if key in record}
        evaluations.append(Evaluation(**own, metrics=metrics))
    return evaluations


def read_clusterings(paths: list[Path]) -> list[Clustering]:
    """Cluster labels of runs (`.../seed{seed}/clusters.h5`) and of IDT (`.../{subset}/{method}_k*.h5`)."""
    clusterings = []
    for path in paths:
        of_run = path.name == "clusters.h5"
        with read_hdf5(path) as file:
            clusterings.append(
                Clustering(
                    run=path.parent.parent.name if of_run else "",
                    descriptors="" if of_run else path.parent.parent.name,
                    variant=path.parent.name if of_run else f"{path.parent.name} {path.stem}",
                    video_ids=list(file["video_id"].asstr()[:]),
                    labels=np.atleast_2d(file["labels"][:]),
                )
            )
    return clusterings


def read_vectors(
    clustering: Clustering, models: list[Path], encodings: list[Path], video_ids: list[str]
) -> tuple[list[str], NDArray[np.float32]]:
    """Those of the videos that have a vector in the space that was clustered, and the vectors (n, d).

    They come from the memory bank of the run's model, or from the sketches of the descriptors; none where these are not
    among the files, or the run has no bank (a supervised one).
    """
    wanted = set(video_ids)
    vectors_of: dict[str, NDArray[np.float32]] = {}
    for path in models:
        if (path.parent.parent.name, path.parent.name) == (clustering.run, clustering.variant):
            model = read_model(path)
            if model["bank"] is not None:
                rows = [row for row, video_id in enumerate(model["video_ids"]) if video_id in wanted]
                vectors = model["bank"][rows].float().numpy()
                vectors_of |= zip((model["video_ids"][row] for row in rows), vectors, strict=True)
    for path in encodings:
        if not clustering.run and path.parts[-3:-1] == ("encoding", clustering.descriptors):
            with read_hdf5(path) as file:
                ids, statuses = file["video_id"].asstr()[:], file["status"].asstr()[:]
                rows = [row for row in range(len(ids)) if ids[row] in wanted and statuses[row] == "ok"]
                vectors_of |= zip(ids[rows], file["sketch"][rows], strict=True)
    present = sorted(vectors_of)
    return present, np.stack([vectors_of[video_id] for video_id in present]) if present else np.zeros(
        (0, 1), np.float32
    )


def read_failures(videos: list[Video], statuses: list[Path]) -> list[Failure]:
    """The videos that were lost, each once, by the first stage that could not use it, sorted by dataset and id."""
    first: dict[tuple[str, str], tuple[int, Failure]] = {}

    def note(position: int, failure: Failure) -> None:
        key = (failure.dataset, failure.video_id)
        if key not in first or position < first[key][0]:
            first[key] = (position, failure)

    for video in videos:
        if video.status != "ok":
            note(-1, Failure(video.dataset, video.video_id, "videos", video.status, video.reason))
    for path in tqdm(statuses, desc="statuses", unit="file", disable=len(statuses) < 50):
        stages = [part for part in path.parts if part in SHARD_STAGES]
        if not stages:
            raise StageError(f"{path}: no stage among {', '.join(SHARD_STAGES)} in the path of a status file")
        stage = stages[-1]
        where = len(path.parts) - 1 - path.parts[::-1].index(stage)
        for video_id, status, reason in shard_statuses(path):
            if status != "ok":
                note(SHARD_STAGES.index(stage), Failure(path.parts[where - 1], video_id, stage, status, reason))
    return [failure for _, failure in (first[key] for key in sorted(first))]


def read_damaged(paths: list[Path]) -> list[Damaged]:
    """The videos that are used without some damaged frames, sorted: by the files of the frames stage among `paths`."""
    damaged = []
    for path in paths:
        if path.parent.parent.name == "frames":
            with read_hdf5(path) as file:
                for video_id, group in file.items():
                    n_skipped = int(group.attrs.get("n_skipped", 0))
                    if n_skipped:
                        damaged.append(Damaged(path.parts[-4], video_id, n_skipped))
    return sorted(damaged)


def read_stage_times(
    benchmarks: list[Path], runs: list[Run], is_counted: Callable[[Sequence[str]], bool] = lambda job: True
) -> list[StageTime]:
    """Sums of Snakemake's benchmark files below each folder of `benchmarks`, which has a folder per stage.

    Of the jobs that are counted, by their path. Longest first. A value that Snakemake could not measure (`NA`, `-`) is
    left out. Snakemake measures the last attempt of a job; a training that was resumed has taken at least the seconds
    of all its epochs, which its history tells.
    """
    trained: dict[tuple[str, ...], float] = {("pretraining", run.name, f"seed{run.seed}"): run.seconds for run in runs}
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    for path, job in (
        (path, path.relative_to(folder).with_suffix("").parts)
        for folder in benchmarks
        for path in sorted(folder.rglob("*.tsv"))
    ):
        if not is_counted(job):
            continue
        for row in read_columns(path):
            # Not every system can tell the memory of a job.
            with suppress(ValueError):
                seconds[job[0]].append(max(float(row.get("s") or ""), trained.get(job, 0.0)))
            with suppress(ValueError):
                memory[job[0]].append(float(row.get("max_rss") or ""))
    times = [
        StageTime(stage, len(values), sum(values), max(memory[stage], default=None))
        for stage, values in seconds.items()
    ]
    return sorted(times, key=lambda time: (-time.seconds, time.stage))
