"""The settings of pretraining. The defaults are the values of the paper."""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workflow_scripts.clusters.settings import ClustersSettings, check_k
from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.ground.setting import setting
from workflow_scripts.pretraining.objectives import OBJECTIVES

# The VERSION of each stage. Raise it when the same settings give another result.
VERSIONS = {"select_videos": 4, "train": 5}

# Nearest neighbours that vote, and the temperature of [46] in the weight of a vote, exp(cosine / temperature). In [46],
# 200 of a million images vote. Here a class may have ten videos.
KNN_NEIGHBOURS, KNN_TEMPERATURE = 5, 0.07


@dataclass(frozen=True)
class PretrainingSettings:
    """Hyper-parameters of one run.

    The supervised and scratch baselines of the paper follow Hara et al., section 3.3. Such a run has `lr: 0.1`,
    `dampening: 0.9`, `weight_decay: 0.001`, `batch_size: 128` and `crop: corner`. Hara et al. lower the learning rate
    when the validation loss stops falling. Here it drops at `lr_milestones`.
    """

    # The network
    depth: int = setting(18, "Layers of the 3D ResNet.", source="paper 4.2", enum=[10, 18, 34])
    width: float = setting(
        1.0,
        "Factor on the number of channels of every layer. Below 1 for small runs.",
        source="paper 4.2",
        exclusiveMinimum=0,
    )
    shortcut: str = setting(
        "B",
        "Shortcuts where the shape changes. B: 1x1x1 convolutions; A: subsampling and zeros, as in the weights that "
        "Hara et al. published in 2018.",
        source="paper 4.2",
        enum=["A", "B"],
    )
    embedding_dim: int = setting(128, "Dimensions of an embedding.", source="paper 4.2", minimum=1)

    # The clips
    clip_length: int = setting(16, "Frames per clip.", source="paper 4.2", unit="frames", minimum=1)
    frame_interval: int = setting(
        1,
        "Frames from one frame of a clip to the next; 1: consecutive frames. With 4, a clip of 16 frames spans 61 "
        "frames of the video, two seconds at 30 frames per second. Choose it so that a clip holds a motion. A video "
        "shorter than this span starts again from its first frame.",
        source="ours",
        unit="frames",
        minimum=1,
        maximum=1024,
    )
    crop_size: int = setting(112, "Side of a clip's square.", source="paper 4.2", unit="pixels", minimum=1)
    n_scales: int = setting(
        5,
        "Crop scales to draw from: the first n of 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2 of the frame's shorter side.",
        source="paper 4.2, reference [14]",
        minimum=1,
        maximum=5,
    )
    crop: str = setting(
        "random",
        "Position of a crop. random: anywhere in the frame; corner: the centre or one of the corners, as in reference "
        "[14].",
        source="paper 4.2, authors' code",
        enum=["random", "corner"],
    )
    color: bool = setting(
        False,
        "Also turn clips grey (probability 0.2) and jitter their color (0.4). The authors' code does; the paper does "
        "not mention it.",
        source="paper 4.2",
    )

    # The objective
    temperature: float = setting(0.07, "Temperature, tau of equation 2.", source="paper 4.2", exclusiveMinimum=0)
    negatives: int = setting(
        4096,
        "Rows of the memory bank drawn for the denominator of equation 2 (objective instance).",
        source="paper 4.2",
        minimum=1,
    )
    neighbours: int = setting(
        4096,
        "Nearest rows of the memory bank that make the background neighbours B_i (objective local_aggregation).",
        source="authors' code, reference [49]",
        minimum=1,
    )
    bank_momentum: float = setting(
        0.5, "Share of the old row when a row of the memory bank is updated.", source="reference [46], reference [49]"
    )
    k: int = ClustersSettings.k  # the config's clusters.k
    m: int = ClustersSettings.m  # the config's clusters.m
    cluster_method: str = ClustersSettings.method  # the config's clusters.method
    cluster_parameters: str = "{}"  # JSON of the other keys of the config's clusters, those of one method
    kmeans_iterations: int = setting(
        20, "Steps of Lloyd's algorithm per K-means of a network's embeddings.", source="authors' code", minimum=1
    )

    # The optimisation
    epochs: int = setting(200, "Passes over the videos.", source="paper 4.2", minimum=0)
    batch_size: int = setting(256, "Clips per step.", source="paper 4.2", minimum=1)
    lr: float = setting(0.03, "Learning rate of SGD.", source="paper 4.2", exclusiveMinimum=0)
    momentum: float = setting(0.9, "Momentum of SGD.", source="paper 4.2")
    dampening: float = setting(
        0.0,
        "Dampening of the momentum. With 0.9, as in reference [14], a learning rate of 0.1 acts like 0.01 without it.",
        source="ours",
        minimum=0,
        exclusiveMaximum=1,
    )
    weight_decay: float = setting(
        1e-4, "L2 penalty on all weights except those of batch normalisation.", source="reference [49]"
    )
    lr_milestones: tuple[int, ...] = setting(
        (160, 190), "Epochs (from 0) at which the learning rate drops.", source="paper 4.2"
    )
    lr_gamma: float = setting(0.1, "Factor on the learning rate at each drop.", source="paper 4.2", exclusiveMinimum=0)

    # How it is computed
    precision: str = setting(
        "auto",
        "Number format of convolutions. auto: bfloat16 where the device computes it faster than float32.",
        source="ours",
        enum=["auto", "float32", "bfloat16"],
    )
    micro_batch: str | int = setting(
        "auto",
        "Most clips in one pass of the network, or one more so that each pass has two. A step adds up the gradients of "
        "the passes of its batch; batch norm uses the clips of one pass. auto: as many as fit arrays of fewer than "
        "2^31 numbers, the limit of torch's kernels, whatever the memory of the GPU. Lower it if that memory does not "
        "suffice. Finetuning always uses auto; if the memory does not suffice there, lower finetune_batch_size.",
        source="ours",
        unit="clips",
        anyOf=[{"enum": ["auto"]}, {"type": "integer", "minimum": 2}],
    )
    compile: bool = setting(
        False, "Compile the network with torch.compile: it takes minutes, and steps may then be faster.", source="ours"
    )
    checkpoint_minutes: float = setting(
        15.0, "Time between checkpoints within an epoch.", source="ours", unit="minutes", influences_result=False
    )


