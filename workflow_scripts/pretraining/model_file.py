"""model.pt, read and checked: the one way by which the evaluation, `dtc` and a run that starts from it read one."""

import math
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.torch_file import check_tensors, read_torch
from workflow_scripts.pretraining.resnet3d import BLOCKS, ResNet3D, matching_weights

_LARGEST = {"clip_length": 1024, "crop_size": 4096}  # frames, pixels: far above what a GPU can train on
_WIDEST = 16.0  # times the channels of the paper's network


def read_model(path: Path) -> dict[str, Any]:
    """The content of a model.pt as `pretraining.train` describes it, every part checked.

    Raises StageError where the file is damaged or is not one.
    """
    return checked_model(read_torch(path), path)


def checked_model(held: Any, path: Path) -> dict[str, Any]:
    """`held`, the content of the file at `path`, with the settings that older models lack.

    Raises StageError naming what is wrong: a part that is missing or of another type, settings out of range, weights
    or a memory bank whose shapes do not match the settings, or numbers that are not finite.
    """
    try:
        settings = _checked_settings(held["settings"])
        weights, bank, video_ids = held["state_dict"], held["bank"], held["video_ids"]
        _require(isinstance(weights, dict) and {"fc.weight", "fc.bias"} <= weights.keys(), "it holds no weights")
        _require(_is_texts(video_ids), "video_ids is no list of names")
        _require(_is_texts(held.get("classes", [])), "classes is no list of names")
        _require(isinstance(held["seed"], int), f"its seed is {held['seed']!r:.40}")
        check_tensors({**weights, **({} if bank is None else {"bank": bank})}, path)
        outputs = len(weights["fc.bias"])
        with torch.device("meta"):  # shapes alone, without memory
            network = ResNet3D(settings["depth"], outputs, settings["width"], settings["shortcut"])
        matching_weights(network, weights, head=True)
        if bank is not None:
            shape, wanted = tuple(bank.shape), (len(video_ids), outputs)
            _require(shape == wanted and bank.is_floating_point(), f"its bank is {shape}, not {wanted}")
    except StageError:
        raise
    except Exception as error:  # a foreign file can hold anything
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise StageError(f"{path} cannot be read as a pretrained model ({reason}); make it anew") from error
    return {**held, "settings": settings}


def _checked_settings(settings: Any) -> dict[str, Any]:
    """The settings, with those of the network in range. Raises ValueError or KeyError where they are not."""
    _require(isinstance(settings, dict), "its settings are no dict")
    _require(all(_is_plain(value) for value in settings.values()), "its settings are no plain values")
    settings = {"shortcut": "B", **settings}  # a model of before there was a choice
    depth, width, shortcut = settings["depth"], settings["width"], settings["shortcut"]
    _require(isinstance(depth, int) and depth in BLOCKS, f"its depth is {depth!r:.40}")
    _require(isinstance(width, int | float) and 0 < width <= _WIDEST, f"its width is {width!r:.40}")
    _require(isinstance(shortcut, str) and shortcut in ("A", "B"), f"its shortcut is {shortcut!r:.40}")
    for name, largest in _LARGEST.items():
        value = settings[name]
        _require(isinstance(value, int) and 0 < value <= largest, f"its {name} is {value!r:.40}")
    return settings


def _is_plain(value: Any) -> bool:
    """Whether it is a number, a text, or a short list of them."""
    if isinstance(value, list | tuple):
        return len(value) <= 1000 and all(isinstance(entry, int | float | str) for entry in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _is_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
