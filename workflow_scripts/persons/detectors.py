"""The detectors of persons. Each has a class in a file of this folder and an entry here.

The configuration, the stage, the estimate and the plan of a run read the entries. To add a detector, write a class with
the methods of `Detector`, which is made from the settings, and add its entry. `Hog` is an example.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

import numpy as np

from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.settings import PersonsSettings


class Detector(Protocol):
    """Finds the persons in frames."""

    @property
    def parameters(self) -> dict[str, Any]:
        """All values, besides the frames, that determine the boxes; no paths."""

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Returns the boxes of the persons in each frame: (k, 5) float32 x1 y1 x2 y2 score, best first.

        Frames are (H, W, 3) uint8 RGB. Boxes are in pixels and within the frame. To save memory, a detector reads the
        frames one by one. The stage calls this once per video; several threads may call it at once.
        """


@dataclass(frozen=True)
class DetectorEntry:
    """The facts about a detector that the pipeline needs before it loads it."""

    meaning: str  # for the configuration's documentation
    place: str = ""  # module:class, imported when the detector is made; empty: boxes are read from files
    package: str = ""  # the Python package that must be installed
    folder: str = ""  # the key of section `persons` that must name a folder
    keys: tuple[str, ...] = ()  # of section `persons`: those that it reads and that not all detectors read

    @property
    def is_network(self) -> bool:
        """Returns whether the detector is a network of `models`, which a GPU should run."""
        return "model" in self.keys

    @property
    def is_installed(self) -> bool:
        """Returns whether the package of the detector is installed."""
        return not self.package or find_spec(self.package) is not None


_PLACE = "workflow_scripts.persons"
NETWORK_KEYS = ("score_threshold", "model", "weights", "short_side", "batch_size")

DETECTORS = {
    "hog": DetectorEntry(
        "OpenCV's detector of persons (histograms of oriented gradients)",
        f"{_PLACE}.hog:Hog",
        keys=("hog_threshold", "hog_height"),
    ),
    "detectron2": DetectorEntry(
        "detectron2's Mask R-CNN, the detector of the paper (3.3), or another network of its model zoo",
        f"{_PLACE}.detectron2_detector:Detectron2",
        "detectron2",
        keys=NETWORK_KEYS,
    ),
    "torchvision": DetectorEntry(
        "torchvision's Mask R-CNN, or another of its detection models",
        f"{_PLACE}.torchvision_detector:Torchvision",
        "torchvision",
        keys=NETWORK_KEYS,
    ),
    "files": DetectorEntry("boxes that exist already, in the folder persons.files", folder="files", keys=("files",)),
}


def make_detector(name: str, settings: PersonsSettings) -> Detector:
    """Returns the detector called `name`. Raises StageError if it does not exist or cannot be used here."""
    entry = DETECTORS.get(name)
    if entry is None or not entry.place:
        known = ", ".join(name for name, entry in DETECTORS.items() if entry.place)
        raise StageError(f"persons: there is no detector {name!r}; choose {known}")
    module, _, class_name = entry.place.partition(":")
    return cast(Detector, getattr(import_module(module), class_name)(settings))
