"""The effect of masking people: on known motions, and in the table and the page."""

import csv
import math
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shards import write_shard

import idt_tools
from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.report.examples.measure_people import (
    MEASURES,
    Effect,
    Pair,
    change,
    mask_effect,
    measure_people,
    optical_flow,
    table_rows,
)
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.trajectories.settings import TrajectoriesSettings

BOX = (30, 30, 189, 149)  # three fifths of 200 x 160 pixels
PAN, WALK = (3, 0), (0, -4)  # pixels per frame: of the background, and in the box


def texture(seed: int) -> np.ndarray:
    """A random pattern (400, 400) uint8."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(400, 400)).astype(np.float32), (0, 0), 2)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def moving_person(n_frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (160, 200, 3) of a background that moves by PAN around a box whose content moves by WALK; the boxes."""
    frames = []
    x1, y1, x2, y2 = BOX
    for t in range(n_frames):
        frame = np.roll(texture(0), (PAN[1] * t, PAN[0] * t), (0, 1))[:160, :200].copy()
        frame[y1 : y2 + 1, x1 : x2 + 1] = np.roll(texture(1), (WALK[1] * t, WALK[0] * t), (0, 1))[
            : y2 + 1 - y1, : x2 + 1 - x1
        ]
        frames.append(np.repeat(frame[..., None], 3, axis=2))
    return frames, np.array([(t, *BOX, 1) for t in range(n_frames)], np.float32)


@pytest.mark.parametrize("known", [True, False])
def test_mask_effect_on_known_motion(known: bool) -> None:
    """Without the mask, the estimate is the larger motion, that in the box."""
    frames, boxes = moving_person(20)
    motion = np.broadcast_to(np.array(PAN, float), (160, 200, 2)).copy()
    motion[BOX[1] : BOX[3] + 1, BOX[0] : BOX[2] + 1] = WALK
    effect = mask_effect(frames, boxes, [motion] * 19 if known else optical_flow(frames))
    apart = math.hypot(PAN[0] - WALK[0], PAN[1] - WALK[1])
    assert effect.persons == 1 and effect.covered == pytest.approx(160 * 120 / (200 * 160))
    assert effect.background_error == pytest.approx((apart, 0), abs=0.3)
    assert effect.people_error == pytest.approx((0, apart), abs=0.3)
    # The tracker removes trajectories that the motion of the camera explains, except at the border of the box.
    assert effect.people_trajectories.masked > 1.5 * effect.people_trajectories.unmasked
    assert effect.background_trajectories.unmasked > 1.5 * effect.background_trajectories.masked
    n_masked = effect.background_trajectories.masked + effect.people_trajectories.masked
    assert n_masked == len(idt_tools.extract(frames, boxes))


def test_mask_effect_rejects_boxes() -> None:
    frames, boxes = moving_person(3)
    for box in ((0, 0, 199, 159), (-50, 0, -10, 20)):
        boxes[:, 1:5] = box
        with pytest.raises(ValueError, match="no part of a frame, or all of it"):
            mask_effect(frames, boxes, optical_flow(frames))


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(-1, 1)), min_size=1, max_size=30))
def test_change_interval_contains_difference(pairs: list[tuple[float, float]]) -> None:
    mean = change([Pair(before, before + by) for before, by in pairs])
    by = [by for _, by in pairs]
    assert mean.difference == pytest.approx(np.mean(by), abs=1e-9)
    assert mean.masked - mean.unmasked == pytest.approx(mean.difference, abs=1e-9)
    if len(pairs) == 1:
        assert math.isnan(mean.low) and math.isnan(mean.high)
    else:
        assert min(by) - 1e-9 <= mean.low <= mean.high <= max(by) + 1e-9


def test_change_interval_equals_students() -> None:
    by = np.random.default_rng(0).normal(0.5, 2, 400)
    mean = change([Pair(0, value) for value in by])
    half = 1.96 * by.std() / 20
    assert (mean.low, mean.high) == pytest.approx((by.mean() - half, by.mean() + half), abs=0.1 * half)


