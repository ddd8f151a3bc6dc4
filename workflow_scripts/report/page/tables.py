"""The numbers of the page: accuracies by method (paper, tables 1 and 2), and what the clusters agree with (4.5)."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import mean, stdev

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.report.methods import CLUSTERED, Method
from workflow_scripts.report.page.inputs import Clustering, Evaluation, Failure, Run, Video

# What the spread over seeds leaves out, for the captions.
SHARED_BY_SEEDS = "Seeds share the trajectories, the codebook and the IDT clusters: the spread is that of the networks."


@dataclass(frozen=True)
class Spread:
    """Mean of n values of several seeds, and how far it depends on the seed.

    `sd`: standard deviation (n - 1) of the seeds' means, or of a single seed's values; None of a single value.
    """

    mean: float
    sd: float | None
    n: int
    n_seeds: int

    @classmethod
    def of(cls, seeds: Mapping[Hashable, list[float]]) -> "Spread":
        """The spread of the values of each seed (or whatever else tells repeats apart)."""
        values = [value for found in seeds.values() for value in found]
        repeats = [mean(found) for found in seeds.values()] if len(seeds) > 1 else values
        return cls(mean(values), stdev(repeats) if len(repeats) > 1 else None, len(values), len(seeds))


def by_seed(pairs: Iterable[tuple[Hashable, list[float]]]) -> dict[Hashable, list[float]]:
    """The values of each seed, seeds without any left out."""
    seeds: dict[Hashable, list[float]] = defaultdict(list)
    for seed, values in pairs:
        seeds[seed] += values
    return {seed: values for seed, values in seeds.items() if values}


@dataclass(frozen=True)
class Cell:
    """A method's top-1 accuracy (0..1) over all splits and seeds of one dataset and protocol, and what tells more."""

    accuracy: Spread
    interval: tuple[float, float]  # of a split and seed, 95 % over its test videos: means of the bounds
    metrics: dict[str, float]  # means of those of METRICS that apply, by name
    n_splits: int
    n_test: int  # test videos that were judged, added up over the splits of one seed
    n_listed: int  # those that the splits list, likewise
    n_left_out: int  # the most test videos that one split lists and that could not be judged
    chance: float
    origin: dict[str, str]  # as `origin` says
    of_supervised: float | None
    best: bool  # the highest mean among networks trained without labels, its interval above chance and scratch


Column = tuple[str, str]  # dataset, protocol


def origin(found: Iterable[Evaluation]) -> dict[str, str]:
    """What a number of the tables as files is of, texts with blanks between: the numbers of its `splits`; `n_train`,
    how many videos the training part of each has that could be used; `config_digests`, of the settings behind it."""
    found = list(found)
    n_train = {evaluation.split: evaluation.n_train for evaluation in found}
    return {
        "splits": " ".join(str(split) for split in sorted(n_train)),
        "n_train": " ".join(str(n_train[split]) for split in sorted(n_train)),
        "config_digests": " ".join(sorted({evaluation.config_digest for evaluation in found})),
    }


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low}–{high}"


def _count(numbers: list[int], noun: str) -> str:
    """`3 splits`, or `1-3 seeds` where methods differ."""
    return f"{_range(numbers)} {noun}{'' if max(numbers) == 1 else 's'}"


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
        tested, listed = [cell.n_test for cell in cells], [cell.n_listed for cell in cells]
        videos = _count(listed, "test video")
        return [
            _count([cell.n_splits for cell in cells], "split"),
            _count([cell.accuracy.n_seeds for cell in cells], "seed"),
            videos if tested == listed else f"{_range(tested)} of {videos}",
        ]

    def chance(self, column: Column) -> float:
        """The chance level of a column (0..1)."""
        return mean(cell.chance for cell in self.column_cells(column))


def _of(methods: list[Method], evaluations: list[Evaluation]) -> list[Evaluation]:
    """The evaluations of these methods."""
    runs = {method.run for method in methods}
    return [evaluation for evaluation in evaluations if evaluation.run in runs]


