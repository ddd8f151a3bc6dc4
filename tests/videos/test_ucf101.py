"""The layout ucf101: the official files of UCF101."""

from collections import Counter
from pathlib import Path

import pytest
from dataset_files import index_rows, list_official, touch

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts.annotations import annotated_videos
from workflow_scripts.videos.layouts.ucf101 import read_videos
from workflow_scripts.videos.settings import DatasetSettings


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    """The folder of split files, with the line ends of Windows as in the distributed files."""
    folder = tmp_path / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 ApplyEyeMakeup\r\n37 HandstandPushups\r\n")
    train_lines = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
        "HandstandPushups/v_HandStandPushups_g09_c02.avi 37",
    ]
    test_lines = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"]
    (folder / "trainlist01.txt").write_text("\r\n".join([*train_lines, ""]))
    (folder / "testlist01.txt").write_text("\r\n".join([*test_lines, ""]))
    (folder / "trainlist02.txt").write_text("\r\n".join([test_lines[0] + " 1", train_lines[1], ""]))
    (folder / "testlist02.txt").write_text("\r\n".join([train_lines[0].removesuffix(" 1"), test_lines[1]]))
    return folder


def test_read_ucf101_labels_groups_and_splits(ucf101: Path, tmp_path: Path) -> None:
    root = tmp_path / "UCF-101"
    touch(root, "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi")
    touch(root, "HandstandPushups/v_HandStandPushups_g01_c01.avi", "ApplyEyeMakeup/v_ApplyEyeMakeup_g25_c01.avi")
    videos, missing = list_official("ucf101", root, ucf101)
    assert [(video.path, video.label, video.group) for video in videos] == [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "ApplyEyeMakeup", "g01"),
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup", "g08"),
        ("HandstandPushups/v_HandStandPushups_g01_c01.avi", "HandstandPushups", "g01"),
    ]
    assert [dict(video.splits) for video in videos] == [
        {1: "test", 2: "train"},
        {1: "train", 2: "test"},
        {1: "test", 2: "test"},
    ]
    assert [video.names for video in missing] == [("v_HandStandPushups_g09_c02",)]


@pytest.mark.parametrize("path", ["v_HandstandPushups_g09_c02.mp4", "HandStandPushups/v_HandstandPushups_g09_c02.avi"])
def test_read_ucf101_converted_or_renamed_files(ucf101: Path, tmp_path: Path, path: str) -> None:
    touch(tmp_path / "videos", path)
    videos, missing = list_official("ucf101", tmp_path / "videos", ucf101)
    assert [(video.path, video.label) for video in videos] == [(path, "HandstandPushups")] and len(missing) == 3


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("notes.txt", "", r"it holds no split files \(trainlist01.txt, ...\)"),
        ("trainlist01.txt", "\nv_ApplyEyeMakeup_g01_c01.avi 1\n", r"trainlist01.txt, line 2: 'v_ApplyEye"),
        ("trainlist01.txt", "a/v_a_g01_c01.avi 1\nb/\xff.avi 2\n", r"trainlist01.txt, line 2: .* not UTF-8"),
    ],
)
def test_read_ucf101_malformed_lists(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text, encoding="latin-1")
    with pytest.raises(StageError, match=message) as error:
        annotated_videos(tmp_path, read_videos)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_read_ucf101_contradicting_lists(ucf101: Path) -> None:
    with open(ucf101 / "trainlist01.txt", "a") as file:
        file.write("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1\n")
    with pytest.raises(StageError, match=r"trainlist01.txt, line 3: .* into train, another line into test"):
        annotated_videos(ucf101, read_videos)


def test_read_ucf101_without_any_video_file(ucf101: Path, tmp_path: Path) -> None:
    touch(tmp_path / "root", "other.avi")
    with pytest.raises(StageError, match=r"no video that the annotations name is in .*/root; give another root"):
        list_official("ucf101", tmp_path / "root", ucf101)


def test_read_ucf101_real_clips_and_lists(shared: Path, tmp_path: Path) -> None:
    """Three classes have 25 recordings of 3 clips each; each split has 162 training clips and 63 test clips."""
    folder = shared / "videos" / "ucf101_subset"
    clips = {path.relative_to(folder / "videos").as_posix() for path in (folder / "videos").glob("*/*.avi")}
    expected = {
        (str(number), Path(clip).stem): (part, clip.split("/")[0], f"{clip.split('/')[0]} {Path(clip).stem[-7:-4]}")
        for number in (1, 2, 3)
        for part in ("train", "test")
        for line in (folder / "ucfTrainTestlist" / f"{part}list0{number}.txt").read_text().splitlines()
        if (clip := line.split()[0] if line.split() else "") in clips
    }
    settings = DatasetSettings("ucf101", str(folder / "videos"), annotations=str(folder / "ucfTrainTestlist"))
    names = {row["video_id"]: Path(row["path"]).stem for row in index_rows(tmp_path, settings)}
    rows = read_columns(tmp_path / "splits.tsv")
    assert {
        (row["split"], names[row["video_id"]]): (row["part"], row["label"], row["group"]) for row in rows
    } == expected
    assert Counter((row["split"], row["part"]) for row in rows) == {
        (split, part): number for split in "123" for part, number in (("train", 162), ("test", 63))
    }
    assert Counter(row["group"] for row in rows if row["split"] == "1") == dict.fromkeys(
        {row["group"] for row in rows}, 3
    )
    assert len({row["group"] for row in rows}) == 75
    # In this dataset, no recording is in both parts.
    assert not {row["group"] for row in rows if (row["split"], row["part"]) == ("1", "train")} & {
        row["group"] for row in rows if (row["split"], row["part"]) == ("1", "test")
    }
    missing = read_columns(tmp_path / "missing.tsv")
    assert len(missing) + len(clips) == 13320


def test_index_videos_with_missing_ucf101_videos(shared: Path, tmp_path: Path) -> None:
    samples = shared / "videos" / "samples"
    names = sorted(path.stem for path in samples.glob("v_*.avi"))
    (tmp_path / "trainlist01.txt").write_text(f"Bowling/{names[2]}.avi 1\nIceDancing/{names[3]}.avi 2\n")
    missing_lines = "".join(f"Surfing/v_Surfing_g01_c0{number}.avi\n" for number in range(9))
    (tmp_path / "testlist01.txt").write_text(f"ApplyEyeMakeup/{names[0]}.avi\n{missing_lines}")
    settings = DatasetSettings("ucf101", str(samples), annotations=str(tmp_path), splits="official")
    rows = index_rows(tmp_path / "results", settings)
    assert [Path(row["path"]).stem for row in sorted(rows, key=lambda row: row["path"])] == [names[0], *names[2:]]
    assert {row["status"] for row in rows} == {"ok"}
    parts = {row["label"]: row["part"] for row in read_columns(tmp_path / "results" / "splits.tsv")}
    assert parts == {"ApplyEyeMakeup": "test", "Bowling": "train", "IceDancing": "train"}
    unread = read_columns(tmp_path / "results" / "unread.tsv")
    assert len(unread) == 9 and {row["status"] for row in unread} == {"missing"}
    assert unread[0]["video_id"] == "Surfing/v_Surfing_g01_c00" and {row["part"] for row in unread} == {"test"}
    missing = read_columns(tmp_path / "results" / "missing.tsv")
    assert len(missing) == 9 and missing[0] == {
        "name": "v_Surfing_g01_c00",
        "label": "Surfing",
        "split": '{"1": "test"}',
    }
