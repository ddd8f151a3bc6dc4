"""Clips as the paper cuts them: positions, scales, repeatable draws, the range that the network sees."""

from collections import Counter

import numpy as np
import pytest
import torch

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import (
    MEAN,
    POSITIONS,
    SCALES,
    Color,
    Draw,
    change_color,
    cut_clip,
    draw_test,
    draw_training,
    square,
    to_input,
)


def test_scales_and_positions_are_those_of_hara_et_al():
    assert pytest.approx([1, 0.840896, 0.707107, 0.594604, 0.5], abs=1e-6) == SCALES
    assert square(100, 160, 1.0, "centre") == (0, 30, 100)
    assert square(100, 160, 0.5, "centre") == (25, 55, 50)
    assert square(100, 160, 0.5, "top left") == (0, 0, 50)
    assert square(100, 160, 0.5, "bottom right") == (50, 110, 50)


def test_draws_depend_on_seed_epoch_and_video_alone():
    draws = {
        (seed, epoch, name): draw_training(seed, epoch, name, 40, 16)
        for seed in (0, 1)
        for epoch in (0, 1)
        for name in "ab"
    }
    assert len(set(map(str, draws.values()))) == len(draws)
    assert all(draw_training(*key, 40, 16) == draw for key, draw in draws.items())
    plain = draw_training(0, 0, "a", 40, 16)
    colored = draw_training(0, 0, "a", 40, 16, color=True)
    assert colored.color is not None and plain.color is None
    assert (colored.start, colored.scale, colored.position, colored.flip) == (
        plain.start,
        plain.scale,
        plain.position,
        plain.flip,
    )


def test_every_start_scale_position_and_side_is_drawn_equally_often():
    draws = [draw_training(0, epoch, "a", 20, 16) for epoch in range(4000)]
    for values, n in (
        ([draw.start for draw in draws], 5),
        ([draw.scale for draw in draws], len(SCALES)),
        ([draw.position for draw in draws], len(POSITIONS)),
        ([draw.flip for draw in draws], 2),
    ):
        counts = Counter(values)
        assert len(counts) == n
        assert all(abs(count - 4000 / n) < 5 * (4000 / n) ** 0.5 for count in counts.values())


def test_fewer_scales_are_the_larger_ones():
    assert {draw_training(0, epoch, "a", 20, 16, scales=2).scale for epoch in range(50)} == set(SCALES[:2])


def test_test_clips_are_centre_squares_of_random_times():
    draws = draw_test(0, "a", 100, 16, 5)
    assert len(draws) == 5 and len({draw.start for draw in draws}) > 1
    assert all(draw.scale == 1 and draw.position == "centre" and not draw.flip for draw in draws)
    assert all(0 <= draw.start <= 84 for draw in draws)
    assert {draw.start for draw in draw_test(0, "a", 9, 16, 5)} == {0}


def test_clip_is_the_drawn_square_resized(frames_files, video_ids):
    store = FrameStore(frames_files)
    frames = store.read_clip(video_ids[0], 2, 4)
    whole = cut_clip(store, video_ids[0], Draw(start=2), 4, 40)
    assert whole.shape == (4, 40, 40, 3)
    assert np.array_equal(whole, frames[:, :, 6:46])
    assert np.array_equal(cut_clip(store, video_ids[0], Draw(start=2, flip=True), 4, 40), whole[:, :, ::-1])
    corner = cut_clip(store, video_ids[0], Draw(start=2, scale=0.5, position="bottom left"), 4, 20)
    assert np.array_equal(corner, frames[:, 20:, :20])


def test_network_sees_0_to_255_minus_the_mean():
    clips = torch.zeros(2, 3, 4, 4, 3, dtype=torch.uint8)
    clips[..., 1] = 255
    values = to_input(clips)
    assert values.shape == (2, 3, 3, 4, 4) and values.dtype == torch.float32
    assert values[0, :, 0, 0, 0].tolist() == pytest.approx([-MEAN[0], 255 - MEAN[1], -MEAN[2]])
    assert values.is_contiguous(memory_format=torch.channels_last_3d)


def test_color_changes_are_alike_in_all_frames_and_can_be_none():
    clip = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    clip[1:] = clip[0]
    same = change_color(clip, Color(False, 1, 1, 1, 0))
    assert np.abs(same.astype(int) - clip).max() <= 2
    changed = change_color(clip, Color(False, 1.2, 0.7, 1.3, 0.2))
    assert np.array_equal(changed[0], changed[2]) and not np.array_equal(changed, clip)
    grey = change_color(clip, Color(True, 1, 1, 1, 0))
    assert np.ptp(grey.astype(int), axis=3).max() <= 1
