"""The numbers of the page: accuracies by method (paper, tables 1 and 2), and what the clusters agree with (4.5)."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from workflow_scripts.artifacts import write_columns
from workflow_scripts.report.inputs import Clustering, Evaluation, Failure, Run, Video
from workflow_scripts.report.methods import CLUSTERED, Method

PROTOCOLS = {"finetune": "finetuned", "few_shot": "linear, all shots", "svm": "linear SVM"}


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1; None of a single value) of n values."""

    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(mean(found), stdev(found) if len(found) > 1 else None, len(found))


@dataclass(frozen=True)
class Cell:
    """A method's top-1 accuracy (0..1) over all splits and seeds of one dataset and protocol."""

    accuracy: Spread
    n_splits: int
    n_seeds: int
    n_test: int  # test videos added up over the splits of one seed
    n_left_out: int  # the most videos that one split names and that could not be used
    chance: float
    of_supervised: float | None
    best: bool  # the highest mean among networks trained without labels


Column = tuple[str, str]  # dataset, protocol


def _count(numbers: list[int], noun: str) -> str:
    """`3 splits`, or `1-3 seeds` where methods differ."""
    low, high = min(numbers), max(numbers)
    return f"{low if low == high else f'{low}–{high}'} {noun}{'' if high == 1 else 's'}"


@dataclass(frozen=True)
class MethodTable:
    """Cells by run and column; a run that was not evaluated so has none."""

    columns: list[Column]
    methods: list[Method]
    cells: dict[tuple[str, Column], Cell]

    def column_cells(self, column: Column) -> list[Cell]:
        """The cells of one dataset and protocol."""
        return [cell for (_, where), cell in self.cells.items() if where == column]

    def facts(self, column: Column) -> list[str]:
        """What the numbers of a column rest on, for its head: splits, seeds, test videos."""
        cells = self.column_cells(column)
        return [
            _count([cell.n_splits for cell in cells], "split"),
            _count([cell.n_seeds for cell in cells], "seed"),
            _count([cell.n_test for cell in cells], "test video"),
        ]

    def chance(self, column: Column) -> float:
        """The chance level of a column (0..1)."""
        return mean(cell.chance for cell in self.column_cells(column))


def _cell(found: list[Evaluation], of_supervised: float | None, best: bool) -> Cell:
    seeds = {evaluation.seed for evaluation in found}
    return Cell(
        accuracy=Spread.of(evaluation.accuracy for evaluation in found),
        n_splits=len({evaluation.split for evaluation in found}),
        n_seeds=len(seeds),
        n_test=round(sum(evaluation.n_test for evaluation in found) / len(seeds)),
        n_left_out=max(evaluation.n_left_out for evaluation in found),
        chance=mean(evaluation.chance for evaluation in found),
        of_supervised=of_supervised,
        best=best,
    )


def method_table(evaluations: list[Evaluation], methods: list[Method]) -> MethodTable:
    """Table 1 of the paper for these results: mean over splits and seeds of each method, dataset and protocol.

    The fraction of supervised is taken where exactly one supervised run has the same dataset and protocol, and says
    more than chance does: at least twice its accuracy. A fraction of chance means nothing.
    """
    groups: dict[tuple[str, Column], list[Evaluation]] = defaultdict(list)
    for evaluation in evaluations:
        groups[evaluation.run, (evaluation.dataset, evaluation.protocol)].append(evaluation)
    known = {protocol: position for position, protocol in enumerate(PROTOCOLS)}
    columns = sorted({column for _, column in groups}, key=lambda column: (column[0], known.get(column[1], 9)))
    methods = [method for method in methods if any(run == method.run for run, _ in groups)]
    cells = {}
    for column in columns:
        means = {
            method: mean(evaluation.accuracy for evaluation in groups[method.run, column])
            for method in methods
            if (method.run, column) in groups
        }
        supervised = [
            value
            for method, value in means.items()
            if method.kind == "supervised" and value >= 2 * mean(result.chance for result in groups[method.run, column])
        ]
        learned = [value for method, value in means.items() if method.learned]
        for method, value in means.items():
            fraction = value / supervised[0] if len(supervised) == 1 else None
            best = method.learned and len(learned) > 1 and value == max(learned)
            cells[method.run, column] = _cell(groups[method.run, column], fraction, best)
    return MethodTable(columns, methods, cells)


