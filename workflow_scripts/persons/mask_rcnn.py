"""Mask R-CNN (He et al. 2017; paper 3.3), boxes of the class person, by detectron2 or by torchvision.

On a GPU where there is one, in mixed precision.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from idt_tools.person_boxes import PERSON
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, first_line
from workflow_scripts.persons.batches import Batches
from workflow_scripts.persons.boxes import clip_boxes
from workflow_scripts.persons.settings import PersonsSettings

log = logging.getLogger(__name__)


class Picture(NamedTuple):
    """A frame as the network takes it (a torch.Tensor), and the size of the frame itself."""

    image: Any
    height: int
    width: int


class _MaskRCNN(ABC):
    """What the two have in common: how the frames of videos reach the network, and what is made of its answers.

    On a GPU, one thread takes frames of whatever videos in batches; the last bits of a box may depend on who shares
    its batch. Frames of different sizes share none: they would be padded, which changes their boxes by more. On a CPU,
    batches are no faster, and they as well as the number of threads change the last bits: there each video's thread
    looks at one frame after another on one core, and a video's boxes are the same bytes whatever is beside it.
    """

    def __init__(self, torch: Any, batch: int, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.batches: Batches[Picture, np.ndarray] | None = None
        if torch.cuda.is_available():
            self.batches = Batches(self.look, batch)
        else:
            torch.set_num_threads(1)

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        if self.batches is None:
            return [boxes for frame in frames for boxes in self.look([self.picture(frame)])]
        handed_in = [self.batches.hand_in(self.picture(frame), frame.shape) for frame in frames]
        return [boxes.result() for boxes in handed_in]

    def look(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Boxes (k, 5) of the people in each picture, best first, within its frame, by one forward pass."""
        found = []
        for picture, boxes in zip(pictures, self._people(pictures), strict=True):
            best_first = boxes[np.argsort(-boxes[:, 4], kind="stable")]
            found.append(clip_boxes(best_first, picture.width, picture.height))
        return found

    @abstractmethod
    def picture(self, frame: np.ndarray) -> Picture:
        """What the network takes of a frame."""

    @abstractmethod
    def _people(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Boxes (k, 5) of the people in each picture of frames of one size, in the frame's pixels."""


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
            raise StageError(
                f"persons: the detector detectron2 cannot be used here ({error}); install it as envs/persons.yaml or "
                "its project's instructions (https://detectron2.readthedocs.io/tutorials/install.html) say, or set "
                "descriptors.<name>.boxes to torchvision, hog or none"
            ) from error
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        config = get_cfg()
        weights = settings.weights
        try:
            local = Path(settings.model).exists()
            config.merge_from_file(settings.model if local else model_zoo.get_config_file(settings.model))
            config.MODEL.DEVICE = self._device
            config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = settings.score_threshold
            config.MODEL.MASK_ON = False  # the boxes come first and do not depend on the masks
            if not weights:
                weights = config.MODEL.WEIGHTS if local else model_zoo.get_checkpoint_url(settings.model)
            self._network = build_model(config).eval()
        except Exception as error:  # whatever a mistyped or foreign config makes it raise
            raise StageError(
                f"persons.model: detectron2 cannot use the model {settings.model!r} ({first_line(error)})"
            ) from error
        if not weights:
            raise StageError(f"persons.weights: {settings.model!r} names no weights; give a file or a URL")
        self._load(DetectionCheckpointer(self._network), weights, settings.model)
        self._resize = ResizeShortestEdge(
            [config.INPUT.MIN_SIZE_TEST, config.INPUT.MIN_SIZE_TEST], config.INPUT.MAX_SIZE_TEST
        )
        self._channels = config.INPUT.FORMAT
        trained_on = config.DATASETS.TEST[:1]
        classes = MetadataCatalog.get(trained_on[0]).get("thing_classes", []) if trained_on else []
        self._person = list(classes).index("person") if "person" in classes else 0  # COCO's first class
        config.MODEL.WEIGHTS = config.MODEL.DEVICE = ""  # no name of a file or device counts
        parameters = {
            "detector": "detectron2",
            "model": digest(config.dump()),
            "weights": _content(weights),
            "threshold": settings.score_threshold,
            "gpu_precision": "mixed",
        }
        super().__init__(torch, settings.batch_size, parameters)
        log.info("persons: %s on %s", settings.model, self._device)

    def _load(self, checkpointer: Any, weights: str, model: str) -> None:
        """Loads `weights`; the checkpointer says no more than a warning where they are another network's."""
        for parameter in self._network.parameters():
            parameter.data.fill_(np.nan)
        try:
            checkpointer.load(weights)
        except Exception as error:  # whatever a damaged or foreign file makes it raise
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({first_line(error)}); give a file that is there, or a URL "
                "that this machine reaches"
            ) from error
        missing = [name for name, values in self._network.named_parameters() if values.isnan().any()]
        if missing:
            raise StageError(
                f"persons.weights: {weights!r} does not hold {missing[0]} of {model}, as it must be; give the weights "
                "of that model"
            )

    def picture(self, frame: np.ndarray) -> Picture:
        """(3, h, w) uint8 in the order of channels that the network wants."""
        image = frame if self._channels == "RGB" else np.ascontiguousarray(frame[..., ::-1])
        resized = self._resize.get_transform(image).apply_image(image)
        return Picture(self._torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1))), *frame.shape[:2])

    def _people(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, enabled=self._device == "cuda"):
            answers = self._network([picture._asdict() for picture in pictures])  # boxes in the frames' own pixels
        found = []
        for answer in answers:
            instances = answer["instances"]
            boxes = torch.column_stack([instances.pred_boxes.tensor.float(), instances.scores.float()])
            found.append(boxes[instances.pred_classes == self._person].cpu().numpy())
        return found


