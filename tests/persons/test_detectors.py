"""Detectors of people: found on real frames, boxes within the frame, clear words when one is missing."""

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from workflow_scripts.configuration.config import SCHEMA

import idt_tools
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.boxes import overlaps
from workflow_scripts.persons.detectors import DETECTORS, make_detector
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture(scope="module")
def street(shared: Path) -> Iterator[list[np.ndarray]]:
    """Frames of a camera over a campus road with walking people about 90 pixels tall."""
    yield list(islice(idt_tools.read_video(shared / "videos" / "samples" / "vtest.avi"), 0, 120, 60))


def test_hog_finds_people_in_a_real_street(street: list[np.ndarray]) -> None:
    found = make_detector("hog", PersonsSettings(hog_threshold=0.5)).detect(street)
    assert len(found) == len(street)
    for frame, boxes in zip(street, found, strict=True):
        height, width = frame.shape[:2]
        assert boxes.dtype == np.float32 and boxes.shape[1] == 5 and len(boxes) >= 2
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:4] <= (width, height)).all()
        assert (boxes[:, 2:4] > boxes[:, :2]).all()
        assert (np.diff(boxes[:, 4]) <= 0).all() and (boxes[:, 4] > 0.5).all()
    walker = np.array([617, 235, 690, 345])  # the man who crosses the road alone in the first frame, by eye
    assert overlaps(found[0], walker[None]).max() > 0.3


def test_hog_finds_generated_people_in_frames_lower_than_its_window() -> None:
    generated = GeneratedSettings(frames=3, fps=5, width=128, height=96)
    detector = make_detector("hog", PersonsSettings())
    hits = []
    for scene in ("bricks", "meadow", "beach"):
        truth = list(render_with_truth("wave", scene, 0, generated))
        for frame, boxes in zip(truth, detector.detect([frame.image for frame in truth]), strict=True):
            assert (boxes[:, :4] >= 0).all() and (boxes[:, 2:4] <= (128, 96)).all()
            hits.append((overlaps(boxes, frame.box[None]) > 0.3).any())
    assert np.mean(hits) > 0.5


def test_hog_takes_a_frame_too_narrow_for_a_person() -> None:
    (boxes,) = make_detector("hog", PersonsSettings(hog_height=24)).detect([np.zeros((18, 24, 3), np.uint8)])
    assert boxes.shape == (0, 5)


def test_enlarging_leaves_boxes_in_the_frames_own_pixels(street: list[np.ndarray]) -> None:
    small = cv2.resize(street[0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    height = street[0].shape[0]
    (large_boxes,) = make_detector("hog", PersonsSettings(hog_threshold=0.5)).detect([street[0]])
    (small_boxes,) = make_detector("hog", PersonsSettings(hog_threshold=0.5, hog_height=height)).detect([small])
    matched = (overlaps(2 * small_boxes, large_boxes) > 0.5).any(axis=1)
    assert len(small_boxes) and np.mean(matched) >= 0.5


@pytest.mark.skipif(find_spec("detectron2") is not None, reason="detectron2 is installed here")
def test_a_missing_detectron2_says_what_to_do() -> None:
    with pytest.raises(StageError, match=r"envs/persons\.yaml") as told:
        make_detector("detectron2", PersonsSettings())
    assert "\n" not in str(told.value)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed here")
def test_a_missing_torchvision_says_what_to_do() -> None:
    with pytest.raises(StageError, match=r"No module named 'torchvision'.*pip install torchvision") as told:
        make_detector("torchvision", PersonsSettings())
    assert "\n" not in str(told.value)


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(StageError, match=r"yolo.*hog"):
        make_detector("yolo", PersonsSettings())


def test_the_schema_offers_every_detector() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    boxes = schema["properties"]["descriptors"]["additionalProperties"]["properties"]["boxes"]
    assert set(boxes["enum"]) == {"none", *DETECTORS}
