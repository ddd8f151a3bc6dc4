"""The base class of the detectors detectron2 and torchvision, such as Mask R-CNN (He et al. 2017; paper 3.3).

The network computes boxes alone, without masks or keypoints. It runs in mixed precision on a GPU, if there is one.
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
    """The network's input for a frame (a torch.Tensor), and the size of the original frame."""

    image: Any
    height: int
    width: int


class NetworkDetector(ABC):
    """Passes the frames of videos through the network and returns the boxes of persons.

    On a GPU, one thread processes batches of frames of several videos. The other frames of a batch may change the last
    bits of a box. A batch holds frames of one size, because padding would change the boxes more than that.

    On a CPU, batches are not faster, and they and the number of threads would change the last bits of a box. Each
    video's thread therefore processes one frame at a time on one core, so its boxes are always the same bytes.
    """

    def __init__(self, torch: Any, batch_size: int, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.batches: Batches[Picture, np.ndarray] | None = None
        if torch.cuda.is_available():
            self.batches = Batches(self.boxes_of, batch_size)
        else:
            torch.set_num_threads(1)

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        if self.batches is None:
            return [boxes for frame in frames for boxes in self.boxes_of([self.picture(frame)])]
        futures = [self.batches.submit(self.picture(frame), frame.shape) for frame in frames]
        return [boxes.result() for boxes in futures]

    def boxes_of(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Returns the boxes (k, 5) of each picture's persons, best first, within the frame, by one forward pass."""
        clipped = []
        for picture, boxes in zip(pictures, self._persons(pictures), strict=True):
            best_first = boxes[np.argsort(-boxes[:, 4], kind="stable")]
            clipped.append(clip_boxes(best_first, picture.width, picture.height))
        return clipped

    @abstractmethod
    def picture(self, frame: np.ndarray) -> Picture:
        """Returns the network's input for a frame."""

    @abstractmethod
    def _persons(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Returns the boxes (k, 5) of the persons in pictures of one size, in pixels of the frames."""


def content_of(weights: str) -> str:
    """Returns what identifies the weights of a network: a digest of the file, or the URL."""
    if "://" in weights or not Path(weights).is_file():
        return weights
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
