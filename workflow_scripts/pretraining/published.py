"""Initial weights, from files of this project and of others.

    file                            content                                                     made for inputs of
    model.pt of a run               state_dict, settings, bank, video_ids, classes              0..255 minus the mean
    a state dict                    name -> tensor                                              assumed to be the same
    Hara et al. 2018 ([14])         epoch, arch, state_dict, optimizer                          0..255 minus the mean
    Hara et al. 2020                the same and scheduler                                      (0..1 minus mean) / std
    the paper's authors             model_state_dict, optim_state_dict, memory_bank, config     0..1 minus the mean
    the same, finetuned by them     like Hara et al. 2018                                       0..255 minus the mean

Names may have the prefix `module.` (DataParallel). Files may have the format of torch since 1.6 or the one before. The
files of the authors contain objects of classes of their code; `torch_file` reads them without these classes.
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

# Grey levels (of 0..255) per unit of a network's input, by channel (RGB).
OURS = (1.0, 1.0, 1.0)
AUTHORS = (255.0, 255.0, 255.0)
HARA_2020 = (0.2768 * 255, 0.2713 * 255, 0.2737 * 255)  # standard deviation over Kinetics


@dataclass(frozen=True)
class Weights:
    """The initial weights of a run."""

    state_dict: dict[str, Tensor]  # named as in ResNet3D, for inputs of 0..255 minus the mean
    embeds: bool  # whether the outputs of `fc` are embeddings, not scores of classes
    bank: Tensor | None = None  # (N, D) of unit length, the rows of `video_ids`
    video_ids: list[str] = field(default_factory=list)


def read_weights(path: Path) -> Weights:
    """The weights in a file of a kind in the table above. Reading executes no code of the file.

    Raises StageError if the file is of another kind or damaged (see `torch_file`).
    """
    content = read_torch(path, foreign=True)
    content = content if isinstance(content, Mapping) else {}
    if "model_state_dict" in content:
        kind, weights, embeds, unit = "of the paper's authors", content["model_state_dict"], True, AUTHORS
    elif "settings" in content and "state_dict" in content:
        kind, weights, embeds, unit = "of a run", content["state_dict"], not content.get("classes"), OURS
    elif "state_dict" in content:
        unit = HARA_2020 if "scheduler" in content else OURS
        kind, weights, embeds = f"of Hara et al. {2018 if unit == OURS else 2020}", content["state_dict"], False
    else:
        kind, weights, embeds, unit = "of a state dict", content, True, OURS
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        weights = {}
    check_tensors({str(name): weight for name, weight in weights.items()}, path)
    named = {str(name).removeprefix("module."): weight for name, weight in weights.items()}
    if not named:
        raise StageError(
            f"{path} contains no weights of a network; name a model.pt, a state dict, or a checkpoint of Hara et al. "
            "or of the authors of the paper"
        )
    shortcut = "B" if any(".downsample." in name for name in named) else "A"
    log.info("%s: weights %s, with shortcuts of type %s", path, kind, shortcut)
    if kind != "of a run":
        return Weights(for_our_inputs(named, unit), embeds)
    model = checked_model(content, path)
    return Weights(named, embeds, model["bank"], model["video_ids"])


def for_our_inputs(weights: dict[str, Tensor], unit: tuple[float, float, float]) -> dict[str, Tensor]:
    """Converts weights that were trained on inputs of 0..255 divided by `unit` (RGB) to weights for inputs of 0..255.

    The outputs stay the same. The statistics of the first batch norm absorb the mean scale. The weights of the first
    convolution absorb only the ratios of the channels. So their norm and the effect of a learning rate hardly change.
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
