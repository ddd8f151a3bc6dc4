"""The generated videos: a moving camera films a person who performs a motion in front of a scene.

Motion and scene are independent labels of each video. `rng(seed, motion, scene, take)` draws all else (build, clothes,
speed, phase, side, light, camera path, noise) from the same distributions for all labels. All videos of one scene and
take show the same place, like clips filmed on one day.

Pictures are painted at twice the size and averaged down. Each frame comes with the person's true box and the camera's
true map, so the motion of the background between any two frames is known exactly.
"""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache, partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from workflow_scripts.ground.artifacts import replacing, write_json, write_text
from workflow_scripts.ground.identity import digest, rng
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.synthetic.figure import Figure
from workflow_scripts.synthetic.motions import MOTIONS
from workflow_scripts.synthetic.scenes import SCENES
from workflow_scripts.synthetic.settings import GeneratedSettings

log = logging.getLogger(__name__)

GENERATOR_VERSION = 2  # raised when the same settings give other pictures
SUPERSAMPLING = 2  # painted pixels per video pixel, along each side
BACKDROP = (2.2, 1.6)  # width and height of the painted place, in views
VIDEOS_PER_PROCESS = 16  # at least: a process starts in the time of about four videos
HORIZON = 0.16  # view heights from the figure's feet up to where the floor ends


class Frame(NamedTuple):
    """A generated frame with the true box and the true camera."""

    image: NDArray[np.uint8]  # (height, width, 3) RGB
    box: NDArray[np.float32]  # (4,) x1 y1 x2 y2 of the person in pixels, within the frame
    camera: NDArray[np.float64]  # (3, 3) map from the place's pixels to the frame's


def homographies(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """(T, 3, 3): entry t maps the background of frame t-1 to frame t; entry 0 is the identity."""
    steps = [b.camera @ np.linalg.inv(a.camera) for a, b in pairwise(frames)]
    return np.stack([np.eye(3), *steps])


def check(settings: GeneratedSettings) -> None:
    """Raises StageError, which names the key, if the settings cannot be rendered."""
    for name, names, known in (
        ("motions", settings.motions, list(MOTIONS)),
        ("scenes", settings.scenes, list(SCENES)),
    ):
        unknown = set(names) - set(known)
        if unknown or not names or len(set(names)) < len(names):
            raise StageError(f"generated.{name} must be different names among {', '.join(known)}, not {list(names)}")
    for name in ("width", "height"):
        if getattr(settings, name) < 32 or getattr(settings, name) % 2:
            raise StageError(f"generated.{name} must be even and at least 32, not {getattr(settings, name)}")
    heights = list(settings.figure_height)
    if len(heights) != 2 or not 0 < heights[0] <= heights[1]:
        raise StageError(f"generated.figure_height must be the least and the greatest height, not {heights}")
    for name in ("per_pair", "frames", "fps"):
        if getattr(settings, name) < 1:
            raise StageError(f"generated.{name} must be at least 1, not {getattr(settings, name)}")


@lru_cache(maxsize=16)  # motions of one scene and take share the picture
def _place(scene: str, number: int, seed: int, width: int, height: int, contrast: float) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a place. Its sides are BACKDROP times the width and the height of a view."""
    horizon = round((BACKDROP[1] / 2 + 0.36 - HORIZON) * height)
    size = round(BACKDROP[0] * width), round(BACKDROP[1] * height)
    picture = SCENES[scene](rng(seed, "place", scene, number), *size, horizon)
    mean = picture.mean((0, 1))
    return (mean + contrast * (picture - mean) + 0.5).astype(np.uint8)


def _camera_path(
    draw: np.random.Generator, settings: GeneratedSettings, width: int, height: int
) -> NDArray[np.float64]:
    """(T, 2, 3) maps from the place's pixels to those of a view of width x height, drifting, shaking, zooming."""
    frames, fps, movement = settings.frames, settings.fps, settings.camera
    t = (np.arange(frames) - (frames - 1) / 2) / fps  # seconds around the middle
    shake = np.zeros((3, frames))
    for strength, hertz in ((0.012, 0.9), (0.006, 2.6), (0.0025, 7.0)):
        rate, start = hertz * draw.uniform(0.7, 1.4, (3, 1)), draw.uniform(0, 2 * np.pi, (3, 1))
        shake += movement * strength * draw.uniform(0.3, 1.2, (3, 1)) * np.sin(2 * np.pi * rate * t + start)
    direction, pace = draw.uniform(0, 2 * np.pi), draw.uniform(0.02, 0.16)  # views per second
    extent = movement * 0.22 * np.tanh(t / 0.22 * pace)  # long videos do not leave the place
    aside = draw.uniform(-0.25, 0.25) + extent * np.cos(direction) + shake[0]
    up = draw.uniform(-0.03, 0.03) + 0.35 * extent * np.sin(direction) + shake[1]
    x, y = width * (0.5 * BACKDROP[0] + aside), height * (0.5 * BACKDROP[1] + up)
    zoom = np.exp(draw.uniform(-0.05, 0.05) + movement * np.tanh(t) * draw.uniform(-0.12, 0.12))
    roll = np.radians(draw.uniform(-1.5, 1.5)) + shake[2]
    cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)  # (T, 2, 2)
    centre = np.stack([x, y], -1)
    offset = np.array([width / 2, height / 2]) - np.einsum("tij,tj->ti", linear, centre)
    return np.concatenate([linear, offset[..., None]], axis=-1)


