"""The detector hog, on real and on generated frames."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames_and_videos import assert_valid

import idt_tools
from workflow_scripts.persons.boxes import overlaps
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings


@pytest.fixture(scope="module")
def street(shared: Path) -> Iterator[list[np.ndarray]]:
    """Frames of a camera over a campus road. The walking persons are about 90 pixels tall."""
    yield list(islice(idt_tools.read_video(shared / "videos" / "samples" / "vtest.avi"), 0, 120, 60))


def test_hog_finds_persons_in_a_real_street(street: list[np.ndarray]) -> None:
    detections = Hog(PersonsSettings(hog_threshold=0.5)).detect(street)
    assert len(detections) == len(street)
    for frame, boxes in zip(street, detections, strict=True):
        assert len(boxes) >= 2
        assert_valid(boxes, *frame.shape[:2])
    walker = np.array([617, 235, 690, 345])  # measured by eye: in the first frame, the man who crosses the road
    assert overlaps(detections[0], walker[None]).max() > 0.3


def test_hog_finds_generated_persons_in_frames_lower_than_its_window() -> None:
    generated = GeneratedSettings(frames=3, fps=5, width=128, height=96)
    detector = Hog(PersonsSettings())
    hits = []
    for scene in ("bricks", "meadow", "beach"):
        truth = list(render_with_truth("wave", scene, 0, generated))
        for frame, boxes in zip(truth, detector.detect([frame.image for frame in truth]), strict=True):
            assert (boxes[:, :4] >= 0).all() and (boxes[:, 2:4] <= (128, 96)).all()
            hits.append((overlaps(boxes, frame.box[None]) > 0.3).any())
    assert np.mean(hits) > 0.5


def test_hog_of_a_frame_narrower_than_its_window() -> None:
    (boxes,) = Hog(PersonsSettings(hog_height=24)).detect([np.zeros((18, 24, 3), np.uint8)])
    assert boxes.shape == (0, 5)


def test_hog_boxes_of_an_enlarged_frame(street: list[np.ndarray]) -> None:
    small = cv2.resize(street[0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    height = street[0].shape[0]
    (large_boxes,) = Hog(PersonsSettings(hog_threshold=0.5)).detect([street[0]])
    (small_boxes,) = Hog(PersonsSettings(hog_threshold=0.5, hog_height=height)).detect([small])
    matched = (overlaps(2 * small_boxes, large_boxes) > 0.5).any(axis=1)
    assert len(small_boxes) and np.mean(matched) >= 0.5
