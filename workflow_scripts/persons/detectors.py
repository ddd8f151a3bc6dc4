"""Detectors of people: frames in, boxes out.

`hog`: OpenCV's people detector. `detectron2`: the paper's Mask R-CNN (3.3), by the detectron2 project's code and
weights. `torchvision`: torchvision's Mask R-CNN, which pip alone installs.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.mask_rcnn import Detectron2, Torchvision
from workflow_scripts.persons.settings import PersonsSettings


class Detector(Protocol):
    """Finds the people in frames."""

    @property
    def parameters(self) -> dict[str, Any]:
        """All that its boxes depend on besides the frames; plain values, no paths."""

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Boxes of the people in each (H, W, 3) uint8 RGB frame: (k, 5) float32 x1 y1 x2 y2 score, best first.

        Boxes are in the frame's pixels and lie within it. The frames are taken one by one, and few are held at once.
        Called for each video by a thread of its own.
        """


def make_detector(name: str, settings: PersonsSettings) -> Detector:
    """The detector called `name`. Raises StageError when there is none or when it cannot work here."""
    if name == "hog":
        return Hog(settings)
    if name == "detectron2":
        return Detectron2(settings)
    if name == "torchvision":
        return Torchvision(settings)
    raise StageError(f"persons: there is no detector {name!r}; choose hog, detectron2, torchvision or files")
