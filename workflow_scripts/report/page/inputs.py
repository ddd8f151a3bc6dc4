"""Reads the results that the report shows, tables as DataFrames.

Every reader reads exactly the paths that it is given; an empty list gives an empty table. A reader takes the dataset,
the descriptors or the run of a file from the file, or from its path if the file does not hold them (docs/artifacts.md:
`results/{dataset}/{noun}/...`, `results/evaluation/{run}/seed{seed}/clusters.h5`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.results import read_record
from workflow_scripts.ground.artifacts import read_columns, read_hdf5
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.statuses import shard_statuses
from workflow_scripts.pretraining.model_file import read_model
from workflow_scripts.videos.folders import counted_suffixes
from workflow_scripts.videos.layouts import LAYOUTS
from workflow_scripts.videos.tables import INDEX, read_table

SHARD_STAGES = ("persons", "trajectories", "encoding", "frames")  # in the order of the pipeline


# The columns of the tables; unknown texts are empty.
VIDEO_COLUMNS = ["dataset", "video_id", "path", "label", "group", "scene", "place", "seconds", "status", "reason"]
FAILURE_COLUMNS = ["dataset", "video_id", "stage", "status", "reason"]
DAMAGED_COLUMNS = ["dataset", "video_id", "n_skipped"]
EVALUATION_COLUMNS = [
    *("run", "seed", "dataset", "split", "protocol", *METRICS),
    *("interval_low", "interval_high", "chance", "n_train", "n_test", "n_left_out", "n_listed", "config_digest"),
    *("shots", "classes", "confusion"),
]


@dataclass(frozen=True)
class Video:
    """A video that the page shows. `label` (the motion), `scene` and `place` (`read_videos`) are empty if unknown."""

    video_id: str
    path: str
    label: str = ""
    scene: str = ""
    place: str = ""
    dataset: str = ""  # empty if the video is in no index

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return PurePath(self.path).stem

    @property
    def description(self) -> str:
        """The text for readers who do not see the picture."""
        known = ", in front of ".join(part for part in (self.label, self.scene) if part)
        return f"{known}: video {self.name}" if known else f"video {self.name}"


@dataclass(frozen=True)
class Run:
    """A trained model without its weights: the number of videos and the `history`, an entry per epoch."""

    name: str
    seed: int
    history: list[dict[str, float]]
    n_videos: int

    @property
    def n_epochs(self) -> int:
        return len(self.history)

    @property
    def seconds(self) -> float:
        """The time of all epochs."""
        return sum(float(epoch.get("seconds") or 0) for epoch in self.history)


@dataclass(frozen=True)
class Clustering:
    """Labels (m, N) int of N videos in m clusterings: of a run's memory bank, or (`run` empty) of IDT."""

    run: str
    descriptors: str
    variant: str  # distinguishes clusterings of a run (by seed) or of descriptors (by subset, K, m and seed)
    video_ids: list[str]
    labels: np.ndarray


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts by column, with None for missing values, as templates need them."""
    rows = table.astype(object).where(table.notna(), None)
    return [dict(zip(table.columns, row, strict=True)) for row in rows.itertuples(index=False, name=None)]


def read_videos(indexes: list[Path], layouts: Mapping[str, str]) -> pd.DataFrame:
    """Every row of the datasets' `results/{dataset}/videos/index.tsv`: VIDEO_COLUMNS.

    `place` is the video's scene or, in a dataset without scenes, its recording. The recording is the group; in a layout
    that numbers the groups within each class (UCF101), it is the class and the group. `place` is empty if no recording
    has several videos, or the video has no label to compare it with.

    layouts: the layout of each dataset in the config.
    """
    tables = [pd.DataFrame(columns=VIDEO_COLUMNS)]
    for path in indexes:
        videos, dataset = read_table(path, INDEX), path.parent.parent.name
        videos[["label", "group", "scene"]] = videos[["label", "group", "scene"]].fillna("")
        tables.append(videos.assign(dataset=dataset, place=_places(videos, layouts.get(dataset, ""))))
    videos = pd.concat(tables, ignore_index=True)
    return videos[VIDEO_COLUMNS].astype(object).fillna({"seconds": 0.0}).fillna("").astype({"seconds": float})


def _places(videos: pd.DataFrame, layout: str) -> pd.Series:
    """The column `place` of the table of a dataset."""
    if videos["scene"].any():
        return videos["scene"]
    within_labels = layout in LAYOUTS and LAYOUTS[layout].groups_within_labels
    recording = videos["label"] + " " + videos["group"] if within_labels else videos["group"]
    recording = recording.where((videos["group"] != "") & (videos["label"] != ""), "")
    return recording if recording[recording != ""].duplicated().any() else videos["scene"]


def videos_of(ids: Iterable[str], videos: pd.DataFrame) -> dict[str, Video]:
    """The videos with these ids, by id. A video that is in no index is named by its id."""
    known = videos.drop_duplicates("video_id", keep="last").set_index("video_id")
    shown = {}
    for video_id in ids:
        if video_id in known.index:
            row = known.loc[video_id, ["path", "label", "scene", "place", "dataset"]]
            shown[video_id] = Video(video_id, *map(str, row))
        else:
            shown[video_id] = Video(video_id, video_id)
    return shown


def read_missing(indexes: list[Path]) -> dict[str, int]:
    """Dataset -> number of videos that its annotations name and that do not exist (`missing.tsv`)."""
    tables = {path.parent.parent.name: path.parent / "missing.tsv" for path in indexes}
    return {dataset: len(read_columns(table)) for dataset, table in tables.items() if table.exists()}


def read_passed_over(indexes: list[Path]) -> dict[str, str]:
    """Dataset -> the files and links below its root that are not its videos (`passed_over.tsv`)."""
    sentences = {}
    for path in indexes:
        table = path.parent / "passed_over.tsv"
        rows = read_columns(table) if table.exists() else []
        suffixes = Counter({row["name"]: int(row["files"]) for row in rows if row["kind"] == "suffix"})
        links = [row["name"] for row in rows if row["kind"] == "link"]
        parts = [f"files without a video suffix ({counted_suffixes(suffixes)})"] if suffixes else []
        if links:
            named = ", ".join([*links[:5], *["..."] * (len(links) > 5)])
            parts.append(f"links to folders that are read under another path ({named})")
        if parts:
            sentences[path.parent.parent.name] = "; ".join(parts)
    return sentences


def read_runs(models: list[Path]) -> list[Run]:
    """The runs of these model.pt files. Raises StageError for a file that is damaged or not a model."""
    runs = []
    for path in models:
        try:
            model = read_model(path)
            runs.append(Run(model["run"], int(model["seed"]), list(model["history"]), len(model["video_ids"])))
        except (KeyError, TypeError, ValueError) as error:
            raise StageError(
                f"{path} is not a model of the pretraining stage ({error}); delete it and run again"
            ) from error
    return runs


def read_evaluations(paths: list[Path]) -> pd.DataFrame:
    """The records of the evaluation stage, a row per run, seed, dataset, split and protocol: EVALUATION_COLUMNS.

    A metric of METRICS that does not apply is missing. The 95 % interval of the accuracy is over the test videos;
    `n_listed` counts the videos of the dataset's test list, usable or not; `shots` maps "1", "5", ... "all" to an
    accuracy per draw, for protocols that have them; rows of `confusion` are the true classes.
    """
    return evaluation_table([read_record(path) for path in paths])


def evaluation_table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The table of `read_evaluations`, of records with the keys that the evaluation stage writes."""
    rows = []
    for record in records:
        low, high = record["accuracy_interval"]
        row = {"shots": {}, "classes": [], "confusion": [], **record, "interval_low": low, "interval_high": high}
        rows.append(row | {"n_listed": record["n_test"] + record["n_left_out"]})
    table = pd.DataFrame(rows, columns=EVALUATION_COLUMNS)
    return table.astype(dict.fromkeys([*METRICS, "interval_low", "interval_high", "chance"], float))


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
    """The vectors of videos in the clustered space.

    Args:
        clustering: A clustering of a run or of IDT.
        models: Files of trained models; the memory bank of the clustering's run is read.
        encodings: Shards of the encoding stage; the sketches of the clustering's descriptors are read.
        video_ids: The videos to look for.

    Returns:
        The sorted ids of the videos that have a vector, and their vectors (n, d) float32. Both are empty if the files
        do not hold the space. Supervised runs have no memory bank.
    """
    requested = set(video_ids)
    vectors_of: dict[str, NDArray[np.float32]] = {}
    for path in models:
        if (path.parent.parent.name, path.parent.name) == (clustering.run, clustering.variant):
            model = read_model(path)
            if model["bank"] is not None:
                rows = [row for row, video_id in enumerate(model["video_ids"]) if video_id in requested]
                vectors = model["bank"][rows].float().numpy()
                vectors_of |= zip((model["video_ids"][row] for row in rows), vectors, strict=True)
    for path in encodings:
        if not clustering.run and path.parts[-3:-1] == ("encoding", clustering.descriptors):
            with read_hdf5(path) as file:
                ids, statuses = file["video_id"].asstr()[:], file["status"].asstr()[:]
                rows = [row for row in range(len(ids)) if ids[row] in requested and statuses[row] == "ok"]
                vectors_of |= zip(ids[rows], file["sketch"][rows], strict=True)
    with_vector = sorted(vectors_of)
    return with_vector, np.stack([vectors_of[video_id] for video_id in with_vector]) if with_vector else np.zeros(
        (0, 1), np.float32
    )


