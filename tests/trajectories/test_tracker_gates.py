"""Compares the tracker to the original's output on reference clips, by the gates of idt_reference/compare.py."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

import idt_tools
from idt_tools import _core

pytestmark = pytest.mark.slow  # tracks real videos

CARPHONE, BOXING, BOWLING = "carphone_176x144_120", "person01_boxing_d1", "v_Bowling_g01_c01"


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "idt_reference"


@pytest.fixture(scope="module")
def compare(reference: Path) -> ModuleType:
    """The module of the reference that compares trajectories."""
    spec = importlib.util.spec_from_file_location("compare", reference / "compare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_gate(compare: ModuleType, gate: str, expected: Mapping[str, Any], tracked: idt_tools.Trajectories) -> None:
    figures = compare.compare(expected, {"info": tracked.info, "descriptors": tracked.descriptors})
    assert compare.holds(figures, gate), f"gate {gate}: {figures}"


@pytest.mark.parametrize(("clip", "gate"), [(CARPHONE, "A"), (BOXING, "authors"), (BOWLING, "A")])
def test_extract_with_the_originals_homographies(compare: ModuleType, reference: Path, clip: str, gate: str) -> None:
    expected = np.load(reference / f"{clip}.npz")
    tracked = idt_tools.extract(expected["frames"], homographies=expected["homographies"])
    assert_gate(compare, gate, expected, tracked)


@pytest.mark.parametrize("clip", [CARPHONE, BOXING, BOWLING])
def test_extract_with_its_own_homographies(compare: ModuleType, reference: Path, clip: str) -> None:
    expected = np.load(reference / f"{clip}.npz")
    assert_gate(compare, "B", expected, idt_tools.extract(expected["frames"]))


@pytest.mark.parametrize("seed", range(3))
def test_extract_with_perturbed_homographies(
    compare: ModuleType, reference: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Gate B must not depend on the order, number or last digits of the matches, which differ between computers."""
    rng = np.random.default_rng(seed)

    def perturbed(tracker: _core.Tracker, mask: np.ndarray | None) -> np.ndarray:
        start = tracker.corners(mask)
        start = rng.permutation(start)[: round(0.98 * len(start))]
        return _core.fit_homography(start, start + tracker.flow_at(start) + rng.normal(0, 1e-3, start.shape))

    monkeypatch.setattr("idt_tools.tracker.camera_motion", perturbed)
    expected = np.load(reference / f"{CARPHONE}.npz")  # the clip whose estimates vary most
    assert_gate(compare, "B", expected, idt_tools.extract(expected["frames"]))


def test_extract_with_person_boxes(compare: ModuleType, reference: Path) -> None:
    frames = np.load(reference / f"{BOWLING}.npz")["frames"]
    expected = np.load(reference / f"{BOWLING}_boxes.npz")
    assert_gate(compare, "B", expected, idt_tools.extract(frames, boxes=expected["boxes"]))


def test_read_video_gives_the_reference_frames(shared: Path, reference: Path) -> None:
    frames = np.load(reference / f"{BOWLING}.npz")["frames"]
    video = list(idt_tools.read_video(shared / "videos" / "samples" / f"{BOWLING}.avi"))
    assert np.array_equal(frames, [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video])
