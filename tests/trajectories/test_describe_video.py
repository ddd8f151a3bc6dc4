"""The trajectories of one video: frames that `max_side` makes too small."""

import pytest

from idt_tools.tracked import Undescribed
from workflow_scripts.trajectories.describe_video import Video
from workflow_scripts.trajectories.settings import TrajectoriesSettings


def test_trajectories_of_frames_that_max_side_makes_too_small() -> None:
    row = {"path": "v.mp4", "width": "8192", "height": "40", "fps": "25", "bytes": "1", "mtime_ns": "1"}
    for max_side in (100, 1000):
        with pytest.raises(Undescribed, match="tracker needs") as error:
            list(Video(row, TrajectoriesSettings(max_side=max_side)).trajectories())
        assert error.value.status == "too_small" and f"max_side = {max_side}" in error.value.reason
