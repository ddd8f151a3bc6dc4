"""The detection models of torchvision, which pip installs."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idt_tools.person_boxes import PERSON
from workflow_scripts.ground.stage import StageError, first_line
from workflow_scripts.persons.models import DEFAULT_MODELS
from workflow_scripts.persons.network import NetworkDetector, Picture, content_of
from workflow_scripts.persons.settings import PersonsSettings

log = logging.getLogger(__name__)

# Their published weights were trained with batch normalisation without an epsilon.
WITHOUT_EPSILON = (
    "fasterrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
)


class Torchvision(NetworkDetector):
    """A model of `torchvision.models.detection` as published, with its own non-maximum suppression."""

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from torchvision.models import detection, get_model_weights, list_models

            from workflow_scripts.ground.devices import best_device  # it needs torch
            from workflow_scripts.ground.torch_file import read_torch
        except (ImportError, RuntimeError) as error:  # RuntimeError: its operators do not fit the installed torch
            raise StageError(
                f"persons: the detector torchvision cannot be used here ({error}); install the release of torchvision "
                "that fits the installed torch (pip install torchvision), or set descriptors.<name>.boxes to hog or "
                "none"
            ) from error
        model = settings.model or DEFAULT_MODELS["torchvision"]
        if model not in (names := list_models(module=detection)):
            raise StageError(f"persons.model: torchvision has no detection model {model!r}; choose {', '.join(names)}")
        weights = settings.weights or get_model_weights(model).COCO_V1.url
        self._torch = torch
        self._device = best_device().type
        self._network = getattr(detection, model)(weights=None, weights_backbone=None)
        try:
            if "://" in weights:
                state = torch.hub.load_state_dict_from_url(weights, map_location="cpu", weights_only=True)
            else:
                state = read_torch(Path(weights))
            self._network.load_state_dict(state)
        except Exception as error:  # a damaged or foreign file may raise any exception
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({first_line(error)}); give a state dict of torchvision's "
                f"{model} in an existing file, or a URL that this machine can reach"
            ) from error
        if model in WITHOUT_EPSILON:
            for module in self._network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eps = 0.0
        _find_boxes_alone(self._network, settings.score_threshold)
        if settings.short_side:
            _resize(self._network, settings.short_side, model)
        self._network.to(self._device).eval()
        parameters = {
            "detector": "torchvision",
            "model": model,
            "weights": content_of(weights),
            "threshold": settings.score_threshold,
            **({"short_side": settings.short_side} if settings.short_side else {}),
        }
        super().__init__(torch, settings.batch_size, parameters)
        log.info("persons: %s on %s", model, self._device)

    def picture(self, frame: np.ndarray) -> Picture:
        """Returns the frame as a tensor (h, w, 3) uint8."""
        return Picture(self._torch.as_tensor(frame), *frame.shape[:2])

    def _persons(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        torch = self._torch
        frames = torch.stack([picture.image for picture in pictures]).to(self._device)
        images = frames.permute(0, 3, 1, 2) / 255  # (B, 3, H, W), 0..1
        with torch.inference_mode(), torch.autocast(self._device, enabled=self._device == "cuda"):
            outputs = self._network(list(images))  # boxes in pixels of the frames
        boxes_of_pictures = []
        for output in outputs:
            boxes = torch.column_stack([output["boxes"].float(), output["scores"].float()])
            boxes_of_pictures.append(boxes[output["labels"] == PERSON].cpu().numpy())
        return boxes_of_pictures


def _find_boxes_alone(network: Any, threshold: float) -> None:
    """Makes a model return the boxes of a score over `threshold`, and compute no masks and no keypoints."""
    with_scores = getattr(network, "roi_heads", network)  # models of one stage have no heads for regions
    with_scores.score_thresh = threshold
    if with_scores is not network:
        with_scores.mask_roi_pool = with_scores.keypoint_roi_pool = None  # the boxes do not depend on them


def _resize(network: Any, short_side: int, model: str) -> None:
    """Makes a model resize frames to the length `short_side`. Raises StageError for a model of one input size."""
    if size := network.transform.fixed_size:
        raise StageError(
            f"persons.short_side: {model} takes only pictures of {size[0]} x {size[1]} pixels; remove the key or "
            "choose another persons.model"
        )
    network.transform.min_size = (short_side,)
