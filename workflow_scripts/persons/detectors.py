"""Detectors of people: frames in, boxes out.

`hog`: OpenCV's people detector (Dalal and Triggs 2005; works offline, finds whole upright people).
`detectron2`: Mask R-CNN (the paper's, 3.3), run by the detectron2 project's code and weights.
"""

import hashlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from workflow_scripts.identity import digest
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.stage import StageError

log = logging.getLogger(__name__)

MISSING_DETECTRON2 = (
    "persons: the detector detectron2 is not installed here; install it as envs/persons.yaml or its project's "
    "instructions (https://detectron2.readthedocs.io/tutorials/install.html) say, or set features.<name>.boxes to "
    "hog or none"
)


class Detector(Protocol):
    """Finds the people in frames."""

    @property
    def parameters(self) -> dict[str, Any]:
        """All that its boxes depend on besides the frames; plain values, no paths."""

    def detect(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Boxes of the people in each (H, W, 3) uint8 RGB frame: (k, 5) float32 x1 y1 x2 y2 score, best first.

        Boxes are in the frame's pixels and lie within it. Safe to call from several threads.
        """


def make_detector(name: str, settings: PersonsSettings) -> Detector:
    """The detector called `name`. Raises StageError when there is none or when it cannot work here."""
    if name == "hog":
        return Hog(settings)
    if name == "detectron2":
        return MaskRCNN(settings)
    raise StageError(f"persons: there is no detector {name!r}; choose hog, detectron2 or files")


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes (k, 5) cut to the frame, as float32, those without area dropped."""
    boxes = np.array(boxes, np.float32).reshape(-1, 5)
    boxes[:, :4] = np.clip(boxes[:, :4], 0, [width, height, width, height])
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def suppress_overlaps(boxes: np.ndarray, iou: float) -> np.ndarray:
    """Boxes (k, 5), best first, without those that overlap a better one by more than `iou` (non-maximum suppression).

    Ties are broken by position, so that the result does not depend on the order of the boxes given.
    """
    boxes = boxes[np.lexsort((boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -boxes[:, 4]))]
    kept = []
    while len(boxes):
        best, boxes = boxes[0], boxes[1:]
        kept.append(best)
        sides = np.minimum(best[2:4], boxes[:, 2:4]) - np.maximum(best[:2], boxes[:, :2])
        common = np.prod(np.clip(sides, 0, None), axis=1)
        union = np.prod(best[2:4] - best[:2]) + np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) - common
        boxes = boxes[common <= iou * union]
    return np.array(kept).reshape(-1, 5)


