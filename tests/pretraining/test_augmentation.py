"""The draws of clips: positions, scales and repeatability."""

from collections import Counter

import numpy as np
import pytest

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.augmentation import (
    CENTRE_AND_CORNERS,
    SCALES,
    Draw,
    cut_square,
    draw_middle,
    draw_test,
    draw_training,
    square,
)


def test_square_positions_of_hara_et_al():
    assert pytest.approx([1, 0.840896, 0.707107, 0.594604, 0.5], abs=1e-6) == SCALES
    assert square(100, 160, 1.0, (0.5, 0.5)) == (0, 30, 100)
    places = {square(100, 160, 0.5, position)[:2] for position in CENTRE_AND_CORNERS}
    assert places == {(25, 55), (0, 0), (0, 110), (50, 0), (50, 110)}


def test_draw_training_depends_on_seed_epoch_and_video_only():
    draws = {
        (seed, epoch, name): draw_training(seed, epoch, name, 40, 16)
        for seed in (0, 1)
        for epoch in (0, 1)
        for name in "ab"
    }
    assert len(set(map(str, draws.values()))) == len(draws)
    assert all(draw_training(*key, 40, 16) == draw for key, draw in draws.items())
    (plain,) = draw_training(0, 0, "a", 40, 16)
    (colored,) = draw_training(0, 0, "a", 40, 16, color=True)
    assert colored.color is not None and plain.color is None
    assert (colored.start, colored.scale, colored.position, colored.flip) == (
        plain.start,
        plain.scale,
        plain.position,
        plain.flip,
    )


def test_draw_training_corner_draws_are_uniform():
    draws = [draw for epoch in range(4000) for draw in draw_training(0, epoch, "a", 20, 16, crop="corner")]
    for values, n in (
        ([draw.start for draw in draws], 5),
        ([draw.scale for draw in draws], len(SCALES)),
        ([draw.position for draw in draws], len(CENTRE_AND_CORNERS)),
        ([draw.flip for draw in draws], 2),
    ):
        counts = Counter(values)
        assert len(counts) == n
        assert all(abs(count - 4000 / n) < 5 * (4000 / n) ** 0.5 for count in counts.values())


def test_draw_training_random_draws_are_uniform():
    draws = [draw for epoch in range(4000) for draw in draw_training(0, epoch, "a", 20, 16)]
    squares = [square(120, 200, 0.5, draw.position) for draw in draws]  # can move by 60 x 140 pixels
    assert all(0 <= top <= 60 and 0 <= left <= 140 and side == 60 for top, left, side in squares)
    cells = Counter((top // 20, left // 35) for top, left, _ in squares)  # 3 x 4 of them
    assert len(cells) == 12 and all(abs(count - 4000 / 12) < 5 * (4000 / 12) ** 0.5 for count in cells.values())
    assert len({draw.scale for draw in draws}) == len(SCALES) and len({draw.start for draw in draws}) == 5


def test_draw_training_n_scales_uses_the_largest():
    draws = [draw for epoch in range(50) for draw in draw_training(0, epoch, "a", 20, 16, n_scales=2)]
    assert {draw.scale for draw in draws} == set(SCALES[:2])


def test_draw_test_clips_are_centre_squares():
    draws = draw_test(0, "a", 100, 16, 5)
    assert len(draws) == 5 and len({draw.start for draw in draws}) > 1
    assert all(draw.scale == 1 and draw.position == (0.5, 0.5) and not draw.flip for draw in draws)
    assert all(0 <= draw.start <= 84 for draw in draws)
    assert {draw.start for draw in draw_test(0, "a", 9, 16, 5)} == {0}


def test_draw_middle_start():
    assert draw_middle("a", 40, 16) == [Draw(start=12)]
    assert draw_middle("a", 9, 16) == [Draw(start=0)]


def test_cut_square_crops_the_drawn_position(frames_files, video_ids):
    store = FrameStore(frames_files)
    frames = store.read_clip(video_ids[0], 2, 4)
    assert np.array_equal(cut_square(store, video_ids[0], Draw(start=2), 4), frames[:, :, 6:46])
    corner = cut_square(store, video_ids[0], Draw(start=2, scale=0.5, position=(1.0, 0.0)), 4)
    assert np.array_equal(corner, frames[:, 20:, :20])
