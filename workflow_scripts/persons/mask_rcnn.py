"""Mask R-CNN (He et al. 2017; paper 3.3), boxes of the class person, by detectron2 or by torchvision.

On a GPU where there is one.
"""

import hashlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idt_tools.person_boxes import PERSON
from workflow_scripts.identity import digest
from workflow_scripts.persons.boxes import clip_boxes
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.stage import StageError

log = logging.getLogger(__name__)

MISSING_DETECTRON2 = (
    "persons: the detector detectron2 is not installed here; install it as envs/persons.yaml or its project's "
    "instructions (https://detectron2.readthedocs.io/tutorials/install.html) say, or set features.<name>.boxes to "
    "torchvision, hog or none"
)


class _MaskRCNN(ABC):
    """What the two have in common: frames go through the network in batches, one at a time for all threads."""

    def __init__(self, batch: int, parameters: dict[str, Any]) -> None:
        self._batch = batch
        self._one_at_a_time = threading.Lock()
        self.parameters = parameters

    def detect(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for start in range(0, len(frames), self._batch):
            batch = frames[start : start + self._batch]
            with self._one_at_a_time:
                people = self._people(batch)
            for frame, boxes in zip(batch, people, strict=True):
                best_first = boxes[np.argsort(-boxes[:, 4], kind="stable")]
                found.append(clip_boxes(best_first, width=frame.shape[1], height=frame.shape[0]))
        return found

    @abstractmethod
    def _people(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Boxes (k, 5) of the people in each frame, in its pixels."""


class Detectron2(_MaskRCNN):
    """detectron2's, of any config of its model zoo."""

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
        parameters = {
            "detector": "detectron2",
            "model": model,
            "weights": _content(config.MODEL.WEIGHTS),
            "threshold": settings.score_threshold,
        }
        super().__init__(settings.batch, parameters)
        log.info("persons: %s on %s", settings.model, config.MODEL.DEVICE)

    def _people(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._torch.inference_mode():
            answers = self._model([self._input(frame) for frame in frames])
        found = []
        for answer in answers:
            instances = answer["instances"].to("cpu")
            people = instances[instances.pred_classes == self._person]
            found.append(np.column_stack([people.pred_boxes.tensor.numpy(), people.scores.numpy()]))
        return found

    def _input(self, frame: np.ndarray) -> dict[str, Any]:
        """What the network takes: (3, h, w) float32 0..255 in its own order of channels, and the size of the frame."""
        image = frame if self._channels == "RGB" else np.ascontiguousarray(frame[..., ::-1])
        resized = self._resize.get_transform(image).apply_image(image)
        tensor = self._torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1)), dtype=self._torch.float32)
        return {"image": tensor, "height": frame.shape[0], "width": frame.shape[1]}


class Torchvision(_MaskRCNN):
    """torchvision's `maskrcnn_resnet50_fpn_v2`, as it is published: frames of 800 rows, NMS at an IoU of 0.5."""

    NETWORK = "maskrcnn_resnet50_fpn_v2"

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from torchvision.models import detection
        except (ImportError, RuntimeError) as error:  # RuntimeError: of its operators, where it does not fit the torch
            raise StageError(
                f"persons: the detector torchvision cannot be used here ({error}); install the release of torchvision "
                "that fits the torch that is installed (pip install torchvision), or set features.<name>.boxes to hog "
                "or none"
            ) from error
        weights = settings.weights or detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, box_score_thresh=settings.score_threshold
        )
        try:
            if "://" in weights:
                state = torch.hub.load_state_dict_from_url(weights, map_location="cpu", weights_only=True)
            else:
                state = torch.load(weights, map_location="cpu", weights_only=True)
            self._network.load_state_dict(state)
        except Exception as error:  # whatever a damaged or foreign file makes torch raise
            reason = next(iter(str(error).splitlines()), type(error).__name__)  # torch adds a page of advice
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({reason}); give a state dict of torchvision's "
                f"{self.NETWORK} that is there, or a URL that this machine reaches"
            ) from error
        self._network.roi_heads.mask_roi_pool = None  # the boxes come first and do not depend on the masks
        self._network.to(self._device).eval()
        parameters = {
            "detector": "torchvision",
            "model": self.NETWORK,
            "weights": _content(weights),
            "threshold": settings.score_threshold,
        }
        super().__init__(settings.batch, parameters)
        log.info("persons: %s on %s", self.NETWORK, self._device)

    def _people(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        torch = self._torch
        images = torch.as_tensor(np.stack(frames)).to(self._device).permute(0, 3, 1, 2) / 255  # (B, 3, H, W), 0..1
        with torch.inference_mode(), torch.autocast(self._device, enabled=self._device == "cuda"):
            answers = self._network(list(images))  # boxes in the frames' own pixels
        found = []
        for answer in answers:
            boxes = torch.column_stack([answer["boxes"], answer["scores"]])[answer["labels"] == PERSON]
            found.append(boxes.float().cpu().numpy())
        return found


def _content(weights: str) -> str:
    """What stands for a network's weights: a digest of the file, or its address."""
    if "://" in weights or not Path(weights).is_file():
        return weights
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