def write_method_table(table: MethodTable, baselines: dict[str, dict[str, Any]], path: Path) -> None:
    """Writes the table long: one row per method, dataset and protocol, accuracies in 0..1 with six decimals."""
    names = "run method dataset protocol accuracy sd n_values n_splits n_seeds n_test n_left_out chance of_supervised"
    rows: list[dict[str, Any]] = []
    for column in table.columns:
        for method in table.methods:
            cell = table.cells.get((method.run, column))
            if cell is None:
                continue
            numbers = {"accuracy": cell.accuracy.mean, "sd": cell.accuracy.sd, "chance": cell.chance}
            numbers["of_supervised"] = cell.of_supervised
            rows.append(
                {"run": method.run, "method": method.title, "dataset": column[0], "protocol": column[1]}
                | {name: "" if value is None else f"{value:.6f}" for name, value in numbers.items()}
                | {"n_values": cell.accuracy.n, "n_splits": cell.n_splits, "n_seeds": cell.n_seeds}
                | {"n_test": cell.n_test, "n_left_out": cell.n_left_out}
            )
    for dataset, baseline in sorted(baselines.items()):
        row = {"run": "baseline", "method": baseline["name"], "dataset": dataset}
        rows.append(row | {"accuracy": f"{baseline['accuracy']:.6f}"})
    write_columns(path, rows, names.split())


@dataclass(frozen=True)
class FewShot:
    """Accuracy against the number of labelled videos per class, on one dataset (paper, table 2)."""

    dataset: str
    shots: list[str]  # "1", "5", ... "all"
    chance: float
    methods: list[Method]
    cells: dict[tuple[str, str], Spread]  # by run and shots: over draws, splits and seeds


def few_shot_tables(evaluations: list[Evaluation], methods: list[Method]) -> list[FewShot]:
    """One table per dataset that has few-shot results."""
    tables = []
    found = [evaluation for evaluation in evaluations if evaluation.shots]
    for dataset in sorted({evaluation.dataset for evaluation in found}):
        here = [evaluation for evaluation in found if evaluation.dataset == dataset]
        values: dict[tuple[str, str], list[float]] = defaultdict(list)
        for evaluation in here:
            for shot, accuracies in evaluation.shots.items():
                values[evaluation.run, shot] += accuracies
        shots = {shot for (_, shot), accuracies in values.items() if accuracies}
        tables.append(
            FewShot(
                dataset=dataset,
                shots=sorted(shots, key=lambda shot: (shot == "all", int(shot) if shot.isdigit() else 0)),
                chance=mean(evaluation.chance for evaluation in here),
                methods=[method for method in methods if any(run == method.run for run, _ in values)],
                cells={key: Spread.of(accuracies) for key, accuracies in values.items() if accuracies},
            )
        )
    return tables


@dataclass(frozen=True)
class Agreement:
    """What clusters agree with: mutual information, normalised (NMI) and adjusted for chance (AMI), over K-means runs.

    `motion` and `scene` hold (NMI, AMI), or None where fewer than two different labels are known.
    """

    name: str
    title: str
    n_videos: int
    n_clusters: int
    motion: tuple[Spread, Spread] | None
    scene: tuple[Spread, Spread] | None

    @property
    def closer_to(self) -> str:
        """`motion` or `scene`, whichever AMI is higher; empty where one is not known or they are within 0.05."""
        if self.motion is None or self.scene is None:
            return ""
        difference = self.motion[1].mean - self.scene[1].mean
        return "" if abs(difference) < 0.05 else "motion" if difference > 0 else "scene"


