"""The GPU hours of detecting persons, by model and stride."""

from typing import Any

import pytest

from workflow_scripts.operations.estimate.extrapolate import Line, Size
from workflow_scripts.operations.estimate.persons import network_hours

KINETICS = Size(235_000, 70e6, 70e6 * 340 * 256)


def hours(detector: str = "detectron2", **persons: Any) -> tuple[str, list[Line]]:
    section = {"model": "", "stride": 1, "short_side": 0, "adaptive": 0, **persons}
    text, lines = network_hours(section, detector, KINETICS, jobs=64)
    return "\n".join(text), lines


def test_network_hours_of_the_papers_model() -> None:
    """70 million frames of 0.051 seconds are 992 hours, or 41 days."""
    text, (line,) = hours()
    assert line.hours.value == pytest.approx(70e6 * 0.051 / 3600) and line.hours_of == "device"
    (row,) = [row for row in text.splitlines() if "(configured)" in row]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml (configured)", "19.6", "992", "331", "198"]


def test_network_hours_by_stride_and_input_size() -> None:
    (whole,), (reduced,) = hours("torchvision")[1], hours("torchvision", stride=4, short_side=400)[1]
    assert reduced.hours.value == pytest.approx(whole.hours.value / 16)
    assert "| stride 1 | stride 3 | stride 4 | stride 5 |" in hours("torchvision", stride=4)[0]
    model = "fasterrcnn_mobilenet_v3_large_320_fpn"
    (small,), (same,) = hours("torchvision", model=model)[1], hours("torchvision", model=model, short_side=320)[1]
    assert small.hours.value == same.hours.value < whole.hours.value


def test_network_hours_of_a_model_without_a_published_speed() -> None:
    text, lines = hours(model="mine.yaml", adaptive=2)
    assert not lines and "No speed of mine.yaml is published." in text
    assert "mask_rcnn_R_101_FPN_3x.yaml" in text and "persons.adaptive reduces" in text
