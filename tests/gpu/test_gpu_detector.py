"""torchvision's Mask R-CNN with random weights on a GPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workflow_scripts.persons.detectors import make_detector
from workflow_scripts.persons.settings import PersonsSettings

pytestmark = pytest.mark.slow  # runs a network


def test_mask_rcnn_finds_boxes_in_the_frames(device: str, tmp_path: Path) -> None:
    """The published network for small frames. On a GPU, batches of frames are processed in half precision."""
    reason = "torchvision is not installed; `make test-persons` installs it"
    detection = pytest.importorskip("torchvision.models.detection", reason=reason)
    pytest.importorskip("scipy")
    torch.manual_seed(0)
    state = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).state_dict()
    state["roi_heads.box_predictor.cls_score.bias"][1] = 15  # so that the random scores favour persons
    torch.save(state, tmp_path / "random.pt")
    frames = [np.random.default_rng(seed).integers(256, size=(72, 100, 3), dtype=np.uint8) for seed in range(5)]
    settings = PersonsSettings(weights=str(tmp_path / "random.pt"), short_side=64, batch_size=5)
    detector: Any = make_detector("torchvision", settings)
    detections = detector.detect(frames)
    assert len(detections) == 5 and next(detector._network.parameters()).device.type == device
    assert (detector.batches is not None) == (device == "cuda")
    for boxes in detections:
        assert len(boxes) > 2 and np.isfinite(boxes).all()
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:4] <= (100, 72)).all()
        assert (boxes[:, :2] < boxes[:, 2:4]).all() and (np.diff(boxes[:, 4]) <= 0).all()