class Hog:
    """OpenCV's histogram-of-gradients people detector on grey frames."""

    OVERLAP = 0.45  # of two boxes that are thought to show one person
    PYRAMID = 1.05  # ratio of one size searched for to the next; OpenCV's default
    PADDING = 16  # pixels around the frame in which a window may begin
    # A window shows a person with room around; these parts of it are cut off on each side.
    MARGIN_X, MARGIN_Y = 1 / 8, 1 / 16

    def __init__(self, settings: PersonsSettings) -> None:
        self.threshold = settings.hog_threshold
        self.height = settings.hog_height
        # OpenCV's threads add windows and scores to their lists in two steps, so that a score may come to stand beside
        # another's window. Cores share the videos.
        cv2.setNumThreads(1)
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    @property
    def parameters(self) -> dict[str, Any]:
        return {"detector": "hog", "threshold": self.threshold, "height": self.height}

    def detect(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        # The window shows a person of about 100 rows: what is to be found at half the frame must have as many.
        scale = max(1.0, self.height / height)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if scale > 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        if grey.shape[0] + 2 * self.PADDING < 128 or grey.shape[1] + 2 * self.PADDING < 64:
            return np.zeros((0, 5), np.float32)  # no window fits in
        windows, scores = self._hog.detectMultiScale(
            grey,
            hitThreshold=self.threshold,
            winStride=(8, 8),
            padding=(self.PADDING, self.PADDING),
            scale=self.PYRAMID,
            groupThreshold=0,
        )
        x, y, w, h = np.asarray(windows, np.float64).reshape(-1, 4).T / scale
        x, y, w, h = (
            x + self.MARGIN_X * w,
            y + self.MARGIN_Y * h,
            (1 - 2 * self.MARGIN_X) * w,
            (1 - 2 * self.MARGIN_Y) * h,
        )
        boxes = np.column_stack([x, y, x + w, y + h, np.asarray(scores, np.float64).reshape(-1)])
        return clip_boxes(suppress_overlaps(boxes, self.OVERLAP), width, height)


class MaskRCNN:
    """detectron2's Mask R-CNN; boxes of the class person. On a GPU where there is one."""

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from detectron2 import model_zoo
            from detectron2.checkpoint import DetectionCheckpointer
            from detectron2.config import get_cfg
            from detectron2.data import MetadataCatalog
            from detectron2.data.transforms import ResizeShortestEdge
            from detectron2.modeling import build_model
        except ImportError as error:
            raise StageError(MISSING_DETECTRON2) from error
        config = get_cfg()
        weights = settings.weights
        try:
            local = Path(settings.model).exists()
            config.merge_from_file(settings.model if local else model_zoo.get_config_file(settings.model))
            if not weights and not local:
                weights = model_zoo.get_checkpoint_url(settings.model)
        except (OSError, RuntimeError) as error:
            raise StageError(f"persons.model: detectron2 cannot use the model {settings.model!r}: {error}") from error
        config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = settings.score_threshold
        config.MODEL.MASK_ON = False  # the boxes come first and do not depend on the masks
        model = digest(config.dump())  # before the names of a file and a device enter it
        config.MODEL.WEIGHTS = weights or config.MODEL.WEIGHTS
        if not config.MODEL.WEIGHTS:
            raise StageError(f"persons.weights: {settings.model!r} names no weights; give a file or a URL")
        config.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
        self._torch = torch
        self._model = build_model(config).eval()
        try:
            DetectionCheckpointer(self._model).load(config.MODEL.WEIGHTS)
        except (OSError, AssertionError) as error:
            raise StageError(
                f"persons.weights: cannot load {config.MODEL.WEIGHTS!r} ({error}); give a file that is there, or a URL "
                "that this machine reaches"
            ) from error
        self._resize = ResizeShortestEdge(
            [config.INPUT.MIN_SIZE_TEST, config.INPUT.MIN_SIZE_TEST], config.INPUT.MAX_SIZE_TEST
        )
        self._channels = config.INPUT.FORMAT
        trained_on = config.DATASETS.TEST[:1]
        classes = MetadataCatalog.get(trained_on[0]).get("thing_classes", []) if trained_on else []
        self._person = list(classes).index("person") if "person" in classes else 0  # COCO's first class
        self._batch = settings.batch
        self._one_at_a_time = threading.Lock()
        self._parameters = {
            "detector": "detectron2",
            "model": model,
            "weights": _content(config.MODEL.WEIGHTS),
            "threshold": settings.score_threshold,
        }
        log.info("persons: %s on %s", settings.model, config.MODEL.DEVICE)

    @property
    def parameters(self) -> dict[str, Any]:
        return self._parameters

    def detect(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for start in range(0, len(frames), self._batch):
            batch = [self._input(frame) for frame in frames[start : start + self._batch]]
            with self._one_at_a_time, self._torch.inference_mode():
                answers = self._model(batch)
            found += [self._people(answer["instances"].to("cpu")) for answer in answers]
        return found

    def _input(self, frame: np.ndarray) -> dict[str, Any]:
        """What the network takes: (3, h, w) float32 0..255 in its own order of channels, and the size of the frame."""
        image = frame if self._channels == "RGB" else np.ascontiguousarray(frame[..., ::-1])
        resized = self._resize.get_transform(image).apply_image(image)
        tensor = self._torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1)), dtype=self._torch.float32)
        return {"image": tensor, "height": frame.shape[0], "width": frame.shape[1]}

    def _people(self, instances: Any) -> np.ndarray:
        """Boxes (k, 5) of the people among a frame's instances, which are in the frame's pixels already."""
        people = instances[instances.pred_classes == self._person]
        boxes = np.column_stack([people.pred_boxes.tensor.numpy(), people.scores.numpy()])
        height, width = instances.image_size
        return clip_boxes(boxes[np.argsort(-boxes[:, 4], kind="stable")], width, height)


def _content(weights: str) -> str:
    """What stands for a network's weights: a digest of the file, or its address."""
    if "://" in weights or not Path(weights).is_file():
        return weights
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
