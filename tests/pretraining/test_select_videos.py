"""Which videos every run trains on."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import write_frames
from workflow_scripts.ground.artifacts import read_columns, write_columns, write_json
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.select_videos import select_videos
from workflow_scripts.pretraining.settings import check_clusters


@pytest.fixture
def inputs(tmp_path):
    """Eight listed videos: v1 has no frames, v2 no sketch by one of two descriptors; v7 is not listed."""
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


def test_unusable_videos_are_left_out_and_named(inputs, caplog):
    caplog.set_level("INFO")
    assert selected(inputs) == ["v0", "v3", "v4", "v5", "v6"]
    assert "left out: v1, frames truncated: 1 of 9" in caplog.text
    assert "left out: v2, sketch no_trajectories: still" in caplog.text
    assert "n_in 7, n_ok 5, n_failed 2" in caplog.text


def test_without_sketches_frames_alone_decide(inputs):
    assert selected(inputs, encodings=[]) == ["v0", "v2", "v3", "v4", "v5", "v6"]


def test_a_subset_is_drawn_by_seed_and_nested(inputs):
    two, three = selected(inputs, subset="2"), selected(inputs, subset="3")
    assert set(two) < set(three) and three == sorted(three)
    assert len({str(selected(inputs, subset="3", seed=seed)) for seed in range(8)}) > 1


def test_a_subset_is_a_folder_or_a_number_of_its_videos(inputs):
    assert selected(inputs, subset="run") == ["v0", "v3", "v4", "v5", "v6"]
    assert selected(inputs, subset="kinetics400") == ["v0", "v3", "v4"]
    assert selected(inputs, subset="kinetics600") == ["v5", "v6"]
    two = selected(inputs, subset="kinetics400:2")
    assert len(two) == 2 and set(two) < {"v0", "v3", "v4"}


def test_a_folder_counts_below_the_root_alone(inputs, tmp_path):
    """/data/kinetics400/kinetics600/x.mp4 is not of kinetics400 where /data/kinetics400 is the root."""
    assert selected(inputs, subset="run", root=Path("kinetics400")) == ["v0", "v3", "v4"]
    with pytest.raises(StageError, match="no usable video is in a folder 'kinetics400' below kinetics400"):
        selected(inputs, subset="kinetics400", root=Path("kinetics400"))


def test_a_subset_is_the_training_part_of_a_split_or_a_number_of_its_videos(inputs, tmp_path):
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
    "subset, sentence",
    [
        ("0", "there are 5 usable videos"),
        ("6", "there are 5 usable videos"),
        ("run:6", "there are 5 usable videos"),
        ("v3", "no usable video is in a folder 'v3'"),
        ("ru", "no usable video is in a folder 'ru'"),
    ],
)
def test_an_impossible_subset_is_refused(inputs, subset, sentence):
    with pytest.raises(StageError, match=sentence):
        selected(inputs, subset=subset)


def test_lists_and_frames_of_different_videos_are_refused(inputs, tmp_path):
    write_columns(tmp_path / "more.tsv", [{"video_id": "v9", "label": "", "path": ""}], ["video_id", "label", "path"])
    with pytest.raises(StageError, match=r"1 of the .* videos are in no frames file"):
        selected(inputs, videos=[*inputs["videos"], tmp_path / "more.tsv"])


def test_too_many_left_out_stop_the_run(inputs):
    with pytest.raises(StageError, match="2 of 7 videos"):
        selected(inputs, max_failed_fraction=0.2)


@pytest.mark.parametrize(
    ("subset", "n_videos"), [("all", 40), (30, 30), (90, 40), ("k400", 20), ("k400:12", 12), ("split2", 10)]
)
def test_too_many_clusters_of_a_subset_are_refused_before_anything_is_trained(tmp_path, subset, n_videos):
    rows = [{"video_id": str(n), "path": f"data/k{400 + 200 * (n % 2)}/{n}.mp4", "status": "ok"} for n in range(40)]
    lost = [{"video_id": f"lost{n}", "path": f"data/k400/lost{n}.mp4", "status": "corrupted"} for n in range(9)]
    write_columns(tmp_path / "index.tsv", rows + lost, ["video_id", "path", "status"])
    write_json(tmp_path / "totals.json", {"videos": len(rows)})
    splits = [{"split": s, "part": "train" if n < 15 - 5 * (s == 2) else "test"} for s in (1, 2) for n in range(40)]
    write_columns(tmp_path / "splits.tsv", splits, ["split", "part"])
    most = (n_videos - 1) // 2
    check_clusters({"subset": subset, "k": most}, tmp_path, "data")
    with pytest.raises(StageError, match=f"k = {most + 1} is too large for {n_videos} videos"):
        check_clusters({"subset": subset, "k": most + 1}, tmp_path, "data")


def test_damaged_totals_are_told_and_not_counted(tmp_path):
    write_json(tmp_path / "totals.json", {"videos": 40})
    (tmp_path / "totals.json").write_text('{"videos": 90}')
    with pytest.raises(StageError, match=r"totals\.json .*damaged or was edited"):
        check_clusters({"subset": "all", "k": 30}, tmp_path, "data")