def _scores(labelings: list[tuple[list[str], np.ndarray]]) -> tuple[Spread, Spread] | None:
    """NMI and AMI over all (known labels of N videos, cluster labels (m, N)); videos without a label are left out."""
    nmi, ami = [], []
    for truth, labels in labelings:
        known = np.array([bool(label) for label in truth])
        kept = [label for label in truth if label]
        if len(set(kept)) < 2:
            continue
        for row in labels:
            nmi.append(float(normalized_mutual_info_score(kept, row[known])))
            ami.append(float(adjusted_mutual_info_score(kept, row[known])))
    return (Spread.of(nmi), Spread.of(ami)) if nmi else None


def agreements(clusterings: list[Clustering], videos: list[Video], methods: list[Method]) -> list[Agreement]:
    """One row per run (its seeds together) and per clustering of IDT features: first without prior, then with it."""
    motion = {video.video_id: video.label for video in videos}
    scene = {video.video_id: video.scene for video in videos}
    kinds = {method.run: method for method in methods}
    several = len({clustering.variant for clustering in clusterings if not clustering.run}) > 1
    groups: dict[Method, list[Clustering]] = defaultdict(list)
    for clustering in clusterings:
        # Seeds of a run are repeats; two clusterings of IDT with other features, K or videos are not.
        features = f"{clustering.features} {clustering.variant}" if several else clustering.features
        groups[kinds[clustering.run] if clustering.run else Method(features, "idt_svm")].append(clustering)
    rows = []
    for method in sorted(groups, key=lambda method: (CLUSTERED.index(method.kind), method.run)):
        group = groups[method]
        rows.append(
            Agreement(
                name=method.run,
                title="IDT" if method.kind == "idt_svm" else method.title,
                n_videos=max(len(clustering.video_ids) for clustering in group),
                n_clusters=max(len(np.unique(row)) for clustering in group for row in clustering.labels),
                motion=_scores([([motion.get(i, "") for i in c.video_ids], c.labels) for c in group]),
                scene=_scores([([scene.get(i, "") for i in c.video_ids], c.labels) for c in group]),
            )
        )
    return rows


@dataclass(frozen=True)
class DatasetRow:
    """A dataset of the overview: videos found, usable to the end and lost, and what labels they have."""

    name: str
    n_videos: int
    n_failed: int
    n_labels: int
    n_groups: int
    n_scenes: int
    seconds: float


def dataset_rows(videos: list[Video], failures: list[Failure]) -> list[DatasetRow]:
    """One row per dataset, by name."""
    lost = Counter(failure.dataset for failure in failures)
    rows = []
    for name in sorted({video.dataset for video in videos}):
        here = [video for video in videos if video.dataset == name]
        labels, groups, scenes = ({getattr(v, key) for v in here} - {""} for key in ("label", "group", "scene"))
        seconds = sum(video.seconds for video in here)
        rows.append(DatasetRow(name, len(here), lost[name], len(labels), len(groups), len(scenes), seconds))
    return rows


@dataclass(frozen=True)
class RunRow:
    """A pretraining run of the overview."""

    method: Method
    n_videos: int
    n_epochs: int
    n_seeds: int
    seconds: float


def run_rows(runs: list[Run], methods: list[Method]) -> list[RunRow]:
    """One row per run, its seeds together, in the order of the methods; seconds are training time over the seeds."""
    rows = []
    for method in methods:
        seeds = [run for run in runs if run.name == method.run]
        if seeds:
            seconds = sum(float(epoch.get("seconds") or 0) for run in seeds for epoch in run.history)
            epochs = max(len(run.history) for run in seeds)
            n_videos = max(run.n_videos for run in seeds)
            rows.append(RunRow(method, n_videos, epochs, len(seeds), seconds))
    return rows
