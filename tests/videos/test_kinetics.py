"""The layout kinetics: the CSV and JSON files of the releases of Kinetics."""

import csv
import json
import os
from pathlib import Path

import pytest
from dataset_files import index_rows, list_official, touch

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts.annotations import annotated_videos
from workflow_scripts.videos.layouts.kinetics import read_videos
from workflow_scripts.videos.settings import DatasetSettings

COLUMNS = "label,youtube_id,time_start,time_end,split"
CLIPS = [  # label, YouTube id, start, end, part; some ids begin with - or _
    ("shooting goal (soccer)", "-3B32lodo2M", 59, 69, "train"),
    ("massaging person's head", "__NrybzYzUg", 415, 425, "train"),
    ("pâtisserie", "abcDEF01234", 0, 10, "validate"),
    ("yoga", "0-QwErTyUi_", 7, 17, "val"),
    ("yoga", "gone-gone-g", 1, 11, "train"),
    ("yoga", "in_the_test", 3, 13, "test"),
]


def _write_csv(path: Path, columns: str = COLUMNS) -> Path:
    names = COLUMNS.split(",")
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns.split(","), extrasaction="ignore", restval="0")
        writer.writeheader()
        writer.writerows(dict(zip(names, row, strict=True)) for row in CLIPS)
    return path


def _write_json(path: Path) -> Path:
    entries = {
        youtube_id: {
            "annotations": {"label": label, "segment": [float(start), float(end)]},
            "duration": 10.0,
            "subset": {"train": "training", "test": "testing"}.get(part, "validation"),
            "url": f"https://www.youtube.com/watch?v={youtube_id}",
        }
        for label, youtube_id, start, end, part in CLIPS
    }
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("release", ["400.csv", "700.csv", "600.json"])
def test_read_kinetics_files_with_and_without_folders(tmp_path: Path, release: str) -> None:
    columns = COLUMNS + (",is_cc" if release == "400.csv" else "")
    file = tmp_path / release
    annotations = _write_json(file) if file.suffix == ".json" else _write_csv(file, columns)
    root = tmp_path / "kinetics"
    touch(root, "train/shooting goal (soccer)/-3B32lodo2M_000059_000069.mp4", "__NrybzYzUg_000415_000425.mkv")
    touch(root, "val/abcDEF01234.webm", "val/0-QwErTyUi_.mp4", "val/0-QwErTyUi__000007_000017.mp4")
    touch(root, "test/in_the_test_000003_000013.mp4", "stray_stray_000000_000010.mp4")
    videos, missing = list_official("kinetics", root, annotations)
    soccer = "train/shooting goal (soccer)/-3B32lodo2M_000059_000069.mp4"
    assert {(video.path, video.label, video.group, *dict(video.splits).values()) for video in videos} == {
        (soccer, "shooting goal (soccer)", "-3B32lodo2M", "train"),
        ("__NrybzYzUg_000415_000425.mkv", "massaging person's head", "__NrybzYzUg", "train"),
        ("val/abcDEF01234.webm", "pâtisserie", "abcDEF01234", "test"),
        ("val/0-QwErTyUi__000007_000017.mp4", "yoga", "0-QwErTyUi_", "test"),
        ("test/in_the_test_000003_000013.mp4", "yoga", "in_the_test"),
    }
    assert [video.names[0] for video in missing] == ["gone-gone-g_000001_000011"]


def test_read_kinetics_folder_with_csv_and_json(tmp_path: Path) -> None:
    _write_json(tmp_path / "train.json")
    videos_of_json = annotated_videos(tmp_path, read_videos)
    _write_csv(tmp_path / "all.csv")
    assert annotated_videos(tmp_path, read_videos) == videos_of_json and len(videos_of_json) == len(CLIPS)


