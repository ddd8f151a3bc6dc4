"""The remarks on an estimate."""

import pytest

from workflow_scripts.operations.estimate.cost_table import remarks
from workflow_scripts.operations.estimate.extrapolate import Line, Range


@pytest.mark.parametrize(
    ("hours", "advice"),
    [(0.05, "It takes 3 min of one core, so a shard per core is enough."), (20.0, "20 to 80 shards")],
)
def test_remarks_advise_shards_that_suit_the_longest_stage(hours: float, advice: str) -> None:
    nothing = Range.exactly(0)
    line = Line("trajectories", "idt", Range.exactly(hours), nothing, nothing, 0, jobs=4, keep="all")
    assert any(advice in sentence for sentence in remarks([line], 2, 3))
