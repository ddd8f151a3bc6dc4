"""The films and contact sheets of `idt show`."""

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import idt_tools
from idt_tools import cli, drawing
from idt_tools.person_boxes import background_mask, boxes_by_frame

SQUARE_TILE = (480, 640)  # height, width of 72 x 96 in a sheet


def line_and_end_pixels(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which pixels (..., 3) uint8 RGB belong to lines (green) and to their ends (red)."""
    red, green, blue = np.moveaxis(pictures.astype(int), -1, 0)
    return green - np.maximum(red, blue) > 80, red - np.maximum(green, blue) > 80


def read_png(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture[:, :, ::-1]


def test_show_film_has_all_frames_enlarged(video: Path, tmp_path: Path) -> None:
    film = tmp_path / "square.mp4"
    assert cli.main(["show", str(video), "-o", str(film)]) == 0
    pictures = np.stack(list(idt_tools.read_video(film)))
    assert pictures.shape == (24, 360, 480, 3)
    lines, ends = line_and_end_pixels(pictures)
    assert lines.sum() > 500 and ends.sum() > 500
    assert [path.name for path in tmp_path.iterdir()] == ["square.mp4"]


def test_show_sheet_has_nine_frames_and_title(video: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "square.png"
    assert cli.main(["show", str(video), "-o", str(sheet)]) == 0
    height, width = SQUARE_TILE
    frame = drawing.CAPTION + height + drawing.MARGIN
    picture = read_png(sheet)
    top, left = drawing.MARGIN + 2 * drawing.CAPTION, drawing.MARGIN
    assert picture.shape == (top + 3 * frame, left + 3 * (width + drawing.MARGIN), 3)
    title = picture[:top]
    assert title.mean() > 230 and title.min() < 100  # dark on light
    lines, ends = line_and_end_pixels(picture)
    assert lines.sum() > 500 and ends.sum() > 500


def test_draw_frame_tints_and_outlines_person_mask(video: Path, square_boxes: np.ndarray) -> None:
    boxes = boxes_by_frame(square_boxes)
    frame = list(idt_tools.read_video(video))[20]
    tracks = drawing.Tracks(np.empty(0, int), np.empty((0, 16, 2), np.float32))
    zoom = 5
    bare = drawing.draw_frame(frame, 20, tracks, None, zoom).astype(float)
    drawn = drawing.draw_frame(frame, 20, tracks, boxes, zoom).astype(float)
    mask = background_mask(boxes, 20, *frame.shape[:2])
    assert mask is not None
    persons = np.kron(mask == 0, np.ones((zoom, zoom), bool))
    assert np.array_equal(drawn[~persons], bare[~persons])
    inner = cv2.erode(persons.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    tinted = (1 - drawing.TINT) * bare + drawing.TINT * np.array(drawing.BLUE)
    assert np.abs(drawn[inner] - tinted[inner]).max() <= 0.5
    assert (drawn[persons & ~inner] == drawing.BLUE).all() and (persons & ~inner).sum() > 500


@pytest.mark.slow
def test_show_sheet_of_real_video(shared: Path, tmp_path: Path) -> None:
    clip, sheet = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi", tmp_path / "sheet.png"
    with h5py.File(tmp_path / "boxes.h5", "w") as file:
        file["44_8_4/boxes"] = [[t, 100, 50, 180, 200, 1] for t in range(0, 59)]
    assert cli.main(["show", str(clip), "-o", str(sheet), "--boxes", str(tmp_path / "boxes.h5")]) == 0
    picture = read_png(sheet)
    assert picture.shape[1] == drawing.MARGIN + 3 * (640 + drawing.MARGIN)
    lines, ends = line_and_end_pixels(picture)
    assert 0.005 < lines.mean() < 0.2 and 0.001 < ends.mean() < 0.1
    assert (picture == drawing.BLUE).all(axis=-1).sum() > 5000  # outlines


@pytest.mark.parametrize("frame", [0, 7, 15, 16, 30, 40, 41])
def test_tracks_until_frame(frame: int) -> None:
    end = np.array([15, 15, 20, 31, 40])
    points = np.arange(5 * 16 * 2, dtype=np.float32).reshape(5, 16, 2)
    expected = [points[i, : frame - end[i] + 16] for i in range(5) if end[i] - 15 <= frame <= end[i]]
    shown = drawing.Tracks(end, points).until(frame)
    assert len(shown) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(shown, expected, strict=True))


def test_write_sheet_reduces_large_frames(tmp_path: Path) -> None:
    frames = np.full((2, 1000, 2000, 3), 128, np.uint8)
    tracks = drawing.Tracks(np.empty(0, int), np.empty((0, 16, 2), np.float32))
    drawing.write_sheet(tmp_path / "sheet.png", frames, 2, tracks, None, "title")
    assert read_png(tmp_path / "sheet.png").shape[1] == drawing.MARGIN + 640 + drawing.MARGIN
