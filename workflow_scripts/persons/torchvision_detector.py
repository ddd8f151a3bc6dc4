"""torchvision's Mask R-CNN, which pip installs."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from idt_tools.person_boxes import PERSON
from workflow_scripts.ground.stage import StageError, first_line
from workflow_scripts.persons.mask_rcnn import MaskRCNN, Picture, content_of
from workflow_scripts.persons.settings import PersonsSettings

log = logging.getLogger(__name__)


class Torchvision(MaskRCNN):
    """torchvision's `maskrcnn_resnet50_fpn_v2`, as published: frames of 800 rows, NMS at an IoU of 0.5."""

    NETWORK = "maskrcnn_resnet50_fpn_v2"

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from torchvision.models import detection

            from workflow_scripts.ground.devices import best_device  # it needs torch
            from workflow_scripts.ground.torch_file import read_torch
        except (ImportError, RuntimeError) as error:  # RuntimeError: its operators do not fit the installed torch
            raise StageError(
                f"persons: the detector torchvision cannot be used here ({error}); install the release of torchvision "
                "that fits the installed torch (pip install torchvision), or set descriptors.<name>.boxes to hog or "
                "none"
            ) from error
        weights = settings.weights or detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
        self._torch = torch
        self._device = best_device().type
        self._network = detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, box_score_thresh=settings.score_threshold
        )
        try:
            if "://" in weights:
                state = torch.hub.load_state_dict_from_url(weights, map_location="cpu", weights_only=True)
            else:
                state = read_torch(Path(weights))
            self._network.load_state_dict(state)
        except Exception as error:  # a damaged or foreign file may raise any exception
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({first_line(error)}); give a state dict of torchvision's "
                f"{self.NETWORK} in an existing file, or a URL that this machine can reach"
            ) from error
        self._network.roi_heads.mask_roi_pool = None  # the boxes do not depend on the masks
        self._network.to(self._device).eval()
        parameters = {
            "detector": "torchvision",
            "model": self.NETWORK,
            "weights": content_of(weights),
            "threshold": settings.score_threshold,
        }
        super().__init__(torch, settings.batch_size, parameters)
        log.info("persons: %s on %s", self.NETWORK, self._device)

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