def test_table_rows_by_coverage() -> None:
    nothing = Pair(1, 2)
    effects = [Effect(1, covered, nothing, nothing, nothing, nothing) for covered in (0.05, 0.1, 0.2, 0.9, 1.0)]
    counts = {row["name"]: len(row["effects"]) for row in table_rows(effects)}
    assert counts == {"all": 5, "< 10 %": 2, "10 to 30 %": 1, "> 30 %": 2}
    assert list({row["name"] for row in table_rows(effects[:1])} - {"all"}) == ["< 10 %"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """The lists and boxes of two shards. One video has no boxes, and another one is broken."""
    root = tmp_path_factory.mktemp("videos")
    settings = GeneratedSettings(
        motions=("walk", "wave"), scenes=("bricks",), per_pair=2, frames=24, width=128, height=96
    )
    paths_of_videos = [Path(row["path"]) for row in generate_videos(root, settings)]
    (root / paths_of_videos[1]).write_bytes((root / paths_of_videos[1]).read_bytes()[:3000])
    shard_files = []
    for number, paths in enumerate((paths_of_videos[:2], paths_of_videos[2:])):
        videos = {path.stem: (root / path, path.parent.name) for path in paths}
        boxes = {path.stem: [(t, 40, 20, 80, 90, 1) for t in range(24) if path != paths_of_videos[3]] for path in paths}
        shard_files.append(write_shard(root, str(number), videos, boxes, 24))
    return shard_files


def measured(shards: list[tuple[Path, Path]], folder: Path, **options: int) -> tuple[list[dict[str, str]], str]:
    """The rows of the table, and the text of the page."""
    videos, boxes = (list(files) for files in zip(*shards, strict=True))
    measure_people(videos, boxes, folder / "people.html", folder / "people.tsv", TrajectoriesSettings(), **options)
    with (folder / "people.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    page = ElementTree.fromstring(f"<page>{(folder / 'people.html').read_text()}</page>")
    return rows, " ".join(" ".join(page.itertext()).split())


def test_measure_people_has_row_per_video(shards: list[tuple[Path, Path]], tmp_path: Path) -> None:
    rows, page = measured(shards, tmp_path)
    assert sorted(row["video_id"] for row in rows) == ["walk_bricks_00", "wave_bricks_00"]
    for row in rows:
        assert float(row["persons"]) == 1 and float(row["covered"]) == pytest.approx(41 * 71 / (128 * 96), rel=1e-4)
        assert all(float(row[f"{measure}_{way}"]) >= 0 for measure in MEASURES for way in ("unmasked", "masked"))
    assert "all 2 1.0" in page and "10 to 30 % 2 1.0" in page and "> 30 %" not in page

    again = tmp_path / "again"
    assert measured(shards, again) == (rows, page)
    assert len(measured(shards, tmp_path, n_videos=1)[0]) == 1


def test_measure_people_leaves_out_missing_video(shards: list[tuple[Path, Path]], tmp_path: Path) -> None:
    videos, boxes = shards[0]
    rows = read_columns(videos)
    assert rows[0]["video_id"] == "walk_bricks_00"
    rows[0]["path"] += ".gone"
    write_columns(tmp_path / "shard.tsv", rows, [*rows[0]])
    remaining, _ = measured([(tmp_path / "shard.tsv", boxes), *shards[1:]], tmp_path)
    assert [row["video_id"] for row in remaining] == ["wave_bricks_00"]


def test_measure_people_without_people(shards: list[tuple[Path, Path]], tmp_path: Path) -> None:
    videos, _ = shards[1]
    _, no_boxes = write_shard(tmp_path, "none", {}, {name: [] for name in ("wave_bricks_00", "wave_bricks_01")}, 24)
    rows_and_text = measured([(videos, no_boxes)], tmp_path)
    assert rows_and_text == ([], "Nobody was found in any of the examined videos.")
