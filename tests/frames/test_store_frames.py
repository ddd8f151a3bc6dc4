"""Frames kept for training and read back: against the decoded video, and for videos that are short or broken."""

import pickle
import subprocess
import sys
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

import idt_tools
from idt_tools.attributes import read_attributes
from workflow_scripts.frames.clips import FrameStore, resize
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, store_frames, stored_size
from workflow_scripts.ground.artifacts import write_columns

SETTINGS = FramesSettings(short_side=48, jpeg_quality=95)


def write_video(path: Path, n_frames: int, width: int, height: int) -> None:
    """A smooth texture that drifts, so that every frame differs and JPEG keeps it well."""
    texture = cv2.GaussianBlur(np.random.default_rng(n_frames).random((height, width, 3)), (0, 0), 4)
    texture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 4_000_000
        for t in range(n_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(texture, 5 * t, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
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


def test_stored_size_has_the_short_side_and_the_aspect_ratio():
    assert stored_size(160, 96, 48) == (80, 48)
    assert stored_size(64, 120, 48) == (48, 90)
    assert stored_size(40, 32, 48) == (60, 48)  # small videos are enlarged
    assert stored_size(100, 100, 48) == (48, 48)


@given(
    before=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    after=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 1000),
)
def test_resize_equals_the_bilinear_filter_of_pil(before: tuple[int, int], after: tuple[int, int], seed: int):
    frame = np.random.default_rng(seed).integers(0, 256, (*before, 3), np.uint8)
    expected = np.asarray(Image.fromarray(frame).resize(after, Image.Resampling.BILINEAR))
    for given_frame, wanted in ((frame, expected), (frame[:, ::-1], expected[:, ::-1])):  # a mirrored view, too
        resized = resize(given_frame, *after)
        assert resized.dtype == np.uint8
        np.testing.assert_allclose(resized.astype(int), wanted, atol=1)


def test_read_clip_returns_frames_of_the_video(folder):
    store = FrameStore([folder / "shard.h5"])
    assert store.n_frames("wide") == 20 and store.outcome("wide") == ("ok", "")
    decoded = np.stack([resize(frame, 80, 48) for frame in idt_tools.read_video(folder / "wide.mp4")])
    clip = store.read_clip("wide", 3, 6)
    assert clip.shape == (6, 48, 80, 3) and clip.dtype == np.uint8
    differences = [[np.abs(mine.astype(int) - frame).mean() for frame in decoded] for mine in clip]
    assert np.argmin(differences, axis=1).tolist() == [3, 4, 5, 6, 7, 8]
    assert np.min(differences) < 5  # what JPEG costs, colours at half resolution
    assert store.read_clip("tall", 0, 1).shape == (1, 90, 48, 3)


def test_read_clip_of_a_short_video_starts_again(folder):
    store = FrameStore([folder / "shard.h5"])
    clip = store.read_clip("small", 3, 9)
    whole = store.read_clip("small", 0, 5)
    assert np.array_equal(clip, whole[[3, 4, 0, 1, 2, 3, 4, 0, 1]])


def _read_all(paths: list[Path], limit: str) -> subprocess.CompletedProcess[str]:
    """All of the files' videos read in a process of its own, which may hold `limit` files open."""
    script = (
        "import sys; from pathlib import Path; from workflow_scripts.frames.clips import FrameStore\n"
        "store = FrameStore([Path(path) for path in sys.argv[1:]])\n"
        "print(len([store.read_clip(name, 0, 2) for name in store.video_ids]))"
    )
    command = f'ulimit {limit}; exec "$@"'
    words = ["bash", "-c", command, "bash", sys.executable, "-c", script, *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True)


def test_frame_store_opens_more_files_than_the_default_limit(tmp_path):
    """Kinetics has 1,850 shards, and a process may usually hold 1,024 files open until it asks for more."""
    paths = [tmp_path / f"{number}.h5" for number in range(150)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            group = file.create_group(f"video{number}")
            jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].ravel()
            group["jpeg"], group["offsets"] = np.tile(jpeg, 2), [0, len(jpeg), 2 * len(jpeg)]
    softly = _read_all(paths, "-S -n 100")
    assert softly.stdout == "150\n", softly.stderr
    hard = _read_all(paths, "-n 100")
    assert hard.returncode != 0
    assert "cannot be read here (Too many open files), but it may be whole" in hard.stderr.splitlines()[-1]


def test_frame_store_has_the_outcome_of_broken_videos(folder):
    store = FrameStore([folder / "shard.h5"])
    assert store.video_ids == ["empty", "small", "tall", "text", "wide"]
    for name in ("text", "empty"):
        status, reason = store.outcome(name)
        assert status == "unreadable" and reason and store.n_frames(name) == 0
        with pytest.raises(ValueError, match=f"video {name} has no frames: unreadable"):
            store.read_clip(name, 0, 4)
    with pytest.raises(KeyError, match="nobody"):
        store.n_frames("nobody")


def test_store_frames_describes_its_file(folder):
    with h5py.File(folder / "shard.h5") as file:
        told = read_attributes(file)
        assert told["stage"] == "frames" and '"short_side": 48' in told["parameters"]
        group = file["wide"]
        assert (group.attrs["width"], group.attrs["height"], group.attrs["fps"]) == (80, 48, 25)
        assert group["jpeg"].fletcher32 and group["offsets"].attrs["meaning"]
        assert group["offsets"][-1] == len(group["jpeg"])


def test_store_frames_does_not_decode_stored_videos_again(folder, tmp_path, caplog):
    caplog.set_level("DEBUG")
    store_frames(folder / "shard.tsv", tmp_path / "again.h5", folder / "store", SETTINGS)
    assert "computed" not in caplog.text
    assert (tmp_path / "again.h5").read_bytes() == (folder / "shard.h5").read_bytes()


def test_frame_store_refuses_a_video_in_two_files(folder):
    with pytest.raises(ValueError, match="is in both"):
        FrameStore([folder / "shard.h5", folder / "shard.h5"])


class Clips:
    """What a DataLoader asks of a dataset."""

    def __init__(self, store: FrameStore) -> None:
        self.store = store
        self.names = ["wide", "tall", "small"] * 4

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.store.read_clip(self.names[index], 0, 3)


def test_frame_store_in_workers_of_a_data_loader(folder):
    store = FrameStore([folder / "shard.h5"])
    expected = [store.read_clip(name, 0, 3) for name in ("wide", "tall", "small")]  # opened here, before the fork
    loaded = list(DataLoader(Clips(store), batch_size=None, num_workers=2, collate_fn=np.asarray))
    assert all(np.array_equal(clip, expected[n % 3]) for n, clip in enumerate(loaded))
    copy = pickle.loads(pickle.dumps(store))
    assert np.array_equal(copy.read_clip("wide", 0, 3), expected[0])


def test_encode_frames_of_too_large_frames_has_a_status() -> None:
    result = encode_frames([np.zeros((2, 1000, 3), np.uint8)], FramesSettings(short_side=240))
    assert result.status == "too_large" and "120000x240" in result.reason
    assert encode_frames([np.zeros((8, 1000, 3), np.uint8)], FramesSettings(short_side=240)).status == "ok"
