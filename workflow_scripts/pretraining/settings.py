"""What a pretraining run can be told; the defaults are the paper's values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.clusters.settings import check_k

VERSION = 3  # raised when the stage's result changes

# How many nearest neighbours vote, and the temperature by which a vote weighs exp(cosine / temperature): that of [46],
# which asks 200 of a million (a class here may have ten).
KNN_NEIGHBOURS, KNN_TEMPERATURE = 5, 0.07


@dataclass(frozen=True)
class PretrainingSettings:
    """Hyper-parameters of one run.

    Supervised and scratch baselines of the paper follow Hara et al., section 3.3: give such a run `lr: 0.1`,
    `dampening: 0.9`, `weight_decay: 0.001` and `batch: 128` (they drop the rate when the validation loss stops
    falling; here `drops` says when).
    """

    # The network
    depth: int = 18  # layers of the 3D ResNet, 10 | 18 | 34; paper 4.2, appendix C
    width: float = 1.0  # factor on all its channel numbers, for small runs; ours
    shortcut: str = "B"  # 1x1x1 convolutions, or A: values left out and zeros, as Hara et al. 2018 published; paper 4.2
    embedding: int = 128  # dimensions of an embedding; paper 4.2

    # The clips
    clip_length: int = 16  # consecutive frames; paper 4.2, table 3
    size: int = 112  # pixels of a clip's side; paper 4.2, table 7
    scales: int = 5  # crops of 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2 of the frame: how many of them, 1..5; paper 4.2, [14]
    color: bool = False  # also grayscale (p 0.2) and colour jitter (0.4); authors' code, not in the paper

    # The objective
    temperature: float = 0.07  # tau of equation 2; paper 4.2
    negatives: int = 4096  # rows drawn for the denominator of equation 2 (instance); paper 4.2
    neighbours: int = 4096  # nearest rows of the bank that make B_i (local_aggregation); authors' code, [49]
    bank_momentum: float = 0.5  # share of the old row when a bank row is renewed; [46], [49]
    k: int = 6000  # clusters of one K-means; paper 4.2, table 6
    m: int = 3  # K-means runs whose clusters are joined; paper 4.2, table 6
    kmeans_iterations: int = 20  # of each K-means; authors' code

    # The optimisation
    epochs: int = 200  # passes over the videos; paper 4.2
    batch: int = 256  # clips a step; paper 4.2
    lr: float = 0.03  # learning rate of SGD; paper 4.2
    momentum: float = 0.9  # of SGD; paper 4.2
    dampening: float = 0.0  # of the momentum: with 0.9, a rate of 0.1 steps like 0.01 without; ours, [14] has 0.9
    weight_decay: float = 1e-4  # on all weights but batch norm's; [49]
    drops: tuple[int, ...] = (160, 190)  # epochs (from 0) at which the learning rate drops; paper 4.2
    drop_factor: float = 0.1  # what it is multiplied by; paper 4.2

    # How it is computed
    precision: str = "auto"  # of convolutions: float32 | bfloat16 | auto (bfloat16 where there are instructions); ours
    compile: bool = False  # the network by torch.compile: minutes at the start, then perhaps faster; ours
    checkpoint_minutes: float = 15.0  # between checkpoints within an epoch; ours, no influence on the result


# The keys that not every training reads. Those of local aggregation name the clusters it learns from, also where these
# are made beforehand (idt); the others it makes anew before every epoch.
_OF_A_BANK = frozenset({"embedding", "temperature", "bank_momentum"})
_OF_OBJECTIVE = {
    "instance": _OF_A_BANK | {"negatives"},
    "local_aggregation": _OF_A_BANK | {"neighbours", "k", "m"},
    "supervised": frozenset[str](),
}
_OF_CLUSTERS = {"network": frozenset({"kmeans_iterations"}), "joint": frozenset({"kmeans_iterations"})}
_NOT_OF_ALL = frozenset[str]().union(*_OF_OBJECTIVE.values(), *_OF_CLUSTERS.values())


def values_read(values: Mapping[str, Any], objective: str, clusters: str) -> dict[str, Any]:
    """Those of a run's `values` that its training reads, so that a change of the others trains nothing again.

    `objective` and `clusters` as of `train`. Of `drops` those that come before the last epoch.
    """
    own = _OF_OBJECTIVE.get(objective, _NOT_OF_ALL) | _OF_CLUSTERS.get(clusters, frozenset())
    read = {key: value for key, value in values.items() if key in own or key not in _NOT_OF_ALL}
    read["drops"] = [drop for drop in read["drops"] if drop < read["epochs"]]
    if not read["drops"]:
        del read["drop_factor"]
    return read


def parts_of_subset(subset: str) -> tuple[str, int | None]:
    """The folder ("": anywhere) and the number (None: all) of `all`, `NUMBER`, `FOLDER` or `FOLDER:NUMBER`."""
    folder, _, number = ("", "", subset) if subset.isdigit() else subset.partition(":")
    return "" if folder == "all" else folder, int(number) if number else None


def in_folder(path: str, folder: str) -> bool:
    """Whether a file lies in a folder of that name, at whatever depth; "": anywhere."""
    return not folder or folder in Path(path).parts[:-1]


def check_clusters(values: dict[str, Any], totals: Path) -> None:
    """Raises StageError where a run's `values` ask for too many clusters; `totals` are the index's.

    Of the videos in a folder the number is not known here; the stage itself checks it.
    """
    folder, number = parts_of_subset(str(values["subset"]))
    n_videos = json.loads(totals.read_text())["videos"]
    if not folder:
        check_k(values["k"], min(number or n_videos, n_videos))
