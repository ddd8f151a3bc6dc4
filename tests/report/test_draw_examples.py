"""Frames with trajectories: which videos are drawn, and that the picture shows the trajectories and the boxes."""

import base64
import re
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from shards import write_shard

from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.report.examples.draw_examples import N_EXAMPLES, draw_examples, in_turn
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.trajectories.describe_video import Video
from workflow_scripts.trajectories.settings import TrajectoriesSettings

pytestmark = pytest.mark.slow  # tracks videos

BOX = (40, 20, 80, 90)


@pytest.fixture(scope="module")
def shard_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of four videos of two motions and a broken one. In the boxes beside it, each frame has one person."""
    root = tmp_path_factory.mktemp("videos")
    small = GeneratedSettings(motions=("walk", "wave"), scenes=("bricks",), per_pair=2, frames=40, width=128, height=96)
    generated = generate_videos(root, small)
    (root / "broken.mp4").write_bytes((root / generated[0]["path"]).read_bytes()[:3000])
    videos = {Path(row["path"]).stem: (root / row["path"], row["label"]) for row in generated}
    videos["broken"] = (root / "broken.mp4", "fall")
    boxes = {name: [(t, *BOX, 1) for t in range(40)] for name in videos}
    return write_shard(root, "shard", dict(sorted(videos.items())), boxes, 40)[0]


def pictures_of(path: Path) -> dict[str, np.ndarray]:
    """The pictures (H, W, 3) uint8 BGR by their captions."""
    page = ElementTree.fromstring(f"<page>{path.read_text()}</page>")
    pictures = {}
    for figure in page.iter("figure"):
        image, caption = figure.find("img"), figure.find("figcaption")
        assert image is not None and caption is not None and image.get("alt")
        data = base64.b64decode((image.get("src") or "").split(",")[1])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        pictures[" ".join("".join(caption.itertext()).split())] = picture
    return pictures


def test_draw_examples_leaves_out_broken_video(shard_list: Path, tmp_path: Path) -> None:
    draw_examples(shard_list, tmp_path / "examples.html", TrajectoriesSettings())
    pictures = pictures_of(tmp_path / "examples.html")
    assert sorted(caption.split(",")[0] for caption in pictures) == [
        f"{motion} {motion}_bricks_{take:02d}" for motion, take in product(("walk", "wave"), range(2))
    ]
    for caption, picture in pictures.items():
        match = re.fullmatch(r"\w+ \w+, frame 20: (\d+) trajectories", caption)
        assert match and int(match[1]) > 0 and picture.shape == (360, 480, 3)
        blue, green, red = picture.reshape(-1, 3).astype(int).T
        assert ((green > blue + 60) & (green > red + 60)).any()


def test_draw_examples_leaves_out_missing_video(shard_list: Path, tmp_path: Path) -> None:
    rows = read_columns(shard_list)
    missing = rows[-1]["video_id"]
    rows[-1]["path"] += ".gone"
    write_columns(tmp_path / "shard.tsv", rows, [*rows[0]])
    draw_examples(tmp_path / "shard.tsv", tmp_path / "examples.html", TrajectoriesSettings())
    captions = " ".join(pictures_of(tmp_path / "examples.html"))
    assert len(pictures_of(tmp_path / "examples.html")) == 3 and missing not in captions


def test_draw_examples_tints_people(shard_list: Path, tmp_path: Path) -> None:
    draw_examples(shard_list, tmp_path / "examples.html", TrajectoriesSettings(), boxes=shard_list.with_suffix(".h5"))
    draw_examples(shard_list, tmp_path / "plain.html", TrajectoriesSettings())
    pictures, plain = pictures_of(tmp_path / "examples.html"), list(pictures_of(tmp_path / "plain.html").values())
    assert len(pictures) == 4 and all(caption.endswith(", 1 person masked") for caption in pictures)
    zoom = 480 / 128
    x1, y1, x2, y2 = (round(zoom * place) for place in BOX)
    for picture, other in zip(pictures.values(), plain, strict=True):
        blueness = np.subtract(picture[..., 0], picture[..., 2], dtype=int)
        blueness -= np.subtract(other[..., 0], other[..., 2], dtype=int)
        outside = np.ones(blueness.shape, bool)
        outside[y1 - 8 : y2 + 8, x1 - 8 : x2 + 8] = False
        assert np.median(blueness[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8]) > 25 and abs(np.median(blueness[outside])) < 5


def test_in_turn_alternates_classes() -> None:
    settings = TrajectoriesSettings()
    rows = {f"v{i}": {"video_id": f"v{i}", "path": "x", "label": "ab"[i > 15], "bytes": "1"} for i in range(20)}
    order = in_turn({name: _listed(row, settings) for name, row in rows.items()})
    assert sorted(order) == sorted(rows)
    labels = [rows[name]["label"] for name in order]
    assert labels[:8] == list("abababab") and set(labels[8:]) == {"a"}
    assert N_EXAMPLES == 6


def _listed(row: dict[str, str], settings: TrajectoriesSettings) -> Video:
    return Video(row | {"n_frames": "1", "fps": "1", "width": "64", "height": "64", "mtime_ns": "1"}, settings)