def read_failures(videos: pd.DataFrame, statuses: list[Path]) -> pd.DataFrame:
    """The failed videos, each once with the first stage that could not use it: FAILURE_COLUMNS, sorted by video."""
    tables = [videos[VIDEO_COLUMNS].assign(stage="videos")[FAILURE_COLUMNS]]
    for path in tqdm(statuses, desc="statuses", unit="file", disable=len(statuses) < 50):
        stages = [part for part in path.parts if part in SHARD_STAGES]
        if not stages:
            raise StageError(f"{path}: the path of a status file must contain one of {', '.join(SHARD_STAGES)}")
        position = len(path.parts) - 1 - path.parts[::-1].index(stages[-1])
        table = pd.DataFrame(shard_statuses(path), columns=["video_id", "status", "reason"])
        tables.append(table.assign(dataset=path.parts[position - 1], stage=stages[-1])[FAILURE_COLUMNS])
    failed = pd.concat(tables, ignore_index=True).query("status != 'ok'")
    order = ("videos", *SHARD_STAGES)
    failed = failed.sort_values("stage", key=lambda stages: stages.map(order.index), kind="stable")
    return failed.drop_duplicates(["dataset", "video_id"]).sort_values(["dataset", "video_id"])


def read_damaged(paths: list[Path]) -> pd.DataFrame:
    """The videos that are used without their damaged frames, sorted: DAMAGED_COLUMNS.

    paths: shard files; those of other stages than frames are ignored.
    """
    rows = []
    for path in dict.fromkeys(paths):
        if path.parent.parent.name == "frames":
            with read_hdf5(path) as file:
                for video_id, group in file.items():
                    rows.append((path.parts[-4], video_id, int(group.attrs.get("n_skipped", 0))))
    table = pd.DataFrame(rows, columns=DAMAGED_COLUMNS)
    return table[table["n_skipped"] > 0].sort_values(DAMAGED_COLUMNS)


