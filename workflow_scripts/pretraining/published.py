"""Weights to start from, from files that this project did not write as well as from its own.

    file                            holds                                                       made for inputs of
    model.pt of a run               state_dict, settings, bank, video_ids, classes              0..255 minus the mean
    a state dict                    name -> tensor                                              taken for the same
    Hara et al. 2018 ([14])         epoch, arch, state_dict, optimizer                          0..255 minus the mean
    Hara et al. 2020                the same and scheduler                                      (0..1 minus mean) / std
    the paper's authors             model_state_dict, optim_state_dict, memory_bank, config     0..1 minus the mean
    the same, finetuned by them     as Hara et al. 2018                                         0..255 minus the mean

Names may have the prefix `module.` (DataParallel); files may be of torch's format since 1.6 or of the one before. The
authors' files hold objects of classes that exist in their code alone; `torch_file` reads them without these classes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.torch_file import check_tensors, read_torch
from workflow_scripts.pretraining.model_file import checked_model

log = logging.getLogger(__name__)

# What one unit of a network's input is, in grey levels of 0..255, per channel (RGB).
OURS = (1.0, 1.0, 1.0)
AUTHORS = (255.0, 255.0, 255.0)
HARA_2020 = (0.2768 * 255, 0.2713 * 255, 0.2737 * 255)  # standard deviation over Kinetics


@dataclass(frozen=True)
class Weights:
    """What a run can start from."""

    state_dict: dict[str, Tensor]  # named as in ResNet3D, for inputs of 0..255 minus the mean
    embeds: bool  # whether `fc` gives embeddings, not classes
    bank: Tensor | None = None  # (N, D), rows of unit length, of `video_ids`
    video_ids: list[str] = field(default_factory=list)


def read_weights(path: Path) -> Weights:
    """The weights in one of the files that the table above names; nothing in the file is executed.

    Raises StageError where it is none of them or damaged (`torch_file`).
    """
    held = read_torch(path, foreign=True)
    held = held if isinstance(held, Mapping) else {}
    if "model_state_dict" in held:
        kind, weights, embeds, unit = "of the paper's authors", held["model_state_dict"], True, AUTHORS
    elif "settings" in held and "state_dict" in held:
        kind, weights, embeds, unit = "of a run", held["state_dict"], not held.get("classes"), OURS
    elif "state_dict" in held:
        unit = HARA_2020 if "scheduler" in held else OURS
        kind, weights, embeds = f"of Hara et al. {2018 if unit == OURS else 2020}", held["state_dict"], False
    else:
        kind, weights, embeds, unit = "of a state dict", held, True, OURS
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        weights = {}
    check_tensors({str(name): weight for name, weight in weights.items()}, path)
    named = {str(name).removeprefix("module."): weight for name, weight in weights.items()}
    if not named:
        raise StageError(
            f"{path} holds no weights of a network; give a model.pt, a state dict, or a checkpoint of Hara et al. or "
            "of the paper's authors"
        )
    shortcut = "B" if any(".downsample." in name for name in named) else "A"
    log.info("%s: weights %s, with shortcuts of type %s", path, kind, shortcut)
    if kind != "of a run":
        return Weights(for_our_inputs(named, unit), embeds)
    model = checked_model(held, path)
    return Weights(named, embeds, model["bank"], model["video_ids"])


def for_our_inputs(weights: dict[str, Tensor], unit: tuple[float, float, float]) -> dict[str, Tensor]:
    """The weights that give, for values of 0..255, what `weights` give for those values divided by `unit` (RGB).

    The scale goes into the statistics of the first batch norm, which undoes it, and only what differs between the
    channels into the first convolution: so its weights keep the size that the learning rate is meant for.
    """
    if unit == OURS or not {"conv1.weight", "bn1.running_mean", "bn1.running_var"} <= weights.keys():
        return weights
    scale = torch.tensor(unit)
    mean = scale.mean()
    return {
        **weights,
        "conv1.weight": weights["conv1.weight"] * (mean / scale)[:, None, None, None],
        "bn1.running_mean": weights["bn1.running_mean"] * mean,
        "bn1.running_var": weights["bn1.running_var"] * mean**2,
    }
