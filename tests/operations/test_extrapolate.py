"""The arithmetic of the estimate: ratios, their intervals, shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.estimate.extrapolate import Size, extrapolate, fitting_shards, shard_line
from workflow_scripts.operations.estimate.pilot import Cost
from workflow_scripts.operations.estimate.survey import AsIf, Survey, videos_of_subset
from workflow_scripts.videos.layouts.layout import Listed

amounts = st.lists(st.floats(1, 1e6), min_size=1, max_size=60)


@given(amounts, st.floats(1e-6, 1e3), st.floats(1, 1e12))
def test_where_all_cost_the_same_rate_there_is_no_spread(sizes: list[float], rate: float, total: float) -> None:
    told = extrapolate([rate * size for size in sizes], sizes, total)
    assert [told.value, told.low, told.high] == pytest.approx([rate * total] * 3)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(1, 1e6)), min_size=1, max_size=60), st.floats(1, 1e12))
def test_twice_the_frames_take_twice_the_hours(videos: list[tuple[float, float]], total: float) -> None:
    spent, sizes = zip(*videos, strict=True)
    once, twice = (extrapolate(spent, sizes, factor * total) for factor in (1, 2))
    assert [twice.value, twice.low, twice.high] == pytest.approx([2 * once.value, 2 * once.low, 2 * once.high])
    assert once.low <= once.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Pilots of 50 from a population with a wide spread of rates: at least 88 of 100 intervals hold the true total."""
    draw = np.random.default_rng(0)
    sizes = draw.uniform(50, 500, 5000)
    spent = sizes * draw.lognormal(0, 0.5, 5000)
    held = 0
    for trial in range(100):
        pilot = draw.choice(5000, 50, replace=False)
        told = extrapolate(spent[pilot], sizes[pilot], sizes.sum(), seed=trial)
        held += told.low <= spent.sum() <= told.high
    assert 88 <= held <= 100


@pytest.mark.parametrize(
    ("subset", "videos"),
    [("all", 1000), ("300", 300), ("5000", 1000), ("k400", 250), ("k400:100", 100), ("k400:900", 250)],
)
def test_a_folder_counts_by_its_share_of_the_headers_read(subset: str, videos: float) -> None:
    rows = [{"path": f"data/{folder}/dive/{number}.mp4"} for folder in ("k400", "k600", "k700", "x") for number in "ab"]
    assert videos_of_subset(Survey(Size(8, 8, 8), rows, []), Size(1000, 1, 1), subset) == videos


def test_a_training_part_counts_by_its_share_of_the_lists_or_as_all_where_none_is_drawn_yet() -> None:
    listed = tuple(Listed("x", splits=((1, part),)) for part in ("train", "train", "test", ""))
    surveyed = Survey(Size(8, 8, 8), [{"path": "x"}], [], listed=listed)
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split1") == 500
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split1:100") == 100
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split2") == 1000


def test_videos_without_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        extrapolate([1.0], [0.0], 10)


def test_a_stage_grows_with_what_it_works_on() -> None:
    """Tracking grows with pixels; the frames that are kept, all of one size, with their number."""
    pilot = [Size(1, 100, 100 * 320 * 240), Size(1, 300, 300 * 320 * 240)]
    costs = [Cost(2, 1000, 500, 10**8), Cost(6, 3000, 1500, 2 * 10**8)]
    of_large = Size(10, 2000, 2000 * 640 * 480)
    tracking = shard_line("trajectories/idt", costs, pilot, of_large)
    frames = shard_line("frames/128", costs, pilot, of_large)
    assert tracking.hours.value == pytest.approx(2000 * 4 * 0.02 / 3600)
    assert (tracking.artifacts.value, frames.artifacts.value) == pytest.approx((2000 * 4 * 10, 2000 * 10))
    assert frames.stores.value == pytest.approx(2000 * 5) and frames.memory == 2e8


@given(st.floats(0.5, 1e4))
def test_as_many_shards_as_asked_for_take_so_long(hours: float) -> None:
    assert 60 * hours / fitting_shards(hours, 30) == pytest.approx(30, rel=0.51)


def test_a_size_that_is_asked_about() -> None:
    own = Size(10, 3000, 3000 * 1000)
    assert AsIf().of(own) == own
    assert AsIf(20).of(own) == Size(20, 6000, 6000 * 1000)
    assert AsIf(235_000, 10, 30, "340x256").of(own) == Size(235_000, 70_500_000, 70_500_000 * 340 * 256)
    with pytest.raises(StageError, match="340x256"):
        AsIf(frame_size="340").of(own)
