"""The arithmetic of the estimate: ratios, their intervals, shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.operations.estimate.extrapolate import Size, extrapolate, fitting_shards, shard_line
from workflow_scripts.operations.estimate.pilot import Cost

amounts = st.lists(st.floats(1, 1e6), min_size=1, max_size=60)


@given(amounts, st.floats(1e-6, 1e3), st.floats(1, 1e12))
def test_extrapolate_of_equal_rates_has_no_spread(sizes: list[float], rate: float, total: float) -> None:
    estimate = extrapolate([rate * size for size in sizes], sizes, total)
    assert [estimate.value, estimate.low, estimate.high] == pytest.approx([rate * total] * 3)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(1, 1e6)), min_size=1, max_size=60), st.floats(1, 1e12))
def test_extrapolate_is_proportional_to_the_total(videos: list[tuple[float, float]], total: float) -> None:
    spent, sizes = zip(*videos, strict=True)
    once, twice = (extrapolate(spent, sizes, factor * total) for factor in (1, 2))
    assert [twice.value, twice.low, twice.high] == pytest.approx([2 * once.value, 2 * once.low, 2 * once.high])
    assert once.low <= once.high


def test_extrapolate_has_an_interval_that_covers_the_truth_in_95_percent() -> None:
    """Pilots of 50 from a population with a wide spread of rates: at least 88 of 100 intervals hold the true total."""
    draw = np.random.default_rng(0)
    sizes = draw.uniform(50, 500, 5000)
    spent = sizes * draw.lognormal(0, 0.5, 5000)
    n_covered = 0
    for trial in range(100):
        pilot = draw.choice(5000, 50, replace=False)
        estimate = extrapolate(spent[pilot], sizes[pilot], sizes.sum(), seed=trial)
        n_covered += estimate.low <= spent.sum() <= estimate.high
    assert 88 <= n_covered <= 100


def test_extrapolate_refuses_videos_without_frames() -> None:
    with pytest.raises(ValueError, match="count no frames"):
        extrapolate([1.0], [0.0], 10)


def test_shard_line_grows_with_the_unit_of_the_stage() -> None:
    """Tracking grows with the pixels; stored frames, which have one size, with their number."""
    pilot = [Size(1, 100, 100 * 320 * 240), Size(1, 300, 300 * 320 * 240)]
    costs = [Cost(2, 1000, 500, 10**8), Cost(6, 3000, 1500, 2 * 10**8)]
    of_large = Size(10, 2000, 2000 * 640 * 480)
    tracking = shard_line("trajectories/idt", costs, pilot, of_large)
    frames = shard_line("frames/128", costs, pilot, of_large)
    assert tracking.hours.value == pytest.approx(2000 * 4 * 0.02 / 3600)
    assert (tracking.artifacts.value, frames.artifacts.value) == pytest.approx((2000 * 4 * 10, 2000 * 10))
    assert frames.stores.value == pytest.approx(2000 * 5) and frames.memory == 2e8


@given(st.floats(0.5, 1e4))
def test_fitting_shards_make_jobs_of_the_duration(hours: float) -> None:
    assert 60 * hours / fitting_shards(hours, 30) == pytest.approx(30, rel=0.51)
