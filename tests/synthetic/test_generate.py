"""The generated videos: repeatable, in the frame, and with motion and scene as independent labels."""

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.ground.identity import rng
from workflow_scripts.ground.stage import StageError
from workflow_scripts.synthetic.figure import Figure, skeleton
from workflow_scripts.synthetic.generate import (
    VIDEOS_PER_PROCESS,
    generate_videos,
    homographies,
    render,
    render_with_truth,
)
from workflow_scripts.synthetic.motions import MOTIONS
from workflow_scripts.synthetic.scenes import SCENES
from workflow_scripts.synthetic.settings import GeneratedSettings

SMALL = GeneratedSettings(motions=("wave", "walk"), scenes=("city", "beach"), per_pair=1, frames=6, width=80, height=64)


def test_defaults_name_known_motions_and_scenes() -> None:
    settings = GeneratedSettings()
    assert len(settings.motions) >= 6 and set(settings.motions) <= set(MOTIONS)
    assert len(settings.scenes) >= 6 and set(settings.scenes) <= set(SCENES)


def test_generate_videos_writes_only_missing_videos(tmp_path: Path) -> None:
    rows = generate_videos(tmp_path, SMALL)
    assert len(rows) == 4
    assert {(row["label"], row["scene"]) for row in rows} == {
        (motion, scene) for motion in SMALL.motions for scene in SMALL.scenes
    }
    assert (tmp_path / "manifest.csv").read_text().splitlines()[0] == "path,label,group,scene"
    first, second = (tmp_path / row["path"] for row in rows[:2])
    before, untouched = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()
    more = generate_videos(tmp_path, replace(SMALL, per_pair=2))
    assert first.read_bytes() == before, "a video depends only on the settings"
    assert second.stat().st_mtime_ns == untouched
    assert len(more) == 8 and {row["group"] for row in more} == {"take00", "take01"}
    with av.open(str(first)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert (stream.width, stream.height, stream.average_rate) == (80, 64, 25)
    assert len(frames) == SMALL.frames
    painted = list(render("walk", "beach", 0, SMALL))
    assert rows[0]["path"] == "walk/walk_beach_00.mp4"
    grey, painted_grey = np.stack(frames).mean(axis=-1), np.stack(painted).mean(axis=-1)
    assert np.abs(grey - painted_grey).mean() < 4  # colours are stored at half the resolution


def test_videos_of_two_processes_equal_those_of_one(tmp_path: Path) -> None:
    settings = replace(SMALL, per_pair=VIDEOS_PER_PROCESS // 2, frames=2)
    rows = generate_videos(tmp_path / "one", settings)
    assert generate_videos(tmp_path / "two", settings, threads=2) == rows
    for row in rows:
        assert (tmp_path / "one" / row["path"]).read_bytes() == (tmp_path / "two" / row["path"]).read_bytes()


def test_other_settings_overwrite_the_videos(tmp_path: Path) -> None:
    generate_videos(tmp_path, SMALL)
    rows = generate_videos(tmp_path, replace(SMALL, frames=4))
    with av.open(str(tmp_path / rows[0]["path"])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_takes_share_a_place_in_turn() -> None:
    def on_place(take: int) -> NDArray[np.float64]:  # the first frame in the place's pixels, without the person
        frames = list(render_with_truth("wave", "city", take, replace(SMALL, places=2, camera=0.0)))
        assert all(np.array_equal(frame.camera, frames[0].camera) for frame in frames), "the camera stands still"
        x1, y1, x2, y2 = frames[0].box.astype(int)
        frames[0].image[y1 : y2 + 1, x1 : x2 + 1] = 0
        return cv2.warpPerspective(frames[0].image, np.linalg.inv(frames[0].camera), (352, 205)).mean(axis=-1)

    first, other, again = (on_place(take) for take in range(3))
    shared, different = (
        np.corrcoef(first[both], image[both])[0, 1] for image in (again, other) for both in [(first > 0) & (image > 0)]
    )
    assert shared > 0.8 > different + 0.2


def test_takes_share_a_person_in_turn() -> None:
    settings = replace(SMALL, people=2, figure_height=(0.3, 0.9), camera=0.0)
    boxes = [next(render_with_truth("walk", "city", take, settings)).box for take in range(3)]
    first, other, again = (box[3] - box[1] for box in boxes)
    assert 0.85 < first / again < 1.15 and not 0.8 < first / other < 1.25


def test_places_without_contrast_have_one_color() -> None:
    corner = next(render("wave", "city", 0, replace(SMALL, contrast=0.0)))[:8, :8].astype(float)
    assert corner.std(axis=(0, 1)).max() < 6, "the grain of the camera"


def test_figures_are_as_tall_as_the_settings_say() -> None:
    short, tall = (
        next(render_with_truth("walk", "city", 0, replace(SMALL, figure_height=(share, share)))).box
        for share in (0.4, 0.8)
    )
    assert 1.8 < (tall[3] - tall[1]) / (short[3] - short[1]) < 2.2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("motions", ("fly",)),
        ("scenes", ()),
        ("scenes", ("city", "city")),
        ("width", 81),
        ("frames", 0),
        ("figure_height", (0.8, 0.6)),
    ],
)
def test_settings_that_cannot_be_rendered_are_named(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(StageError, match=key):
        generate_videos(tmp_path, replace(SMALL, **{key: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("motion", MOTIONS)
def test_box_bounds_the_figure(motion: str) -> None:
    figure, pose_at = Figure(rng("looks"), 150.0), MOTIONS[motion][0]
    camera = np.array([[1.05, -0.02, 4.0], [0.02, 1.05, -7.0]])
    for phase in np.linspace(0, 1, 9):
        canvas = np.zeros((400, 400, 3), np.float32)
        box = figure.draw(canvas, pose_at(phase)._replace(travel=0), camera, (200.0, 300.0), mirrored=phase > 0.5)
        y, x = np.nonzero(canvas.max(axis=-1) > 20)
        np.testing.assert_allclose(box, [x.min(), y.min(), x.max() + 1, y.max() + 1], atol=6)


def test_camera_explains_the_background_and_boxes_lie_in_the_frame() -> None:
    frames = list(render_with_truth("walk", "bricks", 3, GeneratedSettings(frames=12)))
    first, last = frames[0], frames[-1]
    assert all((f.box[:2] >= 0).all() and (f.box[2:] <= (160, 120)).all() for f in frames)
    steps = homographies(frames)
    assert steps.shape == (12, 3, 3)
    step = np.linalg.multi_dot(steps[::-1])
    assert np.abs(step[:2, 2]).max() > 2, "the camera moves"
    warped = cv2.warpPerspective(first.image, step, (160, 120))
    seen = cv2.warpPerspective(np.ones((120, 160)), step, (160, 120)) > 0.99
    for frame, camera in ((first, step), (last, np.eye(3))):  # people aside
        x1, y1, x2, y2 = frame.box
        corners = np.array([[[x1 - 4, y1 - 4], [x2 + 4, y1 - 4], [x2 + 4, y2 + 4], [x1 - 4, y2 + 4]]], np.float32)
        outline = cv2.perspectiveTransform(corners, camera).round().astype(np.int32)
        seen &= cv2.fillPoly(np.zeros((120, 160), np.uint8), [outline], 1) == 0
    still, explained = (np.abs(image.astype(float) - last.image)[seen].mean() for image in (first.image, warped))
    assert explained < 0.5 * still


@pytest.mark.parametrize("motion", MOTIONS)
def test_limbs_keep_their_lengths_and_the_feet_stay_on_the_ground(motion: str) -> None:
    pose_at, _ = MOTIONS[motion]
    joints = [skeleton(pose_at(phase)) for phase in np.linspace(0, 2, 401)]
    for side in ("left", "right"):
        for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            lengths = [np.linalg.norm(j[f"{side} {start}"] - j[f"{side} {end}"]) for j in joints]
            np.testing.assert_allclose(lengths, lengths[0], rtol=1e-9)
    lowest = [min(j[f"{side} {end}"][1] for side in ("left", "right") for end in ("ankle", "toe")) for j in joints]
    assert min(lowest) == pytest.approx(0.035)
    assert max(lowest) > 0.2 if motion == "jump" else max(lowest) == pytest.approx(0.035)
    paths = np.array([list(j.values()) for j in joints])  # (phases, joints, 3)
    steps = np.linalg.norm(np.diff(paths, axis=0), axis=-1)
    assert steps.max() > 0.003, "something moves"
    assert steps.max() < 0.06, "nothing leaps from pose to pose"


@pytest.mark.slow
def test_mean_colour_predicts_the_scene_and_not_the_motion() -> None:
    """Leave one take out, nearest neighbour on mean colours: far above chance for scene, near chance for motion."""
    settings = GeneratedSettings(frames=4, fps=4, width=80, height=60)
    truth, colours = [], []
    for take in range(4):
        for scene in settings.scenes:
            for motion in settings.motions:
                mean = np.mean([image.mean(axis=(0, 1)) for image in render(motion, scene, take, settings)], axis=0)
                truth.append((motion, scene, take))
                colours.append(mean / mean.sum())
    labels, points = np.array(truth), np.array(colours)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    distance[labels[:, None, 2] == labels[None, :, 2]] = np.inf
    nearest = labels[distance.argmin(axis=1)]
    motion, scene = (nearest[:, :2] == labels[:, :2]).mean(axis=0)
    assert scene > 3 / 6
    assert motion < 0.3  # chance: 1 / 6
