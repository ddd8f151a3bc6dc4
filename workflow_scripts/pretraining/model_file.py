"""Reads and checks model.pt, for the evaluation, `dtc` and the runs that start from it."""

import math
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.torch_file import check_tensors, read_torch
from workflow_scripts.pretraining.resnet3d import BLOCKS, ResNet3D, matching_weights

_LARGEST = {"clip_length": 1024, "frame_interval": 1024, "crop_size": 4096}  # more than anyone trains with
_WIDEST = 16.0  # times the channels of the network of the paper


def read_model(path: Path) -> dict[str, Any]:
    """The content of a model.pt (see `pretraining.train`), with every part checked.

    Raises StageError if the file is damaged or is not a model.pt.
    """
    return checked_model(read_torch(path), path)


def checked_model(content: Any, path: Path) -> dict[str, Any]:
    """The content of the file at `path`, with the settings that older models lack.

    Raises StageError if a part is missing or of another type, settings are out of range, shapes of weights or of the
    memory bank do not match the settings, or numbers are not finite.
    """
    try:
        settings = _checked_settings(content["settings"])
        weights, bank, video_ids = content["state_dict"], content["bank"], content["video_ids"]
        _require(isinstance(weights, dict) and {"fc.weight", "fc.bias"} <= weights.keys(), "it contains no weights")
        _require(_is_list_of_strings(video_ids), "its video_ids are not a list of names")
        _require(_is_list_of_strings(content.get("classes", [])), "its classes are not a list of names")
        _require(isinstance(content["seed"], int), f"its seed is {content['seed']!r:.40}")
        check_tensors({**weights, **({} if bank is None else {"bank": bank})}, path)
        outputs = len(weights["fc.bias"])
        with torch.device("meta"):  # needs no memory
            network = ResNet3D(settings["depth"], outputs, settings["width"], settings["shortcut"])
        matching_weights(network, weights, head=True)
        if bank is not None:
            shape, expected = tuple(bank.shape), (len(video_ids), outputs)
            _require(shape == expected and bank.is_floating_point(), f"its bank is {shape}, not {expected}")
    except StageError:
        raise
    except Exception as error:  # a foreign file can contain anything
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise StageError(
            f"{path} cannot be read as a pretrained model ({reason}); delete it and train it again"
        ) from error
    return {**content, "settings": settings}


def _checked_settings(settings: Any) -> dict[str, Any]:
    """The settings. Raises ValueError or KeyError if those of the network are missing or out of range."""
    _require(isinstance(settings, dict), "its settings are not a dict")
    _require(all(_is_plain(value) for value in settings.values()), "its settings are not plain values")
    settings = {"shortcut": "B", "frame_interval": 1, **settings}  # older models lack these two
    depth, width, shortcut = settings["depth"], settings["width"], settings["shortcut"]
    _require(isinstance(depth, int) and depth in BLOCKS, f"its depth is {depth!r:.40}")
    _require(isinstance(width, int | float) and 0 < width <= _WIDEST, f"its width is {width!r:.40}")
    _require(isinstance(shortcut, str) and shortcut in ("A", "B"), f"its shortcut is {shortcut!r:.40}")
    for name, largest in _LARGEST.items():
        value = settings[name]
        _require(isinstance(value, int) and 0 < value <= largest, f"its {name} is {value!r:.40}")
    return settings


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a string, None, or a short list of numbers and strings."""
    if isinstance(value, list | tuple):
        return len(value) <= 1000 and all(isinstance(entry, int | float | str) for entry in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _is_list_of_strings(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(reason)