def _cell(found: list[Evaluation], of_supervised: float | None) -> Cell:
    accuracy = Spread.of(by_seed((evaluation.seed, [evaluation.accuracy]) for evaluation in found))
    low, high = (mean(bounds) for bounds in zip(*(evaluation.accuracy_interval for evaluation in found), strict=True))
    values = {name: [one.metrics[name] for one in found if name in one.metrics] for name in METRICS}
    return Cell(
        accuracy=accuracy,
        interval=(low, high),
        metrics={name: mean(of_metric) for name, of_metric in values.items() if of_metric},
        n_splits=len({evaluation.split for evaluation in found}),
        n_test=round(sum(evaluation.n_test for evaluation in found) / accuracy.n_seeds),
        n_listed=round(sum(evaluation.n_listed for evaluation in found) / accuracy.n_seeds),
        n_left_out=max(evaluation.n_left_out for evaluation in found),
        chance=mean(evaluation.chance for evaluation in found),
        origin=origin(found),
        of_supervised=of_supervised,
        best=False,
    )


def method_table(evaluations: list[Evaluation], methods: list[Method]) -> MethodTable:
    """Table 1 of the paper for these results: mean over splits and seeds of each method, dataset and protocol.

    The fraction of supervised is taken where exactly one supervised run has the same dataset and protocol, and says
    more than chance does: at least twice its accuracy. A fraction of chance means nothing.
    """
    groups: dict[tuple[str, Column], list[Evaluation]] = defaultdict(list)
    for evaluation in _of(methods, evaluations):
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
        scratch = [value for method, value in means.items() if method.kind == "scratch"]
        for method, value in means.items():
            fraction = value / supervised[0] if len(supervised) == 1 else None
            cell = _cell(groups[method.run, column], fraction)
            clear = cell.interval[0] > max([cell.chance, *scratch])
            best = clear and method.learned and len(learned) > 1 and value == max(learned)
            cells[method.run, column] = replace(cell, best=best)
    return MethodTable(columns, methods, cells)


@dataclass(frozen=True)
class FewShot:
    """Accuracy against the number of labelled videos per class, on one dataset (paper, table 2)."""

    dataset: str
    shots: list[str]  # "1", "5", ... "all"
    chance: float
    methods: list[Method]
    cells: dict[tuple[str, str], Spread]  # by run and shots: over draws, splits and seeds


def few_shot_tables(evaluations: list[Evaluation], methods: list[Method]) -> list[FewShot]:
    """One table per dataset on which one of these methods has few-shot results."""
    tables = []
    found = [evaluation for evaluation in _of(methods, evaluations) if evaluation.shots]
    for dataset in sorted({evaluation.dataset for evaluation in found}):
        here = [evaluation for evaluation in found if evaluation.dataset == dataset]
        values: dict[tuple[str, str], list[tuple[Hashable, list[float]]]] = defaultdict(list)
        for evaluation in here:
            for shot, accuracies in evaluation.shots.items():
                if accuracies:
                    values[evaluation.run, shot].append((evaluation.seed, accuracies))
        shots = {shot for _, shot in values}
        tables.append(
            FewShot(
                dataset=dataset,
                shots=sorted(shots, key=lambda shot: (shot == "all", int(shot) if shot.isdigit() else 0)),
                chance=mean(evaluation.chance for evaluation in here),
                methods=[method for method in methods if any(run == method.run for run, _ in values)],
                cells={key: Spread.of(by_seed(pairs)) for key, pairs in values.items()},
            )
        )
    return tables