def clips_per_pass(settings: PretrainingSettings) -> int:
    """The most clips in one pass of the network (`micro_batch`), at least 2.

    auto: the output of the first convolution, the largest array of the paper's network, has fewer than 2^31 values,
    because kernels of CUDA and of oneDNN count with 32 bits. It does not depend on the memory, because it changes the
    result.
    """
    if settings.micro_batch != "auto":
        return int(settings.micro_batch)
    values = 64 * settings.width * settings.clip_length * math.ceil(settings.crop_size / 2) ** 2
    return max(2, int((2**31 - 1) / values))


def useful_threads(*, depth: int, width: float, clip_length: int, crop_size: int, batch_size: int) -> int:
    """The number of CPU threads that speed up training, 1 to 8: one per 4 billion multiplications of a forward pass.

    Threads synchronise in every layer, which slows small networks down. The number depends on the size of the network
    and not on a measurement, because it changes the rounding of the weights, which must not depend on the load.
    """
    clip = 8 * depth / 18 * width**2 * clip_length / 16 * (crop_size / 112) ** 2  # billions; 8 for the paper's network
    return min(8, 1 + int(batch_size * clip / 4))


# The keys that only some trainings read. Another stage computes the clusters of idt, whose file name holds K and m.
_KEYS_OF_CLUSTERS = dict.fromkeys(("network", "joint"), frozenset({"kmeans_iterations", "cluster_parameters"}))
_OPTIONAL_KEYS = frozenset[str]().union(*(one.keys for one in OBJECTIVES.values()), *_KEYS_OF_CLUSTERS.values())


def values_read(values: Mapping[str, Any], objective: str, clusters: str) -> dict[str, Any]:
    """The values that the result of a run depends on, with the milestones before the last epoch only.

    A change of the other values does not train the run again. `objective` and `clusters` are as in `train`.
    """
    keys = OBJECTIVES[objective].keys if objective in OBJECTIVES else _OPTIONAL_KEYS
    keys |= _KEYS_OF_CLUSTERS.get(clusters, frozenset())
    relevant = {key: value for key, value in values.items() if key in keys or key not in _OPTIONAL_KEYS}
    for field in fields(PretrainingSettings):
        if not field.metadata.get("influences_result", True):
            relevant.pop(field.name, None)
    relevant["lr_milestones"] = [drop for drop in relevant["lr_milestones"] if drop < relevant["epochs"]]
    if not relevant["lr_milestones"]:
        del relevant["lr_gamma"]
    if relevant.get("cluster_parameters") == "{}":  # so that runs without such keys keep their digest
        del relevant["cluster_parameters"]
    return relevant


def parts_of_subset(subset: str) -> tuple[str, int | None]:
    """The folder ("" for all) and the number (None for all) of `all`, `NUMBER`, `FOLDER` or `FOLDER:NUMBER`.

    The folder of `splitN` and `splitN:NUMBER` is `splitN` (see `split_of_subset`).
    """
    folder, _, number = ("", "", subset) if subset.isdigit() else subset.partition(":")
    return "" if folder == "all" else folder, int(number) if number else None


def split_of_subset(subset: str) -> int | None:
    """N if the subset is `splitN` or `splitN:NUMBER`, the training part of a split of the dataset; else None."""
    match = re.fullmatch(r"split(\d+)(:\d+)?", subset)
    return int(match[1]) if match else None


def lineage(trainings: Mapping[str, Any], run: str) -> list[str]:
    """The run, the run that it starts from, and so on; empty if the run is not in `trainings`."""
    names = []
    while run in trainings:
        names.append(run)
        run = trainings[run].get("init", "")
    return names


def in_folder(path: str, folder: str, root: str | Path) -> bool:
    """Whether a file is in a folder of this name at any depth below `root`. Every file is in the folder ""."""
    return not folder or (Path(path).is_relative_to(root) and folder in Path(path).relative_to(root).parts[:-1])


def check_clusters(values: dict[str, Any], videos: Path, root: str | Path) -> None:
    """Checks that K is small enough for the subset of a run. The stage `select_videos` checks for an empty subset.

    Args:
        values: Values of the run.
        videos: Folder of the dataset's index.
        root: Folder that contains the videos.

    Raises:
        StageError: There are too many clusters.
    """
    folder, number = parts_of_subset(str(values["subset"]))
    if folder:
        stamp = (videos / "index.tsv").stat().st_mtime_ns
        n_videos = _n_in_subset(folder, videos, str(root), stamp)
    else:
        n_videos = read_json(videos / "totals.json")["videos"]
    if n_videos:
        check_k(values["k"], min(number or n_videos, n_videos))


@functools.cache  # the table may have hundreds of thousands of rows, and each run needs it
def _n_in_subset(folder: str, videos: Path, root: str, stamp: int) -> int:
    """The number of readable videos in folders of this name or, for `splitN`, in the training part of split N."""
    split = split_of_subset(folder)
    if split is not None:
        rows = read_columns(videos / "splits.tsv")
        return sum(row["split"] == str(split) and row["part"] == "train" for row in rows)
    rows = read_columns(videos / "index.tsv")
    return sum(row["status"] == "ok" and in_folder(row["path"], folder, root) for row in rows)
