"""A shard of videos and its stored frames."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import write_columns

SETTINGS = FramesSettings(short_side=48, jpeg_quality=95)


def write_video(path: Path, n_frames: int, width: int, height: int) -> None:
    """Writes a smooth texture that moves, so that all frames differ and JPEG changes them little."""
    texture = cv2.GaussianBlur(np.random.default_rng(n_frames).random((height, width, 3)), (0, 0), 4)
    texture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 4_000_000
        for t in range(n_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(texture, 5 * t, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A shard of three good videos and two bad ones, and its frames."""
    folder = tmp_path_factory.mktemp("frames")
    write_video(folder / "wide.mp4", 20, 160, 96)
    write_video(folder / "tall.mp4", 12, 64, 120)
    write_video(folder / "small.mp4", 5, 40, 32)
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty.mp4").touch()
    write_list(folder, ["wide", "tall", "small", "text", "empty"])
    store_frames(folder / "shard.tsv", folder / "shard.h5", folder / "store", SETTINGS)
    return folder


def write_list(folder: Path, names: list[str]) -> None:
    rows = []
    for name in names:
        stat = (folder / f"{name}.mp4").stat()
        rows.append(
            {
                "video_id": name,
                "path": folder / f"{name}.mp4",
                "fps": 25,
                "bytes": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
            }
        )
    write_columns(folder / "shard.tsv", rows, ["video_id", "path", "fps", "bytes", "mtime_ns"])