@dataclass(frozen=True)
class Agreement:
    """What clusters agree with: mutual information, normalised (NMI) and adjusted for chance (AMI).

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


def _scores(clusterings: list[Clustering], labels: dict[str, str]) -> tuple[Spread, Spread] | None:
    """NMI and AMI of all runs of K-means with the videos' labels; videos without one are left out."""
    nmi, ami = [], []
    for clustering in clusterings:
        truth = [labels.get(video_id, "") for video_id in clustering.video_ids]
        known = np.array([bool(label) for label in truth])
        kept = [label for label in truth if label]
        if len(set(kept)) < 2:
            continue
        rows = [row[known] for row in clustering.labels]
        nmi.append((clustering.variant, [float(normalized_mutual_info_score(kept, row)) for row in rows]))
        ami.append((clustering.variant, [float(adjusted_mutual_info_score(kept, row)) for row in rows]))
    return (Spread.of(by_seed(nmi)), Spread.of(by_seed(ami))) if nmi else None


def kind_of_label(rows: Iterable[Agreement]) -> str:
    """What the videos' labels are called: motions where their scenes are known besides, else classes."""
    return "motion" if any(row.scene for row in rows) else "class"


def agreements(clusterings: list[Clustering], videos: list[Video], methods: list[Method]) -> list[Agreement]:
    """One row per method (its seeds together) and per clustering of IDT: first without prior, then with it."""
    motion = {video.video_id: video.label for video in videos}
    scene = {video.video_id: video.scene for video in videos}
    kinds = {method.run: method for method in methods}
    several = len({clustering.variant for clustering in clusterings if not clustering.run}) > 1
    groups: dict[Method, list[Clustering]] = defaultdict(list)
    for clustering in clusterings:
        if clustering.run and clustering.run not in kinds:
            continue
        # Seeds of a run are repeats; two clusterings of IDT with other descriptors, K or videos are not.
        descriptors = f"{clustering.descriptors} {clustering.variant}" if several else clustering.descriptors
        groups[kinds[clustering.run] if clustering.run else Method(descriptors, "idt_svm")].append(clustering)
    places = {method.run: place for place, method in enumerate(methods)}
    rows = []
    for method in sorted(groups, key=lambda method: (CLUSTERED.index(method.kind), places.get(method.run, 0))):
        group = groups[method]
        rows.append(
            Agreement(
                name=method.run,
                title="IDT" if method.kind == "idt_svm" else method.title,
                n_videos=max(len(clustering.video_ids) for clustering in group),
                n_clusters=max(len(np.unique(row)) for clustering in group for row in clustering.labels),
                motion=_scores(group, motion),
                scene=_scores(group, scene),
            )
        )
    return rows


@dataclass(frozen=True)
class DatasetRow:
    """A dataset of the overview: videos found, lost and annotated but not there, and what labels they have."""

    name: str
    n_videos: int
    n_failed: int
    n_missing: int
    n_labels: int
    n_groups: int
    n_scenes: int
    seconds: float


def dataset_rows(videos: list[Video], failures: list[Failure], missing: dict[str, int]) -> list[DatasetRow]:
    """One row per dataset, by name; `missing` counts, for some, the annotated videos that are not there."""
    lost = Counter(failure.dataset for failure in failures)
    rows = []
    for name in sorted({video.dataset for video in videos}):
        here = [video for video in videos if video.dataset == name]
        labels, groups, scenes = ({getattr(v, key) for v in here} - {""} for key in ("label", "group", "scene"))
        seconds = sum(video.seconds for video in here)
        n_missing, kinds = missing.get(name, 0), (len(labels), len(groups), len(scenes))
        rows.append(DatasetRow(name, len(here), lost[name], n_missing, *kinds, seconds))
    return rows


@dataclass(frozen=True)
class RunRow:
    """A pretraining run of the overview; `seconds` of training of one seed, without the run that it starts from."""

    method: Method
    n_videos: int
    n_epochs: int
    seconds: Spread


def run_rows(runs: list[Run], methods: list[Method]) -> list[RunRow]:
    """One row per run, its seeds together, in the order of the methods."""
    rows = []
    for method in methods:
        seeds = [run for run in runs if run.name == method.run]
        if seeds:
            seconds = by_seed((run.seed, [run.seconds]) for run in seeds)
            epochs = max(len(run.history) for run in seeds)
            n_videos = max(run.n_videos for run in seeds)
            rows.append(RunRow(method, n_videos, epochs, Spread.of(seconds)))
    return rows
