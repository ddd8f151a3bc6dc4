"""The networks of detectron2's model zoo, with the network and the weights of the paper (3.3) as the default."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, first_line
from workflow_scripts.persons.models import DEFAULT_MODELS, SECONDS_PER_FRAME
from workflow_scripts.persons.network import NetworkDetector, Picture, content_of
from workflow_scripts.persons.settings import PersonsSettings

log = logging.getLogger(__name__)


class Detectron2(NetworkDetector):
    """A network that finds boxes, with its config in detectron2's model zoo or in a file."""

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from detectron2 import model_zoo
            from detectron2.checkpoint import DetectionCheckpointer
            from detectron2.config import get_cfg
            from detectron2.data import MetadataCatalog
            from detectron2.data.transforms import ResizeShortestEdge
            from detectron2.modeling import build_model

            from workflow_scripts.ground.devices import best_device  # it needs torch
        except ImportError as error:
            raise StageError(
                f"persons: the detector detectron2 cannot be used here ({error}); install it with "
                "envs/persons.yaml or by its project's instructions (https://detectron2.readthedocs.io/tutorials/"
                "install.html), or set descriptors.<name>.boxes to torchvision, hog or none"
            ) from error
        self._torch = torch
        self._device = best_device().type
        config = get_cfg()
        model, weights = settings.model or DEFAULT_MODELS["detectron2"], settings.weights
        try:
            local = Path(model).exists()
            config.merge_from_file(model if local else model_zoo.get_config_file(model))
            _find_boxes_alone(config, settings)
            config.MODEL.DEVICE = self._device
            if not weights:
                weights = config.MODEL.WEIGHTS if local else model_zoo.get_checkpoint_url(model)
            self._network = build_model(config).eval()
        except Exception as error:  # a wrong config may raise any exception
            raise StageError(
                f"persons.model: detectron2 cannot use the model {model!r} ({first_line(error)}); name a config file "
                f"or a model of its model zoo, such as {', '.join(SECONDS_PER_FRAME['detectron2'])}"
            ) from error
        if not weights:
            raise StageError(f"persons.weights: {model!r} names no weights; give a file or a URL")
        self._load(DetectionCheckpointer(self._network), weights, model)
        self._resize = ResizeShortestEdge(
            [config.INPUT.MIN_SIZE_TEST, config.INPUT.MIN_SIZE_TEST], config.INPUT.MAX_SIZE_TEST
        )
        self._channels = config.INPUT.FORMAT
        trained_on = config.DATASETS.TEST[:1]
        classes = list(MetadataCatalog.get(trained_on[0]).get("thing_classes", [])) if trained_on else []
        if classes and "person" not in classes:
            raise StageError(f"persons.model: {model!r} has no class person; choose a model that finds persons")
        self._person = classes.index("person") if classes else 0  # COCO's first class
        config.MODEL.WEIGHTS = config.MODEL.DEVICE = ""  # these do not change the boxes
        parameters = {
            "detector": "detectron2",
            "model": digest(config.dump()),
            "weights": content_of(weights),
            "threshold": settings.score_threshold,
            "gpu_precision": "mixed",
        }
        super().__init__(torch, settings.batch_size, parameters)
        log.info("persons: %s on %s", model, self._device)

    def _load(self, checkpointer: Any, weights: str, model: str) -> None:
        """Loads `weights`. Raises StageError for those of another network; the checkpointer only warns."""
        for parameter in self._network.parameters():
            parameter.data.fill_(np.nan)
        try:
            checkpointer.load(weights)
        except Exception as error:  # a damaged or foreign file may raise any exception
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({first_line(error)}); give an existing file, or a URL "
                "that this machine can reach"
            ) from error
        missing = [name for name, values in self._network.named_parameters() if values.isnan().any()]
        if missing:
            raise StageError(
                f"persons.weights: {weights!r} does not hold {missing[0]} of {model}; give the weights of that model"
            )

    def picture(self, frame: np.ndarray) -> Picture:
        """Returns the resized frame as (3, h, w) uint8, with its channels in the order of the network."""
        image = frame if self._channels == "RGB" else np.ascontiguousarray(frame[..., ::-1])
        resized = self._resize.get_transform(image).apply_image(image)
        return Picture(self._torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1))), *frame.shape[:2])

    def _persons(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, enabled=self._device == "cuda"):
            outputs = self._network([picture._asdict() for picture in pictures])  # boxes in pixels of the frames
        boxes_of_pictures = []
        for output in outputs:
            instances = output["instances"]
            boxes = torch.column_stack([instances.pred_boxes.tensor.float(), instances.scores.float()])
            boxes_of_pictures.append(boxes[instances.pred_classes == self._person].cpu().numpy())
        return boxes_of_pictures


def _find_boxes_alone(config: Any, settings: PersonsSettings) -> None:
    """Sets the threshold and the size in a config, and turns off masks and keypoints, on which no box depends."""
    config.MODEL.MASK_ON = config.MODEL.KEYPOINT_ON = False
    is_retinanet = config.MODEL.META_ARCHITECTURE == "RetinaNet"
    heads = config.MODEL.RETINANET if is_retinanet else config.MODEL.ROI_HEADS
    heads.SCORE_THRESH_TEST = settings.score_threshold
    if settings.short_side:
        config.INPUT.MIN_SIZE_TEST = settings.short_side
