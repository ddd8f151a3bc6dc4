"""Mask R-CNN (He et al. 2017; paper 3.3): what the detectors detectron2 and torchvision share.

The network runs on a GPU if there is one, in mixed precision.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workflow_scripts.persons.batches import Batches
from workflow_scripts.persons.boxes import clip_boxes


class Picture(NamedTuple):
    """A frame as the network takes it (a torch.Tensor), and the size of the frame itself."""

    image: Any
    height: int
    width: int


class MaskRCNN(ABC):
    """Passes the frames of videos through the network and returns the boxes of persons.

    On a GPU, one thread processes batches of frames of several videos. The other frames of a batch may change the last
    bits of a box. Frames of different sizes are in different batches: padding would change their boxes more than that.
    On a CPU, batches are no faster. Batches and the number of threads also change the last bits of a box. Therefore the
    thread of each video processes one frame at a time on one core, and the boxes of a video are always the same bytes.
    """

    def __init__(self, torch: Any, batch: int, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.batches: Batches[Picture, np.ndarray] | None = None
        if torch.cuda.is_available():
            self.batches = Batches(self.boxes_of, batch)
        else:
            torch.set_num_threads(1)

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        if self.batches is None:
            return [boxes for frame in frames for boxes in self.boxes_of([self.picture(frame)])]
        futures = [self.batches.hand_in(self.picture(frame), frame.shape) for frame in frames]
        return [boxes.result() for boxes in futures]

    def boxes_of(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Boxes (k, 5) of the persons in each picture, best first, within its frame, by one forward pass."""
        clipped = []
        for picture, boxes in zip(pictures, self._persons(pictures), strict=True):
            best_first = boxes[np.argsort(-boxes[:, 4], kind="stable")]
            clipped.append(clip_boxes(best_first, picture.width, picture.height))
        return clipped

    @abstractmethod
    def picture(self, frame: np.ndarray) -> Picture:
        """The frame as the network takes it."""

    @abstractmethod
    def _persons(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Boxes (k, 5) of the persons in each picture of frames of one size, in the frame's pixels."""


def content_of(weights: str) -> str:
    """What identifies the weights of a network: a digest of the file, or its URL."""
    if "://" in weights or not Path(weights).is_file():
        return weights
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
