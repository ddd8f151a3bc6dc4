"""Batches of clips, loaded by this or by other processes."""

import threading
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import Draw, cut_square, draw_test, draw_training
from workflow_scripts.pretraining.dataset import DrawnClips, consecutive, epoch_batches, load_inputs
from workflow_scripts.pretraining.inputs import collate, to_input


@given(st.integers(2, 500), st.integers(2, 64), st.integers(0, 5))
def test_epoch_batches_have_every_video_once_and_similar_sizes(n, batch, epoch):
    batches = epoch_batches(n, batch, 0, epoch)
    sizes = {len(part) for part in batches}
    assert sorted(index for part in batches for index in part) == list(range(n))
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 2
    assert max(sizes) <= max(batch, 3)


def test_epoch_batches_differ_by_epoch_and_seed():
    orders = {str(epoch_batches(50, 10, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@given(st.integers(0, 40), st.integers(1, 12))
def test_consecutive_keeps_the_order(n, batch):
    batches = consecutive(n, batch)
    assert [index for part in batches for index in part] == list(range(n))
    assert all(len(part) == batch for part in batches[:-1])


def test_load_inputs_returns_the_drawn_clips_in_order(frames_files, video_ids):
    clips = DrawnClips(FrameStore(frames_files), video_ids, 8, partial(draw_training, 0, 3, color=True))
    batches = epoch_batches(12, 4, 0, 3)
    loaded = list(load_inputs(clips, batches, 32, torch.device("cpu")))
    assert [batch.shape for batch in loaded] == [(4, 3, 8, 32, 32)] * 3
    expected = to_input(collate(clips[batches[1][2]]), 32)
    torch.testing.assert_close(loaded[1][2:3], expected, rtol=0, atol=1e-3)


def test_drawn_clips_with_an_interval_lie_inside_the_video(frames_files, video_ids):
    """The videos have more frames than a clip spans."""
    store, span = FrameStore(frames_files), 3 * (4 - 1) + 1
    clips = DrawnClips(store, video_ids, 4, partial(draw_test, 0, n_clips=20), frame_interval=3)
    last_starts = set()
    for video_id, drawn in zip(video_ids, (clips[index] for index in range(len(video_ids))), strict=True):
        n_frames = store.n_frames(video_id)
        assert n_frames > span
        whole = cut_square(store, video_id, Draw(start=0), n_frames)
        for square, draw in drawn:
            assert np.array_equal(square, whole[draw.start : draw.start + span : 3])
        last_starts.add(n_frames - span - max(draw.start for _, draw in drawn))
    assert min(last_starts) == 0, "the end of a video is in a clip too"


def test_load_inputs_clips_of_a_video_are_consecutive(frames_files, video_ids):
    clips = DrawnClips(FrameStore(frames_files), video_ids[:3], 4, partial(draw_test, 0, n_clips=5))
    (batch,) = load_inputs(clips, [[2, 0]], 40, torch.device("cpu"))
    assert batch.shape == (10, 3, 4, 40, 40)
    torch.testing.assert_close(batch[5:], to_input(collate(clips[0]), 40), rtol=0, atol=1e-3)


def test_load_inputs_makes_one_batch_ahead(frames_files, video_ids):
    drawn, second_batch = [], threading.Event()

    def draw(video_id, n_frames, span):
        drawn.append(video_id)
        if video_id == video_ids[3]:
            second_batch.set()
        return draw_test(0, video_id, n_frames, span, n_clips=1)

    clips = DrawnClips(FrameStore(frames_files), video_ids, 8, draw)
    batches = load_inputs(clips, consecutive(12, 2), 32, torch.device("cpu"))
    next(batches)
    assert second_batch.wait(timeout=10)
    batches.close()  # waits for the batch that is being made
    assert drawn == video_ids[:4]


def test_load_inputs_error_of_a_batch_reaches_the_training(frames_files):
    clips = DrawnClips(FrameStore(frames_files), ["video00", "unknown"], 8, partial(draw_test, 0, n_clips=1))
    batches = load_inputs(clips, [[0], [1]], 32, torch.device("cpu"))
    next(batches)
    with pytest.raises(KeyError, match="video unknown is in none of the 2 frames files"):
        next(batches)


def test_drawn_clips_in_other_processes_are_the_same(frames_files, video_ids):
    """Loading processes for a GPU open the files again and receive the draws."""
    clips = DrawnClips(FrameStore(frames_files), video_ids, 8, partial(draw_training, 0, 3))
    expected = [clips[index] for index in range(12)]  # opens the files in this process
    loader = torch.utils.data.DataLoader(clips, batch_size=3, num_workers=2, collate_fn=list)
    loaded = [item for batch in loader for item in batch]
    for ours, theirs in zip(expected, loaded, strict=True):
        assert ours[0][1] == theirs[0][1] and np.array_equal(ours[0][0], theirs[0][0])
