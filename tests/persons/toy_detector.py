"""A Mask R-CNN of torchvision that is small enough for a test, and its training on generated persons."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN, anchor_utils, faster_rcnn, mask_rcnn
from torchvision.ops import MultiScaleRoIAlign

from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings

CHANNELS = 64


def toy_mask_rcnn(**options: Any) -> MaskRCNN:
    """Returns a MaskRCNN of two classes, background and person, for frames of up to 160 pixels."""
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 24, 2), (24, 48, 2), (48, CHANNELS, 2), (CHANNELS, CHANNELS, 1)):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    backbone = nn.Sequential(*layers)
    backbone.out_channels = CHANNELS
    return MaskRCNN(
        backbone,
        min_size=120,
        max_size=160,
        rpn_anchor_generator=anchor_utils.AnchorGenerator(((40, 60, 80),), ((1.0, 2.0, 3.0),)),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=100,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=32,
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        box_head=faster_rcnn.TwoMLPHead(CHANNELS * 7**2, 128),
        box_predictor=faster_rcnn.FastRCNNPredictor(128, num_classes=2),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        mask_head=mask_rcnn.MaskRCNNHeads(CHANNELS, (16,), 1),
        mask_predictor=mask_rcnn.MaskRCNNPredictor(16, 16, num_classes=2),
        **options,
    )


def generated_persons(takes: range, frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields `frames` frames (120, 160, 3) uint8 of every motion, scene and take, each with its person's box."""
    settings = GeneratedSettings(frames=frames, fps=4)
    for take, scene, motion in product(takes, settings.scenes, settings.motions):
        for frame in render_with_truth(motion, scene, take, settings):
            yield frame.image, frame.box


def train_toy(steps: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Returns the state dict of a toy trained on generated persons, which are mirrored and moved at random."""
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    examples = list(generated_persons(range(4), frames=4))
    network = toy_mask_rcnn().train()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        images, targets = zip(
            *(_example(*examples[n], draw) for n in draw.integers(len(examples), size=8)), strict=True
        )
        loss = sum(network(list(images), list(targets)).values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        schedule.step()
    return network.state_dict()


def _example(
    frame: np.ndarray, box: np.ndarray, draw: np.random.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Returns an image (3, 120, 160), 0..1, and its target, with the person at any place and facing either way."""
    height, width = frame.shape[:2]
    if draw.random() < 0.5:
        frame, box = frame[:, ::-1], np.array([width - box[2], box[1], width - box[0], box[3]])
    shift = int(draw.integers(-box[0], width - box[2] + 1))  # np.roll wraps the background around
    frame, box = np.roll(frame, shift, axis=1), box + np.array([shift, 0, shift, 0])
    mask = np.zeros((1, height, width), np.uint8)  # the whole box: no finer mask is known
    x1, y1, x2, y2 = box.astype(int)
    mask[:, y1:y2, x1:x2] = 1
    target = {
        "boxes": torch.tensor(box[None], dtype=torch.float32),
        "labels": torch.ones(1, dtype=torch.int64),
        "masks": torch.from_numpy(mask),
    }
    return torch.tensor(frame.copy()).permute(2, 0, 1) / 255, target
