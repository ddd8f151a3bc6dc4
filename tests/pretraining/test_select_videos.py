"""The selection of training videos."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import write_frames
from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.select_videos import select_videos


@pytest.fixture
def inputs(tmp_path):
    """Seven listed videos and v7. v1 has no frames, and v2 no sketch by one of two descriptors."""
    names = [f"v{number}" for number in range(8)]
    write_columns(
        tmp_path / "list.tsv",
        [{"video_id": n, "label": n.upper(), "path": f"kinetics{400 if n < 'v5' else 600}/run/{n}"} for n in names[:7]],
        ["video_id", "label", "path"],
    )
    arrays = {"jpeg": np.zeros(3, np.uint8), "offsets": np.array([0, 3])}
    size = {"width": 8, "height": 8, "n_frames": 1}
    results = {name: Result(arrays=arrays, attributes=size) for name in names}
    results["v1"] = Result("truncated", "1 of 9 frames could be decoded")
    write_frames(tmp_path / "frames.h5", FramesSettings(), "x", results.items(), dict.fromkeys(names, 25.0))
    for feature in ("idt", "idt_nodet"):
        with h5py.File(tmp_path / f"{feature}.h5", "w") as file:
            status = ["no_trajectories" if name == "v2" and feature == "idt" else "ok" for name in names]
            for column, values in (("video_id", names), ("status", status), ("reason", ["still"] * 8)):
                file.create_dataset(column, data=values, dtype=h5py.string_dtype())
    return {
        "videos": [tmp_path / "list.tsv"],
        "frames": [tmp_path / "frames.h5"],
        "encodings": [tmp_path / "idt.h5", tmp_path / "idt_nodet.h5"],
        "output": tmp_path / "all.tsv",
        "subset": "all",
        "seed": 0,
    }


def selected(inputs, **changed) -> list[str]:
    select_videos(**{**inputs, **changed})
    rows = read_columns(inputs["output"])
    assert all(row["label"] == row["video_id"].upper() for row in rows)
    return [row["video_id"] for row in rows]


def test_select_videos_logs_unusable_videos(inputs, caplog):
    caplog.set_level("INFO")
    assert selected(inputs) == ["v0", "v3", "v4", "v5", "v6"]
    assert "left out: v1, frames truncated: 1 of 9" in caplog.text
    assert "left out: v2, sketch no_trajectories: still" in caplog.text
    assert "n_in 7, n_ok 5, n_failed 2" in caplog.text


def test_select_videos_without_encodings(inputs):
    assert selected(inputs, encodings=[]) == ["v0", "v2", "v3", "v4", "v5", "v6"]


def test_select_videos_number_is_drawn_by_seed_and_nested(inputs):
    two, three = selected(inputs, subset="2"), selected(inputs, subset="3")
    assert set(two) < set(three) and three == sorted(three)
    assert len({str(selected(inputs, subset="3", seed=seed)) for seed in range(8)}) > 1


def test_select_videos_folder(inputs):
    assert selected(inputs, subset="run") == ["v0", "v3", "v4", "v5", "v6"]
    assert selected(inputs, subset="kinetics400") == ["v0", "v3", "v4"]
    assert selected(inputs, subset="kinetics600") == ["v5", "v6"]
    two = selected(inputs, subset="kinetics400:2")
    assert len(two) == 2 and set(two) < {"v0", "v3", "v4"}


def test_select_videos_folder_above_the_root_does_not_count(inputs, tmp_path):
    """/data/kinetics400/kinetics600/x.mp4 is not in kinetics400 if /data/kinetics400 is the root."""
    assert selected(inputs, subset="run", root=Path("kinetics400")) == ["v0", "v3", "v4"]
    with pytest.raises(StageError, match="no usable video is in a folder 'kinetics400' below kinetics400"):
        selected(inputs, subset="kinetics400", root=Path("kinetics400"))


def test_select_videos_split(inputs, tmp_path):
    splits = tmp_path / "splits.tsv"
    parts = {"1": ["v0", "v1", "v3", "v5"], "2": ["v6"]}  # v1 has no frames
    rows = [
        {"split": split, "video_id": f"v{number}", "part": "train" if f"v{number}" in trained else "test"}
        for split, trained in parts.items()
        for number in range(7)
    ]
    write_columns(splits, rows, ["split", "video_id", "part"])
    assert selected(inputs, subset="split1", splits=splits) == ["v0", "v3", "v5"]
    assert selected(inputs, subset="split2", splits=splits) == ["v6"]
    two = selected(inputs, subset="split1:2", splits=splits)
    assert len(two) == 2 and set(two) < {"v0", "v3", "v5"}
    with pytest.raises(StageError, match=r"'split3': .*splits.tsv has the splits 1, 2; name one of them"):
        selected(inputs, subset="split3", splits=splits)


@pytest.mark.parametrize(
    "subset, message",
    [
        ("0", "there are 5 usable videos"),
        ("6", "there are 5 usable videos"),
        ("run:6", "there are 5 usable videos"),
        ("v3", "no usable video is in a folder 'v3'"),
        ("ru", "no usable video is in a folder 'ru'"),
    ],
)
def test_select_videos_impossible_subset_is_an_error(inputs, subset, message):
    with pytest.raises(StageError, match=message):
        selected(inputs, subset=subset)


def test_select_videos_without_frames_is_an_error(inputs, tmp_path):
    write_columns(tmp_path / "more.tsv", [{"video_id": "v9", "label": "", "path": ""}], ["video_id", "label", "path"])
    with pytest.raises(StageError, match=r"1 of the .* videos are in no frames file"):
        selected(inputs, videos=[*inputs["videos"], tmp_path / "more.tsv"])


def test_select_videos_too_many_unusable_is_an_error(inputs):
    with pytest.raises(StageError, match="2 of 7 videos"):
        selected(inputs, max_failed_fraction=0.2)