def render_with_truth(motion: str, scene: str, take: int, settings: GeneratedSettings) -> Iterator[Frame]:
    """The frames of one video with the person's box and the camera's map. They depend only on the arguments."""
    draw = rng(settings.seed, "generated", motion, scene, take)
    width, height = SUPERSAMPLING * settings.width, SUPERSAMPLING * settings.height
    number = take % settings.places if settings.places else take
    place = _place(scene, number, settings.seed, width, height, settings.contrast)
    looks = rng(settings.seed, "person", scene, take % settings.people) if settings.people else draw
    shortest, tallest = settings.figure_height
    figure = Figure(looks, height * looks.uniform(shortest, tallest))
    cameras = _camera_path(draw, settings, width, height)
    pose_at, period = MOTIONS[motion]
    start, speed, mirrored = draw.uniform(0, 1), draw.uniform(0.8, 1.25), bool(draw.random() < 0.5)
    turned, vigour = draw.uniform(-18, 18), draw.uniform(0.88, 1.12)
    middle = cameras[settings.frames // 2]
    feet_x = (width / 2 - middle[0, 2]) / middle[0, 0] + width * draw.uniform(-0.13, 0.13)
    feet = (float(feet_x), height * (BACKDROP[1] / 2 + 0.36 + draw.uniform(-0.03, 0.03)))
    color = (draw.uniform(0.78, 1.12) * draw.uniform(0.93, 1.07, 3)) ** settings.light
    gamma, grain = draw.uniform(0.85, 1.2) ** settings.light, draw.uniform(1.0, 4.0)
    tone = (255 * (np.arange(256)[:, None] / 255) ** gamma * color).astype(np.float32)  # (256, 3)
    to_pixels = np.array([[1, 0, 0.5 - SUPERSAMPLING / 2], [0, 1, 0.5 - SUPERSAMPLING / 2], [0, 0, SUPERSAMPLING]])
    to_pixels = to_pixels / SUPERSAMPLING  # centres of painted pixels to centres of the frame's
    phases = start + (np.arange(settings.frames) / settings.fps) * speed / period
    halfway = pose_at(float(phases[0] + phases[-1]) / 2).travel
    span = 0.42 * width / figure.height
    rest = np.array([2.0, 8.0, 0.0, 8.0])
    for camera, phase in zip(cameras, phases, strict=True):
        pose = pose_at(float(phase))
        travel, is_returning = _between_turns(pose.travel - halfway, span)
        limbs = rest + vigour * (pose.limbs - rest)
        pose = pose._replace(limbs=limbs, yaw=pose.yaw + turned, travel=travel)
        canvas = cv2.warpAffine(place, camera, (width, height), borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
        box = figure.draw(canvas, pose, camera, feet, mirrored != is_returning)
        small = cv2.resize(canvas, (settings.width, settings.height), interpolation=cv2.INTER_AREA)
        lit = np.asarray(cv2.LUT(np.clip(small, 0, 255).astype(np.uint8), tone[None]), np.float32)
        lit += grain * draw.standard_normal(lit.shape, dtype=np.float32)
        limit = np.array([settings.width, settings.height] * 2)
        yield Frame(
            np.clip(lit + 0.5, 0, 255).astype(np.uint8),
            np.clip(box / SUPERSAMPLING, 0, limit).astype(np.float32),
            to_pixels @ np.vstack([camera, (0, 0, 1)]),
        )


def _between_turns(distance: float, span: float) -> tuple[float, bool]:
    """The position (-span to span) of a walker who turns round at -span and at span, and whether he walks back."""
    turns, beyond = divmod(distance + span, 2 * span)
    return beyond - span, int(turns) % 2 == 1


def write_video(path: Path, frames: Iterator[NDArray[np.uint8]], fps: int) -> None:
    """Writes RGB frames as H.264 (yuv420p, near lossless), atomically; equal frames give equal bytes."""
    file = io.BytesIO()
    # With mbtree, x264's bytes depend on the addresses of its buffers: 8 encodings gave 8 results.
    options = {"crf": "16", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        for image in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    with replacing(path) as written:
        written.write(file.getvalue())


def render(motion: str, scene: str, take: int, settings: GeneratedSettings) -> Iterator[NDArray[np.uint8]]:
    """The frames (height, width, 3) RGB of one video."""
    return (frame.image for frame in render_with_truth(motion, scene, take, settings))


def generate_videos(root: Path, settings: GeneratedSettings, threads: int = 1) -> list[dict[str, str]]:
    """Writes the videos that `root` lacks, in up to `threads` processes, and manifest.csv; returns its rows.

    A row has path (`{motion}/{motion}_{scene}_{take}.mp4`, relative to root), label (the motion), scene, and group (the
    videos that share a place: the take, or with `places` the scene with the number of its place). Videos of other
    settings are overwritten. Raises StageError for settings that cannot be rendered.
    """
    check(settings)
    rows, jobs = [], []
    one_video = {key: value for key, value in asdict(settings).items() if key not in ("motions", "scenes", "per_pair")}
    made_with = digest(GENERATOR_VERSION, one_video)
    for take in range(settings.per_pair):  # motions innermost, because they share the painted place
        for scene in settings.scenes:
            for motion in settings.motions:
                path = f"{motion}/{motion}_{scene}_{take:02d}.mp4"
                group = f"{scene}{take % settings.places}" if settings.places else f"take{take:02d}"
                rows.append({"path": path, "label": motion, "group": group, "scene": scene})
                jobs.append((motion, scene, take, settings, root / path))
    _remove_stale(root, made_with)
    missing = [job for job in jobs if not job[-1].exists()]
    _write_videos(missing, threads)
    rows.sort(key=lambda row: row["path"])
    table = io.StringIO()
    writer = csv.DictWriter(table, ["path", "label", "group", "scene"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(root / "manifest.csv", table.getvalue())
    log.info("generated videos: %d in %s, %d of them new", len(rows), root, len(missing))
    return rows


def _write_videos(jobs: list[tuple[str, str, int, GeneratedSettings, Path]], threads: int) -> None:
    """Renders and writes the videos of (motion, scene, take, settings, file)."""
    processes = min(threads, len(jobs) // VIDEOS_PER_PROCESS)
    progress = partial(tqdm, total=len(jobs), desc="generate", unit="video", disable=not jobs)
    if processes < 2:
        for job in progress(jobs):
            _write_one(job)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for _ in progress(pool.map(_write_one, jobs)):
            pass


def _write_one(job: tuple[str, str, int, GeneratedSettings, Path]) -> None:
    motion, scene, take, settings, file = job
    write_video(file, render(motion, scene, take, settings), settings.fps)


def _remove_stale(root: Path, made_with: str) -> None:
    """Removes the videos if other settings made them, and stores the digest of the new settings."""
    note = root / "generated.json"
    if note.exists() and note.read_text().strip() == f'"{made_with}"':
        return
    for motion in MOTIONS:
        for scene in SCENES:
            for path in root.glob(f"{motion}/{motion}_{scene}_[0-9][0-9]*.mp4"):
                path.unlink()
    write_json(note, made_with)


if __name__ == "__main__":
    command_line(generate_videos)
