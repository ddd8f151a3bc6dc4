"""Offers the pipeline's detectors to `idt boxes --detector` (an entry point in pyproject.toml)."""

from collections.abc import Callable, Iterable

import numpy as np

from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detect_persons import boxes_of
from workflow_scripts.persons.detectors import make_detector
from workflow_scripts.persons.settings import PersonsSettings


def box_finder(detector: str, stride: int) -> Callable[[Iterable[np.ndarray]], np.ndarray]:
    """Returns a function from the frames of a video to its boxes (n, 6), with the default settings of the stage.

    Raises ValueError if the detector does not exist or cannot be used here. The function raises it for a bad video.
    """
    try:
        person_detector = make_detector(detector, PersonsSettings(stride=stride))
    except StageError as error:
        raise ValueError(str(error)) from error

    def find_boxes(frames: Iterable[np.ndarray]) -> np.ndarray:
        result = boxes_of(frames, person_detector, stride)
        if result.status != "ok":
            raise ValueError(result.reason)
        return result.arrays["boxes"]

    return find_boxes
