"""What a pretraining run can be told; the defaults are the paper's values."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.clusters.settings import check_k
from workflow_scripts.ground.artifacts import read_columns, read_json

# The VERSION of each stage, raised when the same settings give another result.
VERSIONS = {"select_videos": 4, "train": 4}

# How many nearest neighbours vote, and the temperature by which a vote weighs exp(cosine / temperature): that of [46],
# which asks 200 of a million (a class here may have ten).
KNN_NEIGHBOURS, KNN_TEMPERATURE = 5, 0.07


@dataclass(frozen=True)
class PretrainingSettings:
    """Hyper-parameters of one run.

    Supervised and scratch baselines of the paper follow Hara et al., section 3.3: give such a run `lr: 0.1`,
    `dampening: 0.9`, `weight_decay: 0.001`, `batch: 128` and `crop: corner` (they drop the rate when the validation
    loss stops falling; here `drops` says when).
    """

    # The network
    depth: int = 18  # layers of the 3D ResNet, 10 | 18 | 34; paper 4.2, appendix C
    width: float = 1.0  # factor on all its channel numbers, for small runs; ours
    shortcut: str = "B"  # 1x1x1 convolutions, or A: values left out and zeros, as Hara et al. 2018 published; paper 4.2
    embedding_dim: int = 128  # dimensions of an embedding; paper 4.2

    # The clips
    clip_length: int = 16  # consecutive frames; paper 4.2, table 3
    crop_size: int = 112  # pixels of a clip's side; paper 4.2, table 7
    n_scales: int = 5  # crops of 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2 of the frame: how many of them, 1..5; paper 4.2, [14]
    crop: str = "random"  # where a crop lies: anywhere, or corner (centre and corners, [14]); paper 4.2, authors' code
    color: bool = False  # also grayscale (p 0.2) and colour jitter (0.4); authors' code, not in the paper

    # The objective
    temperature: float = 0.07  # tau of equation 2; paper 4.2
    negatives: int = 4096  # rows drawn for the denominator of equation 2 (instance); paper 4.2
    neighbours: int = 4096  # nearest rows of the bank that make B_i (local_aggregation); authors' code, [49]
    bank_momentum: float = 0.5  # share of the old row when a bank row is renewed; [46], [49]
    k: int = 6000  # clusters of one K-means; paper 4.2, table 6
    m: int = 3  # K-means runs whose clusters are joined; paper 4.2, table 6
    cluster_method: str = "kmeans"  # clusters.method; paper 4.2
    kmeans_iterations: int = 20  # of each K-means; authors' code

    # The optimisation
    epochs: int = 200  # passes over the videos; paper 4.2
    batch_size: int = 256  # clips a step; paper 4.2
    lr: float = 0.03  # learning rate of SGD; paper 4.2
    momentum: float = 0.9  # of SGD; paper 4.2
    dampening: float = 0.0  # of the momentum: with 0.9, a rate of 0.1 steps like 0.01 without; ours, [14] has 0.9
    weight_decay: float = 1e-4  # on all weights but batch norm's; [49]
    lr_milestones: tuple[int, ...] = (160, 190)  # epochs (from 0) at which the learning rate drops; paper 4.2
    lr_gamma: float = 0.1  # what it is multiplied by; paper 4.2

    # How it is computed
    precision: str = "auto"  # of convolutions: float32 | bfloat16 | auto (bfloat16 where there are instructions); ours
    compile: bool = False  # the network by torch.compile: minutes at the start, then perhaps faster; ours
    checkpoint_minutes: float = 15.0  # between checkpoints within an epoch; ours, no influence on the result


def useful_threads(*, depth: int, width: float, clip_length: int, crop_size: int, batch_size: int) -> int:
    """How many CPU threads a training gains from, 1 to 8: one per 4 billion multiplications of a step's forward pass.

    Threads wait for each other in every layer, which costs small networks more than it saves where the cores are
    shared. By size and not by a measurement, because weights depend on the number of threads (by rounding): a
    training must not come out otherwise because the machine was busy.
    """
    clip = 8 * depth / 18 * width**2 * clip_length / 16 * (crop_size / 112) ** 2  # billions; 8 in the paper's network
    return min(8, 1 + int(batch_size * clip / 4))


# The keys that not every training reads. Those of local aggregation name the clusters it learns from, also where these
# are made beforehand (idt); the others it makes anew before every epoch.
_OF_A_BANK = frozenset({"embedding_dim", "temperature", "bank_momentum"})
_OF_OBJECTIVE = {
    "instance": _OF_A_BANK | {"negatives"},
    "local_aggregation": _OF_A_BANK | {"neighbours", "k", "m", "cluster_method"},
    "supervised": frozenset[str](),
}
_OF_CLUSTERS = {"network": frozenset({"kmeans_iterations"}), "joint": frozenset({"kmeans_iterations"})}
_NOT_OF_ALL = frozenset[str]().union(*_OF_OBJECTIVE.values(), *_OF_CLUSTERS.values())


def values_read(values: Mapping[str, Any], objective: str, clusters: str) -> dict[str, Any]:
    """Those of a run's `values` that its result depends on, so that a change of the others trains nothing again.

    `objective` and `clusters` as of `train`. Of `drops` those that come before the last epoch; checkpoint_minutes has
    no influence.
    """
    own = _OF_OBJECTIVE.get(objective, _NOT_OF_ALL) | _OF_CLUSTERS.get(clusters, frozenset())
    read = {key: value for key, value in values.items() if key in own or key not in _NOT_OF_ALL}
    read.pop("checkpoint_minutes", None)
    read["lr_milestones"] = [drop for drop in read["lr_milestones"] if drop < read["epochs"]]
    if not read["lr_milestones"]:
        del read["lr_gamma"]
    return read


def parts_of_subset(subset: str) -> tuple[str, int | None]:
    """The folder ("": anywhere) and the number (None: all) of `all`, `NUMBER`, `FOLDER` or `FOLDER:NUMBER`.

    Of `splitN` and `splitN:NUMBER` the first is `splitN`: see `split_of_subset`.
    """
    folder, _, number = ("", "", subset) if subset.isdigit() else subset.partition(":")
    return "" if folder == "all" else folder, int(number) if number else None


def split_of_subset(subset: str) -> int | None:
    """N where the subset is `splitN` or `splitN:NUMBER`: the training part of that split of pretraining.dataset."""
    match = re.fullmatch(r"split(\d+)(:\d+)?", subset)
    return int(match[1]) if match else None


def lineage(trainings: Mapping[str, Any], run: str) -> list[str]:
    """A trained run and those it starts from, itself first; nothing for a run that is not in `trainings`."""
    names = []
    while run in trainings:
        names.append(run)
        run = trainings[run].get("init", "")
    return names


def in_folder(path: str, folder: str, root: str | Path) -> bool:
    """Whether a file lies in a folder of that name below `root`, at whatever depth; "": anywhere."""
    return not folder or (Path(path).is_relative_to(root) and folder in Path(path).relative_to(root).parts[:-1])


def check_clusters(values: dict[str, Any], videos: Path, root: str | Path) -> None:
    """Raises StageError where a run's `values` ask for too many clusters of its subset.

    videos: the folder of the dataset's index; root: the folder that the videos are below. A subset without videos is
    the error of the stage that lists them.
    """
    folder, number = parts_of_subset(str(values["subset"]))
    if folder:
        stamp = (videos / "index.tsv").stat().st_mtime_ns
        n_videos = _n_in_subset(folder, videos, str(root), stamp)
    else:
        n_videos = read_json(videos / "totals.json")["videos"]
    if n_videos:
        check_k(values["k"], min(number or n_videos, n_videos))


@functools.cache  # tables of hundreds of thousands of rows, asked for run by run
def _n_in_subset(folder: str, videos: Path, root: str, stamp: int) -> int:
    """How many readable videos lie in folders of that name or, for `splitN`, are in the training part of split N."""
    split = split_of_subset(folder)
    if split is not None:
        rows = read_columns(videos / "splits.tsv")
        return sum(row["split"] == str(split) and row["part"] == "train" for row in rows)
    rows = read_columns(videos / "index.tsv")
    return sum(row["status"] == "ok" and in_folder(row["path"], folder, root) for row in rows)