def test_read_kinetics_clip_in_two_releases(tmp_path: Path) -> None:
    header = COLUMNS + "\n"
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    (annotations / "kinetics400.csv").write_text(header + "run,in_both____,0,10,train\nrun,in_400_____,0,10,train\n")
    (annotations / "kinetics600.csv").write_text(
        header + "running,in_both____,0,10,val\nwalk,in_600_____,0,10,train\nwalk,in_both____,20,30,train\n"
    )
    root = tmp_path / "root"
    touch(root, "kinetics600/train/running/in_both_____000000_000010.mp4")
    touch(root, "kinetics400/run/in_both_____000000_000010.mp4", "kinetics400/run/in_400______000000_000010.mp4")
    touch(root, "kinetics600/train/walk/in_both_____000020_000030.mp4", "kinetics600/train/walk/in_600_____.mp4")
    videos, missing = list_official("kinetics", root, annotations)
    assert missing == []
    assert {(video.path, video.label, *dict(video.splits).values()) for video in videos} == {
        ("kinetics400/run/in_both_____000000_000010.mp4", "run", "train"),
        ("kinetics400/run/in_400______000000_000010.mp4", "run", "train"),
        ("kinetics600/train/walk/in_both_____000020_000030.mp4", "walk", "train"),
        ("kinetics600/train/walk/in_600_____.mp4", "walk", "train"),
    }


def test_read_kinetics_two_clips_of_one_video(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(COLUMNS + "\nrun,abcdefghijk,0,10,train\nwalk,abcdefghijk,20,30,train\n")
    touch(tmp_path, "abcdefghijk_000020_000030.mp4", "abcdefghijk_000000_000010.mp4")
    videos, missing = list_official("kinetics", tmp_path, tmp_path / "a.csv")
    assert missing == [] and [video.label for video in videos] == ["run", "walk"]


NOT_A_RELEASE = r"a.json: it is not the JSON of a Kinetics release"


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("readme.md", "", r"it holds no \*.csv or \*.json file"),
        (
            "a.csv",
            "label,id\n",
            r"a.csv: .* must name the columns `time_end`, `time_start`, `youtube_id`; it names label, id",
        ),
        ("a.csv", "youtube_id,time_start,time_end\nx,one,2\n", r"a.csv, line 2: time_start and time_end"),
        ("a.csv", "youtube_id,time_start,time_end\nx,1,2\nx,inf,2\n", r"a.csv, line 3: .* not 'inf' and '2'"),
        ("a.csv", "youtube_id,time_start,time_end\nx,1,nan\n", r"a.csv, line 2: .* not '1' and 'nan'"),
        ("a.csv", "youtube_id,time_start,time_end\nx,1,2\n", r": no video in the annotations has a label"),
        ("a.json", '{"x": {"annotations": {"segment": [Infinity, 1]}}}', NOT_A_RELEASE),
        ("a.json", "[" * 100000, NOT_A_RELEASE),
        ("a.json", "[]", NOT_A_RELEASE),
        ("a.json", '{"x": {"annotations": {}}}', NOT_A_RELEASE),
    ],
)
def test_read_kinetics_malformed_files(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text, encoding="latin-1")
    with pytest.raises(StageError, match=message) as error:
        annotated_videos(tmp_path, read_videos)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("kind", ["huge", "pipe"])
def test_read_kinetics_json_huge_or_a_pipe(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.json"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 2**40)  # sparse: it takes no space
    with pytest.raises(StageError, match=NOT_A_RELEASE + r" .* bytes, not 1 to"):
        annotated_videos(tmp_path, read_videos)


def test_read_kinetics_ignores_hidden_files_of_a_mac(shared: Path) -> None:
    folder = shared / "videos" / "reported" / "appledouble_annotations" / "kinetics"
    videos = annotated_videos(folder, read_videos)
    assert {video.label for video in videos} == {"playing guitar", "archery", "tasting, food"}
    assert any((1, "test") in video.splits for video in videos)


def test_index_videos_of_the_training_part_of_kinetics(shared: Path, tmp_path: Path) -> None:
    """There are no splits. missing.tsv is removed if no video is missing any more."""
    samples, annotations = shared / "videos" / "samples", tmp_path / "train.csv"
    present = "making pancakes,flipping_a_pancake,0,10,train\n"
    settings = DatasetSettings("kinetics", str(samples), annotations=str(annotations))
    annotations.write_text(COLUMNS + "\n" + present + "yoga,gone_gone_g,0,10,train\n")
    assert len(index_rows(tmp_path / "results", settings)) == 1
    assert read_columns(tmp_path / "results" / "splits.tsv") == []
    assert len(read_columns(tmp_path / "results" / "missing.tsv")) == 1
    annotations.write_text(COLUMNS + "\n" + present)
    assert len(index_rows(tmp_path / "results", settings)) == 1
    assert not (tmp_path / "results" / "missing.tsv").exists()
