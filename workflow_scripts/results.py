"""The results of a run in Python, for notebooks and scripts: `workflow_scripts.open_results`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

from workflow_scripts.clusters.cluster_sketches import read_sketches
from workflow_scripts.configuration import paths
from workflow_scripts.configuration.datasets import detector_of, tracked_for
from workflow_scripts.evaluation.split import read_statuses
from workflow_scripts.evaluation.split_features import read_feature_file
from workflow_scripts.ground.artifacts import read_hdf5
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.statuses import shard_statuses
from workflow_scripts.pretraining.model_file import read_model
from workflow_scripts.report.page.inputs import read_clusterings, read_evaluations
from workflow_scripts.videos.tables import INDEX, SPLITS, read_table

Value = TypeVar("Value")


class UnknownVideo(StageError, KeyError):
    """The files hold no such video."""

    __str__ = Exception.__str__  # KeyError would add quotes


@dataclass(frozen=True)
class LazyArray:
    """An array in an HDF5 file, read when it is indexed. The file does not stay open."""

    path: Path
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        with read_hdf5(self.path) as file:
            return tuple(file[self.name].shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        with read_hdf5(self.path) as file:
            return np.asarray(file[self.name][rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


@dataclass(frozen=True)
class VideoTrajectories:
    """The trajectories of a video; the columns are `idt_tools.columns.INFO` and `idt_tools.columns.CHANNELS`."""

    info: LazyArray  # (n, 10)
    descriptors: LazyArray  # (n, 426)

    @classmethod
    def of(cls, path: Path, video_id: str) -> "VideoTrajectories":
        """Those in a file of the trajectories stage."""
        return cls(LazyArray(path, f"{video_id}/info"), LazyArray(path, f"{video_id}/descriptors"))


class PerVideo(Mapping[str, Value]):
    """A value for each video in some shards, by video_id. A failed video has arrays without rows."""

    def __init__(self, shards: list[Path], value: Callable[[Path, str], Value]) -> None:
        self._shards, self._value = shards, value
        self._file_of = {video_id: path for path in shards for video_id, _, _ in shard_statuses(path)}

    def __getitem__(self, video_id: str) -> Value:
        if video_id not in self._file_of:
            files = f"{self._shards[0].parent}/*.h5" if self._shards else "the results"
            raise UnknownVideo(f"{files}: no file holds the video {video_id}; index() lists the videos of a dataset")
        return self._value(self._file_of[video_id], video_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def __len__(self) -> int:
        return len(self._file_of)


class Results:
    """The results in a folder. Each method reads its files when it is called.

    Tables have the index `video_id`, so that they can be joined. `dataset` is by default the one that the networks are
    trained on, `descriptors` the first of the config. All methods raise StageError if a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.datasets = sorted(path.parts[-3] for path in folder.glob("*/videos/index.tsv"))
        if not self.datasets:
            raise StageError(
                f"{folder}: it holds no index of a dataset; give the folder `results` of a run, or run snakemake first"
            )

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config of the run, with all defaults."""
        return dict(yaml.safe_load(self._path(paths.CONFIG).read_text()))

    def index(self, dataset: str = "") -> pd.DataFrame:
        """Path, label, scene, status, ... of each video of a dataset."""
        return read_table(self._path(paths.INDEX, dataset=self._dataset(dataset)), INDEX).set_index("video_id")

    def splits(self, dataset: str = "") -> pd.DataFrame:
        """The videos of each split of a dataset: number of the split, part (train or test), label, group."""
        path = self._path(str(PurePath(paths.INDEX).with_name("splits.tsv")), dataset=self._dataset(dataset))
        return read_table(path, SPLITS).set_index("video_id")

    def sketches(self, dataset: str = "", descriptors: str = "") -> pd.DataFrame:
        """The IDT sketches of a dataset, a column per number. Videos without a sketch are left out."""
        files = self._shards(paths.ENCODING, dataset, descriptors=descriptors or self._first_descriptors())
        video_ids = sorted(video_id for video_id, status in read_statuses(files).items() if status == "ok")
        return _vectors(read_sketches(files, video_ids), video_ids)

    def clusters(self) -> pd.DataFrame:
        """The cluster of each video in every clustering.

        The columns have three levels. `method` is a run, or the descriptors whose sketches are clustered. `variant` is
        the seed of the run, or the videos and the parameters of the clustering. `clustering` counts from 0. The value
        is missing for a video that is not clustered.
        """
        files = [*self.folder.glob("*/clusters/*/*/*.h5"), *self.folder.glob("evaluation/*/*/clusters.h5")]
        if not files:
            raise StageError(f"{self.folder}: it holds no clusters yet; let the run go on to the stage clusters")
        columns = {
            (one.run or one.descriptors, one.variant, number): pd.Series(labels, one.video_ids, dtype="Int64")
            for one in read_clusterings(sorted(files))
            for number, labels in enumerate(one.labels)
        }
        table = pd.concat(columns, axis=1, names=["method", "variant", "clustering"])
        return table.rename_axis("video_id").sort_index().sort_index(axis=1)

    def embeddings(self, run: str, seed: int = 0) -> pd.DataFrame:
        """The memory bank of a run: the unit vector of each training video."""
        path = self._path(paths.MODEL, run=run, seed=seed)
        model = read_model(path)
        if model["bank"] is None:
            raise StageError(f"{path}: a run without a memory bank has no embeddings; features() gives its features")
        return _vectors(model["bank"].float().numpy(), model["video_ids"])

    def features(self, run: str, seed: int = 0, dataset: str = "") -> pd.DataFrame:
        """The features of an evaluated dataset by a frozen network. Videos without frames are left out."""
        evaluated = dataset or next(iter(self.config["evaluation"]["datasets"]))
        path = self._path(paths.FEATURES, run=run, seed=seed, dataset=self._dataset(evaluated))
        statuses, rows, _ = read_feature_file(path)
        usable = [status == "ok" for status in statuses.values()]
        return _vectors(rows, list(statuses))[usable]

    def accuracies(self) -> pd.DataFrame:
        """All evaluations: a row per run, seed, dataset, split and protocol."""
        files = sorted(self.folder.glob("evaluation/*/seed*/*/split*/*.json"))
        if not files:
            raise StageError(f"{self.folder}: it holds no evaluation yet; let the run go on to the stage evaluation")
        return read_evaluations(files)

    def trajectories(self, dataset: str = "", descriptors: str = "") -> PerVideo[VideoTrajectories]:
        """The stored trajectories by video_id."""
        tracked = tracked_for(self.config, descriptors or self._first_descriptors())
        files = self._shards(paths.TRAJECTORIES, dataset, descriptors=tracked)
        return PerVideo(files, VideoTrajectories.of)

    def boxes(self, dataset: str = "", detector: str = "") -> PerVideo[LazyArray]:
        """The boxes (n, 6) of people by video_id: frame, x1, y1, x2, y2 in pixels, score.

        `detector` is by default that of the first descriptors.
        """
        name = detector or detector_of(self.config, self._first_descriptors())
        if name == "none":
            raise StageError(
                f"{self.folder}: the descriptors {self._first_descriptors()} use no boxes; name a detector"
            )
        files = self._shards(paths.PERSONS, dataset, detector=name)
        return PerVideo(files, lambda path, video_id: LazyArray(path, f"{video_id}/boxes"))

    def _dataset(self, name: str) -> str:
        chosen = name or str(self.config["pretraining"]["dataset"])
        if chosen not in self.datasets:
            raise StageError(f"{self.folder}: it holds no dataset {chosen}; it holds {', '.join(self.datasets)}")
        return chosen

    def _first_descriptors(self) -> str:
        return str(next(iter(self.config["descriptors"])))

    def _path(self, pattern: str, **values: Any) -> Path:
        """The path of an artifact, which must exist."""
        path = self.folder / PurePath(pattern.format(**values)).relative_to("results")
        if not path.exists():
            near = sorted(entry.name for entry in path.parent.glob("[!.]*"))
            content = f"its folder holds {', '.join(near[:5])}" if near else "its folder is empty or does not exist"
            raise StageError(f"{path}: there is no such file ({content}); check the name, or let the run go on")
        return path

    def _shards(self, pattern: str, dataset: str, **values: str) -> list[Path]:
        """The files of all shards of a dataset."""
        index = self.index(dataset)
        shards = sorted(set(index.loc[index["status"] == "ok", "shard"]))
        return [self._path(pattern, dataset=self._dataset(dataset), shard=shard, **values) for shard in shards]


def _vectors(rows: np.ndarray, video_ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, index=pd.Index(video_ids, name="video_id"))
