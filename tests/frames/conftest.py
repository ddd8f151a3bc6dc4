"""A shard of videos and its stored frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from written_videos import write_video

from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import write_columns

SETTINGS = FramesSettings(short_side=48, jpeg_quality=95)


def write_moving_texture(path: Path, n_frames: int, width: int, height: int) -> None:
    """Writes a smooth texture that moves, so that all frames differ and JPEG changes them little."""
    texture = cv2.GaussianBlur(np.random.default_rng(n_frames).random((height, width, 3)), (0, 0), 4)
    texture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    write_video(path, (np.roll(texture, 5 * t, axis=1) for t in range(n_frames)), bit_rate=4_000_000)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A shard of three good videos and two bad ones, and its frames."""
    folder = tmp_path_factory.mktemp("frames")
    write_moving_texture(folder / "wide.mp4", 20, 160, 96)
    write_moving_texture(folder / "tall.mp4", 12, 64, 120)
    write_moving_texture(folder / "small.mp4", 5, 40, 32)
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty.mp4").touch()
    write_list(folder, ["wide", "tall", "small", "text", "empty"])
    store_frames(folder / "shard.tsv", folder / "shard.h5", folder / "store", SETTINGS)
    return folder


def write_list(folder: Path, names: list[str]) -> None:
    rows = []
    for name in names:
        path = folder / f"{name}.mp4"
        stamp = {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
        rows.append({"video_id": name, "path": path, "fps": 25, **stamp})
    write_columns(folder / "shard.tsv", rows, list(rows[0]))
