"""Clips of stored frames."""

import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

import idt_tools
from workflow_scripts.frames.clips import FrameStore, resize


@given(
    before=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    after=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 1000),
)
def test_resize_equals_the_bilinear_filter_of_pil(before: tuple[int, int], after: tuple[int, int], seed: int):
    frame = np.random.default_rng(seed).integers(0, 256, (*before, 3), np.uint8)
    expected = np.asarray(Image.fromarray(frame).resize(after, Image.Resampling.BILINEAR))
    for view in (np.s_[:], np.s_[:, ::-1]):  # also a mirrored view
        resized = resize(frame[view], *after)
        assert resized.dtype == np.uint8
        np.testing.assert_allclose(resized.astype(int), expected[view], atol=2)


def test_read_clip_returns_frames_of_the_video(folder):
    store = FrameStore([folder / "shard.h5"])
    assert store.n_frames("wide") == 20 and store.outcome("wide") == ("ok", "")
    decoded = np.stack([resize(frame, 80, 48) for frame in idt_tools.read_video(folder / "wide.mp4")])
    clip = store.read_clip("wide", 3, 6)
    assert clip.shape == (6, 48, 80, 3) and clip.dtype == np.uint8
    differences = [[np.abs(stored.astype(int) - frame).mean() for frame in decoded] for stored in clip]
    assert np.argmin(differences, axis=1).tolist() == [3, 4, 5, 6, 7, 8]
    assert np.min(differences) < 5  # the error of JPEG, with colours at half resolution
    assert store.read_clip("tall", 0, 1).shape == (1, 90, 48, 3)


def test_read_clip_of_a_short_video_starts_again(folder):
    store = FrameStore([folder / "shard.h5"])
    clip = store.read_clip("small", 3, 9)
    whole = store.read_clip("small", 0, 5)
    assert np.array_equal(clip, whole[[3, 4, 0, 1, 2, 3, 4, 0, 1]])
    assert np.array_equal(store.read_clip("small", 1, 4, interval=3), whole[[1, 4, 2, 0]])


def _read_all(paths: list[Path], limit: str) -> subprocess.CompletedProcess[str]:
    """Reads the videos of all files in a process with a `limit` of open files."""
    script = (
        "import sys; from pathlib import Path; from workflow_scripts.frames.clips import FrameStore\n"
        "store = FrameStore([Path(path) for path in sys.argv[1:]])\n"
        "print(len([store.read_clip(name, 0, 2) for name in store.video_ids]))"
    )
    command = f'ulimit {limit}; exec "$@"'
    words = ["bash", "-c", command, "bash", sys.executable, "-c", script, *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.slow
def test_frame_store_opens_more_files_than_the_default_limit(tmp_path):
    """Kinetics has 1,850 shards; the default limit is usually 1,024 open files."""
    paths = [tmp_path / f"{number}.h5" for number in range(150)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            group = file.create_group(f"video{number}")
            jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].ravel()
            group["jpeg"], group["offsets"] = np.tile(jpeg, 2), [0, len(jpeg), 2 * len(jpeg)]
    soft_limit = _read_all(paths, "-S -n 100")
    assert soft_limit.stdout == "150\n", soft_limit.stderr
    hard_limit = _read_all(paths, "-n 100")
    assert hard_limit.returncode != 0
    assert "cannot be read here (Too many open files), but it may be whole" in hard_limit.stderr.splitlines()[-1]


def test_frame_store_has_the_outcome_of_broken_videos(folder):
    store = FrameStore([folder / "shard.h5"])
    assert store.video_ids == ["empty", "small", "tall", "text", "wide"]
    for name in ("text", "empty"):
        status, reason = store.outcome(name)
        assert status == "unreadable" and reason and store.n_frames(name) == 0
        with pytest.raises(ValueError, match=f"video {name} has no frames: unreadable"):
            store.read_clip(name, 0, 4)
    with pytest.raises(KeyError, match="unknown"):
        store.n_frames("unknown")


def test_frame_store_refuses_a_video_in_two_files(folder):
    with pytest.raises(ValueError, match="is in both"):
        FrameStore([folder / "shard.h5", folder / "shard.h5"])


class Clips:
    """A dataset for a DataLoader."""

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