class Torchvision(_MaskRCNN):
    """torchvision's `maskrcnn_resnet50_fpn_v2`, as it is published: frames of 800 rows, NMS at an IoU of 0.5."""

    NETWORK = "maskrcnn_resnet50_fpn_v2"

    def __init__(self, settings: PersonsSettings) -> None:
        try:
            import torch
            from torchvision.models import detection

            from workflow_scripts.ground.torch_file import read_torch  # it needs torch
        except (ImportError, RuntimeError) as error:  # RuntimeError: of its operators, where it does not fit the torch
            raise StageError(
                f"persons: the detector torchvision cannot be used here ({error}); install the release of torchvision "
                "that fits the torch that is installed (pip install torchvision), or set descriptors.<name>.boxes to "
                "hog or none"
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
                state = read_torch(Path(weights))
            self._network.load_state_dict(state)
        except Exception as error:  # whatever a damaged or foreign file makes torch raise
            raise StageError(
                f"persons.weights: cannot load {weights!r} ({first_line(error)}); give a state dict of torchvision's "
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
        super().__init__(torch, settings.batch_size, parameters)
        log.info("persons: %s on %s", self.NETWORK, self._device)

    def picture(self, frame: np.ndarray) -> Picture:
        """(h, w, 3) uint8."""
        return Picture(self._torch.as_tensor(frame), *frame.shape[:2])

    def _people(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        torch = self._torch
        frames = torch.stack([picture.image for picture in pictures]).to(self._device)
        images = frames.permute(0, 3, 1, 2) / 255  # (B, 3, H, W), 0..1
        with torch.inference_mode(), torch.autocast(self._device, enabled=self._device == "cuda"):
            answers = self._network(list(images))  # boxes in the frames' own pixels
        found = []
        for answer in answers:
            boxes = torch.column_stack([answer["boxes"].float(), answer["scores"].float()])
            found.append(boxes[answer["labels"] == PERSON].cpu().numpy())
        return found


def _content(weights: str) -> str:
    """What stands for a network's weights: a digest of the file, or its address."""
    if "://" in weights or not Path(weights).is_file():
        return weights
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
