"""The sizes of datasets and of their subsets."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_videos import write_video

from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.estimate.extrapolate import Size
from workflow_scripts.operations.estimate.survey import SizeOverride, Survey, survey, videos_of_subset
from workflow_scripts.videos.layouts.layout import Listed


@pytest.mark.parametrize(
    ("subset", "videos"),
    [("all", 1000), ("300", 300), ("5000", 1000), ("k400", 250), ("k400:100", 100), ("k400:900", 250)],
)
def test_videos_of_subset_of_a_folder_is_its_share_of_the_headers(subset: str, videos: float) -> None:
    rows = [{"path": f"data/{folder}/dive/{number}.mp4"} for folder in ("k400", "k600", "k700", "x") for number in "ab"]
    assert videos_of_subset(Survey(Size(8, 8, 8), rows, []), Size(1000, 1, 1), subset) == videos


def test_videos_of_subset_of_a_split_is_its_share_of_the_lists_or_all_videos() -> None:
    listed = tuple(Listed("x", splits=((1, part),)) for part in ("train", "train", "test", ""))
    surveyed = Survey(Size(8, 8, 8), [{"path": "x"}], [], listed=listed)
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split1") == 500
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split1:100") == 100
    assert videos_of_subset(surveyed, Size(1000, 1, 1), "split2") == 1000


def test_size_override_replaces_the_numbers_that_are_set() -> None:
    own = Size(10, 3000, 3000 * 1000)
    assert SizeOverride().apply(own) == own
    assert SizeOverride(20).apply(own) == Size(20, 6000, 6000 * 1000)
    assert SizeOverride(235_000, 10, 30, "340x256").apply(own) == Size(235_000, 70_500_000, 70_500_000 * 340 * 256)
    with pytest.raises(StageError, match="340x256"):
        SizeOverride(frame_size="340").apply(own)


def test_survey_of_labelled_videos_does_not_say_that_labels_are_missing(
    config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for label in ("walk", "jump"):
        (tmp_path / "a" / label).mkdir(parents=True)
        for name in ("first.mp4", "second.mp4"):
            write_video(tmp_path / "a" / label / name, np.zeros((5, 48, 64, 3), np.uint8))
    config["datasets"]["a"]["root"] = str(tmp_path / "a")
    with caplog.at_level(logging.INFO):
        surveyed = survey(config, "a")
    assert sorted(row["label"] for row in surveyed.rows) == ["jump", "jump", "walk", "walk"]
    assert surveyed.size.videos == 4
    assert "no label" not in caplog.text and "no splits" not in caplog.text
