"""A small set of results in the form of the other stages: generated videos, clusterings, models, evaluations."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from pages import BASELINE, Page, build_page

from workflow_scripts.configuration.resolve import as_yaml, read_config, resolve
from workflow_scripts.evaluation.metrics import Predictions
from workflow_scripts.evaluation.results import Task, write_record
from workflow_scripts.evaluation.settings import EvaluationSettings
from workflow_scripts.evaluation.split import Split
from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5, write_text
from workflow_scripts.ground.identity import rng, video_id
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.report.settings import ReportSettings, TableSettings
from workflow_scripts.report.tables.paper_table import paper_table
from workflow_scripts.synthetic.generate import render
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.videos.tables import INDEX as COLUMNS

DAMAGED = "wave/wave_beach_01.mp4"  # a video of which three frames were skipped
SHAPE: dict[str, Any] = {"depth": 10, "width": 0.0625}  # shape of the networks in the models
CONFIG = """\
datasets: {toy: {layout: generated, shards: 1}}
pretraining:
  dataset: toy
  runs:
    ir: {objective: instance}
    la: {objective: local_aggregation, clusters: network, init: ir}
    la_idt: {objective: local_aggregation, clusters: idt, init: ir}
    supervised: {objective: supervised}
"""


@dataclass
class Results:
    """The files of a run, as the arguments of build_report; `motions` and `scenes` by video_id."""

    folder: Path
    motions: dict[str, str]
    scenes: dict[str, str]
    evaluations: list[Path]
    models: list[Path]
    clusters: list[Path]
    indexes: list[Path]
    frames: list[Path]
    statuses: list[Path]
    benchmarks: list[Path]
    paper_tables: list[Path]
    config: Path

    def arguments(self) -> dict[str, Any]:
        """All arguments of build_report."""
        names = "evaluations models clusters indexes frames statuses benchmarks paper_tables config".split()
        output = self.folder / "report" / "index.html"
        return {n: getattr(self, n) for n in names} | {
            "output": output,
            "method_table": self.folder / "tables" / "method_table.tsv",
            "cluster_table": self.folder / "tables" / "cluster_table.tsv",
        }


def make_results(
    folder: Path,
    motions: tuple[str, ...] = ("wave", "spin", "walk"),
    scenes: tuple[str, ...] = ("bricks", "beach"),
    takes: int = 2,
    size: tuple[int, int] = (80, 60),
    accuracies: dict[str, float] | None = None,
    splits: int = 2,
    config: str = CONFIG,
    seeds: int = 1,
) -> Results:
    """Writes results under `folder`. The clusters of la are the scenes, those of IDT and la_idt the motions.

    config: with `pretraining.runs`; seeds: number of seeds per run; accuracies: the probability of a correct
    prediction per run, with fixed draws.
    """
    accuracies = accuracies or {"scratch": 0.3, "la": 0.5, "la_idt": 0.7, "supervised": 0.9, "idt": 0.8}
    results = Results(folder, {}, {}, [], [], [], [], [], [], [], [], folder / "config.yaml")
    write_text(results.config, as_yaml(resolve(yaml.safe_load(config))))
    _write_videos(results, motions, scenes, takes, size)
    ids = sorted(results.motions)
    _write_statuses(results, ids)
    _write_clusterings(results, ids, motions, scenes, seeds)
    for (run, accuracy), seed in product(accuracies.items(), range(seeds)):
        if run not in ("scratch", "idt"):
            groups = results.scenes if run == "la" else results.motions
            bank = None if run == "supervised" else vectors(run, [groups[name] for name in ids])
            results.models.append(_write_model(folder, run, seed, ids, bank))
        results.evaluations += _write_evaluations(results, run, seed, accuracy, splits)
    jobs = {
        "trajectories/toy/idt/000of001": "12.5\t301.2",
        "trajectories/toy/idt/001of001": "7.5\t310.0",
        "videos/toy": "0.8\tNA",
    }
    for job, line in jobs.items():
        write_text(folder / f"benchmarks/{job}.tsv", f"s\tmax_rss\n{line}\n")
    results.benchmarks.append(folder / "benchmarks")
    results.paper_tables.append(_write_paper_table(results))
    return results


def _write_videos(
    results: Results, motions: tuple[str, ...], scenes: tuple[str, ...], takes: int, size: tuple[int, int]
) -> None:
    """The frames and the index of the videos, with one video whose frames are damaged and one that failed."""
    settings = GeneratedSettings(frames=16, width=size[0], height=size[1])
    rows: list[dict[str, Any]] = []
    shard = results.folder / "toy/frames/60/000of001.h5"
    with write_hdf5(shard, stage="frames", version=1, parameters={}) as file:
        for motion, scene, take in product(motions, scenes, range(takes)):
            path = f"{motion}/{motion}_{scene}_{take:02d}.mp4"
            name = video_id(path)
            results.motions[name], results.scenes[name] = motion, scene
            jpegs = [cv2.imencode(".jpg", frame[..., ::-1])[1] for frame in render(motion, scene, take, settings)]
            group = file.create_group(name)
            dataset(group, "jpeg", np.concatenate(jpegs))
            dataset(group, "offsets", np.cumsum([0, *map(len, jpegs)]))
            group.attrs.update(width=size[0], height=size[1], n_frames=16, fps=25.0, status="ok", reason="")
            group.attrs["n_skipped"] = 3 if path == DAMAGED else 0
            rows.append({"video_id": name, "path": path, "label": motion, "group": f"take{take:02d}", "scene": scene})
            rows[-1] |= {
                "n_frames": 16,
                "fps": 25.0,
                "estimated_frames": 16,
                "seconds": 0.64,
                "width": size[0],
                "height": size[1],
                "status": "ok",
            }
    results.frames.append(shard)
    broken = {"video_id": video_id("bad/half.avi"), "path": "bad/half.avi", "label": "wave", "status": "truncated"}
    rows.append(broken | {"reason": "the file ends after 76 of 174 frames <moov>"})
    index = results.folder / "toy/videos/index.tsv"
    write_columns(index, sorted(rows, key=lambda row: row["video_id"]), COLUMNS)
    results.indexes.append(index)


def _write_paper_table(results: Results) -> Path:
    """A table with one row of ours and one cited row."""
    demo = results.folder / "demo.yaml"
    write_text(demo, as_yaml(read_config([])))
    cited = {"method": "PMAS_1", "paper": {"toy": 61.2}}
    table = TableSettings(
        title="Table 9: a few", rows=[{"method": "Video LA", "run": "la", "paper": {"toy": 71.4}}, cited]
    )
    files = [path for path in results.evaluations if path.stem == "finetune" and "la" in path.parts]
    tsv, markdown, latex, html = (results.folder / f"tables/table9.{kind}" for kind in ("tsv", "md", "tex", "html"))
    paper_table(files, demo, tsv, markdown, latex, html, table)
    return html


def _write_statuses(results: Results, ids: list[str]) -> None:
    """Trajectory and encoding shards in which the first video has no trajectories."""
    path = results.folder / "toy/trajectories/idt/000of001.h5"
    with write_hdf5(path, stage="trajectories", version=1, parameters={}) as file:
        for name in ids:
            failed = name == ids[0]
            status = {"status": "no_trajectories" if failed else "ok", "reason": "nothing moves" if failed else ""}
            file.create_group(name).attrs.update(status)
    results.statuses.append(path)
    path = results.folder / "toy/encoding/idt/000of001.h5"
    with write_hdf5(path, stage="encoding", version=1, parameters={}) as file:
        dataset(file, "video_id", ids)
        dataset(file, "status", ["no_trajectories"] + ["ok"] * (len(ids) - 1))
        dataset(file, "reason", ["no trajectory to encode"] + [""] * (len(ids) - 1))
        dataset(file, "sketch", vectors("idt", [results.motions[name] for name in ids]))
    results.statuses.append(path)


def vectors(space: str, groups: list[str]) -> np.ndarray:
    """Unit vectors (n, 16) float32; the vectors of a group are close to each other."""
    rows = np.stack(
        [rng(space, group).normal(size=16) + 0.3 * rng(space, i).normal(size=16) for i, group in enumerate(groups)]
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _write_clusterings(
    results: Results, ids: list[str], motions: tuple[str, ...], scenes: tuple[str, ...], seeds: int
) -> None:
    """All seeds agree, except that in later seeds one video of la_idt has its own cluster."""
    by_motion = [motions.index(results.motions[name]) for name in ids]
    by_scene = [scenes.index(results.scenes[name]) for name in ids]
    files = {"toy/clusters/idt/all/kmeans_k3_m2_s0.h5": by_motion}
    for seed in range(seeds):
        lone = [99 if seed else by_motion[0], *by_motion[1:]]
        files |= {f"evaluation/{run}/seed{seed}/clusters.h5": by for run, by in (("la", by_scene), ("la_idt", lone))}
    for path, labels in files.items():
        with write_hdf5(results.folder / path, stage="clusters", version=1, parameters={}) as file:
            dataset(file, "video_id", ids)
            dataset(file, "labels", np.array([labels, labels], np.int32))
        results.clusters.append(results.folder / path)


@pytest.fixture
def write_model() -> Callable[..., Path]:
    """A function that writes the model.pt of a run and seed below a folder."""
    return _write_model


def _write_model(folder: Path, run: str, seed: int, ids: list[str], bank: np.ndarray | None) -> Path:
    draw = rng("history", run, seed)
    history = [{"epoch": e, "loss": 4 * 0.9**e + 0.2 * draw.random(), "lr": 0.03, "seconds": 1.5} for e in range(10)]
    for entry in history:
        entry["accuracy" if run == "supervised" else "knn"] = 0.2 + 0.03 * entry["epoch"] + 0.05 * draw.random()
    path = folder / f"pretraining/{run}/seed{seed}/model.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = 3 if bank is None else bank.shape[1]
    network = ResNet3D(SHAPE["depth"], outputs, SHAPE["width"])
    settings = dataclasses.asdict(PretrainingSettings(**SHAPE))
    model = {"state_dict": network.state_dict(), "settings": settings}
    model |= {"run": run, "seed": seed, "video_ids": ids, "labels": None}
    model["bank"] = None if bank is None else torch.from_numpy(bank)
    torch.save(model | {"history": history, "classes": [], "version": 1}, path)
    return path


def _write_evaluations(results: Results, run: str, seed: int, accuracy: float, splits: int) -> list[Path]:
    """Records of all protocols of a run on every split."""
    paths = []
    classes = sorted(set(results.motions.values()))
    ids = sorted(results.motions)
    for number in range(1, splits + 1):
        test = {name: results.motions[name] for name in ids[number % 2 :: 2]}
        train = {name: results.motions[name] for name in ids if name not in test}
        split = Split(train, test, classes, {"lost-0": "no_trajectories"})
        draw = rng("predictions", run, number, seed)
        truth = split.targets(test)
        predicted = np.where(draw.random(len(truth)) < accuracy, truth, (truth + 1) % len(classes))
        shots = {s: list(accuracy * (0.4 + 0.2 * i) + 0.02 * draw.random(3)) for i, s in enumerate(["1", "5", "all"])}
        own: dict[str, dict[str, Any]] = {
            "finetune": {"history": []},
            "linear": {"shots": shots, "shots_n_train": {}},
            "knn": {"neighbours": 5, "R@1": 0.7 * accuracy, "R@5": accuracy},
            "svm": {},
        }
        for protocol in ["svm"] if run == "idt" else ["finetune", "linear", "knn"]:
            path = results.folder / f"evaluation/{run}/seed{seed}/toy/split{number}/{protocol}.json"
            predictions = Predictions.from_scores(truth, np.eye(len(classes))[predicted])
            task = Task(run, seed, "toy", number)
            write_record(path, task, protocol, split, predictions, EvaluationSettings(), **own[protocol])
            paths.append(path)
    return paths


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Twelve videos (three motions in two scenes), three clusterings, three models, two splits, two seeds."""
    folder = tmp_path_factory.mktemp("results")
    yield make_results(folder, seeds=2)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def arguments(results: Results) -> dict[str, Any]:
    """The arguments with which `page` was built."""
    arguments = results.arguments()
    build_page(**arguments, settings=ReportSettings(baselines=BASELINE))
    return arguments


@pytest.fixture(scope="session")
def page(arguments: dict[str, Any]) -> Page:
    return Page(arguments["output"])