def read_stage_times(
    benchmarks: list[Path], runs: list[Run], is_counted: Callable[[Sequence[str]], bool] = lambda job: True
) -> pd.DataFrame:
    """The time and memory of each stage from Snakemake's benchmark files, the longest stage first.

    Snakemake measures only the last attempt of a job. A resumed training therefore counts with at least the seconds of
    all its epochs, which its history holds. A value that Snakemake could not measure (`NA`, `-`) is left out.

    Args:
        benchmarks: Folders that hold a folder of benchmark files per stage.
        runs: The trained models.
        is_counted: Whether a job counts, by the parts of its path.

    Returns:
        A row per stage: `stage`; `jobs`, how many were measured; `seconds`, their sum; `max_rss_mb`, the most memory
        that one of them held, NaN if none was measured.
    """
    trained: dict[tuple[str, ...], float] = {("pretraining", run.name, f"seed{run.seed}"): run.seconds for run in runs}
    rows: list[tuple[Any, ...]] = []
    for folder in benchmarks:
        for path in sorted(folder.rglob("*.tsv")):
            job = path.relative_to(folder).with_suffix("").parts
            if is_counted(job):
                of_job = (job[0], trained.get(job, 0.0))
                rows += [(*of_job, row.get("s"), row.get("max_rss")) for row in read_columns(path)]
    table = pd.DataFrame(rows, columns=["stage", "trained", "s", "max_rss"])
    for column in ("s", "max_rss"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table["s"] = table[["s", "trained"]].max(axis=1).where(table["s"].notna())
    times = table.groupby("stage").agg(jobs=("s", "count"), seconds=("s", "sum"), max_rss_mb=("max_rss", "max"))
    return times[times["jobs"] > 0].reset_index().sort_values(["seconds", "stage"], ascending=[False, True])
