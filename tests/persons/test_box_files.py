"""Existing boxes of persons: their files, the checks against the video, and the store."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from idt_tools import cli
from idt_tools.attributes import read_attributes
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.box_files import boxes_of_file
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings

ROW = {"path": "/videos/walk/a.avi", "width": "100", "height": "80", "n_frames": "50", "bytes": "1", "mtime_ns": "2"}
COLUMNS = ["video_id", *ROW]


def shard(folder: Path, *names: str) -> Path:
    """Writes the list of a shard of videos, which need not exist."""
    rows = [{**ROW, "video_id": f"{name}-id", "path": f"/videos/walk/{name}.avi"} for name in names]
    write_columns(folder / "shard.tsv", rows, COLUMNS)
    return folder / "shard.tsv"


def detect(videos: Path, boxes: Path) -> dict[str, tuple[str, str, np.ndarray]]:
    """Returns the status, reason and boxes of every video."""
    output = videos.parent / "persons.h5"
    detect_persons(videos, output, videos.parent / "store", "files", PersonsSettings(files=str(boxes)))
    with h5py.File(output) as file:
        attributes = {name: read_attributes(group) for name, group in file.items()}
        return {name: (attributes[name]["status"], attributes[name]["reason"], file[name]["boxes"][:]) for name in file}


def test_detect_persons_sorts_and_clips_boxes_of_files(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes"
    (boxes / "walk").mkdir(parents=True)
    (boxes / "walk" / "a.bb").write_text("0 1 2 30 40 0.5 5 6 7 8 0.9\n1\n2 90 70 110 85.5 1\n")
    (boxes / "a.bb").write_text("0 9 9 10 10 1\n")  # the file in the label's folder is used instead
    with h5py.File(boxes / "b.h5", "w") as file:
        file["boxes"] = np.array([[3, 1, 2, 3, 4, 1], [0, 1, 2, 3, 4, 1]], np.float32)
    persons = detect(shard(tmp_path, "a", "b", "c"), boxes)
    assert [status for status, _, _ in persons.values()] == ["ok", "ok", "no_boxes"]
    assert persons["a-id"][2].tolist() == [
        [0, 5, 6, 7, 8, np.float32(0.9)],
        [0, 1, 2, 30, 40, 0.5],
        [2, 90, 70, 100, 80, 1],
    ]
    assert persons["b-id"][2][:, 0].tolist() == [0, 3]
    assert persons["c-id"][1].startswith("persons.files holds no boxes of this video") and persons["c-id"][2].shape == (
        0,
        6,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 1 2 3\n", "a.bb, line 1: expected a frame number and 5 numbers per box"),
        ("no numbers\n", "a.bb, line 1: not a line of numbers"),
        ("0\n1 100 2 130 20 1\n", "a.bb: the box 100, 2, 130, 20 of frame 1 is outside the image of 100x80 pixels"),
        ("0 -9 -9 -1 -1 1\n", "is outside the image"),
        ("0\n" * 59 + "59 1 1 9 9 1\n", "a.bb: a box belongs to frame 59, but there are 50 frames"),
        ("0 1 1 nan 9 1\n", "a.bb: boxes must hold finite numbers"),
    ],
)
def test_boxes_of_file_malformed_or_of_another_video(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.bb").write_text(text)
    result = boxes_of_file(tmp_path / "a.bb", ROW)
    assert result.status == "no_boxes" and reason in result.reason and str(tmp_path) not in result.reason
    assert not result.arrays


def test_boxes_of_file_damaged(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("boxes", data=np.ones((40, 6), np.float32), chunks=True, fletcher32=True)
    content = (tmp_path / "a.h5").read_bytes()
    place = content.rindex(np.float32(1).tobytes() * 8)
    (tmp_path / "a.h5").write_bytes(content[:place] + b"x" + content[place + 1 :])
    result = boxes_of_file(tmp_path / "a.h5", ROW)
    assert result.status == "no_boxes" and result.reason.startswith("a.h5: it is damaged")


def test_boxes_of_file_with_a_wrong_number_of_frames_in_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.bb").write_text("0\n" * 52 + "52 1 1 9 9 1\n")
    assert boxes_of_file(tmp_path / "a.bb", ROW).status == "ok"
    (tmp_path / "a.bb").write_text("0\n" * 520 + "520 1 1 9 9 1\n")
    assert boxes_of_file(tmp_path / "a.bb", {**ROW, "n_frames": "0"}).status == "ok"


@pytest.mark.parametrize("number", [0.5, -1])
def test_boxes_of_file_with_wrong_frame_numbers(tmp_path: Path, number: float) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["boxes"] = np.array([[number, 1, 2, 3, 4, 1]])
    assert boxes_of_file(tmp_path / "a.h5", ROW).status == "no_boxes"


def test_detect_persons_reads_only_changed_files_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    for name in "ab":
        (boxes / f"{name}.bb").write_text("0 1 2 3 4 1\n")
    videos = shard(tmp_path, "a", "b", "c")
    detect(videos, boxes)
    caplog.set_level("DEBUG", "workflow_scripts")
    caplog.clear()
    detect(videos, boxes)
    assert "computed" not in caplog.text
    (boxes / "a.bb").write_text("0 1 2 3 5 1\n")  # same length as before
    os.utime(boxes / "a.bb", (2_000_000_000, 2_000_000_000))
    (boxes / "c.bb").write_text("0 1 2 3 4 1\n")
    persons = detect(videos, boxes)
    assert [name for name in persons if f"computed {name}" in caplog.text] == ["a-id", "c-id"]
    assert persons["a-id"][2][0, 4] == 5 and persons["c-id"][0] == "ok"


def test_boxes_command_writes_files_with_the_same_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = shard(tmp_path, "a", "b", "c")
    index = tmp_path / "index.tsv"
    write_columns(
        index, [{"video_id": f"{name}-id", "path": f"walk/{name}.avi"} for name in "abc"], ["video_id", "path"]
    )
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    with h5py.File(boxes / "a.h5", "w") as file:
        file["boxes"] = np.array(
            [[0, 1 / 3, 2, 30, 40, 0.9], [0, 5, 6, 7, 8, 0.5], [48, 90, 70, 100, 80, 1]], np.float32
        )
    (boxes / "b.bb").write_text("0\n")
    persons = detect(videos, boxes)
    capsys.readouterr()
    assert cli.main(["boxes", str(tmp_path / "persons.h5"), "--index", str(index), "-o", str(tmp_path / "bb")]) == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        "c-id is no_boxes: persons.files holds no boxes of this video, so no person is masked"
    ]
    assert output.out == f"{tmp_path}/bb: boxes of 2 videos written, 1 have none\n"
    assert (tmp_path / "bb" / "walk" / "b.bb").read_text() == "".join(f"{frame}\n" for frame in range(50))
    from_written_files = detect(videos, tmp_path / "bb")
    persons["a-id"][2][2, 3:5] = 99, 79  # the last column and row: the original's edges are inclusive
    np.testing.assert_array_equal(from_written_files["a-id"][2], persons["a-id"][2])
    assert from_written_files["b-id"][0] == "ok" and not len(from_written_files["b-id"][2])
    assert cli.main(["boxes", str(tmp_path / "persons.h5"), "-o", str(tmp_path / "ids")]) == 1
    assert {path.name for path in (tmp_path / "ids").iterdir()} == {"a-id.bb", "b-id.bb"}


def test_boxes_command_with_control_characters_in_names(tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "a.bb").write_text("0\n")
    detect(shard(tmp_path, "a"), tmp_path / "boxes")
    index = tmp_path / "index.tsv"
    write_columns(index, [{"video_id": "a-id", "path": "wa\tlk/new\nline \\n.avi"}], ["video_id", "path"])
    assert cli.main(["boxes", str(tmp_path / "persons.h5"), "--index", str(index), "-o", str(tmp_path / "bb")]) == 0
    assert (tmp_path / "bb" / "wa\tlk" / "new\nline \\n.bb").is_file()


def test_boxes_command_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "boxes").mkdir()
    for name in "ab":
        (tmp_path / "boxes" / f"{name}.bb").write_text("0\n")
    detect(shard(tmp_path, "a", "b"), tmp_path / "boxes")
    persons, index = str(tmp_path / "persons.h5"), tmp_path / "index.tsv"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("video")
    for rows, source, message in (
        (["a-id\tx/a.avi"], persons, f"{index}: it does not list the video b-id of {persons}"),
        (["a-id\tx/a.avi", "b-id\ty/x/a.mp4"], persons, "x/a.bb: two videos would be written to it"),
        ([], str(index), f"{index}: it is not an HDF5 file"),
        ([], str(tmp_path / "none.h5"), "none.h5: there is no such file"),
        ([], str(tmp_path / "other.h5"), "other.h5: it is not a file of boxes"),
    ):
        index.write_text("\n".join(["video_id\tpath", *rows]) + "\n")
        capsys.readouterr()
        assert cli.main(["boxes", source, "--index", str(index), "-o", str(tmp_path / "out")]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and message in line


def test_detect_persons_reads_the_format_of_coco(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps(
            [
                {"image_id": 7, "category_id": 1, "bbox": [10, 20, 5.5, 30], "score": 0.5, "segmentation": {}},
                {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.75},
                {"image_id": 7, "category_id": 18, "bbox": [0, 0, 50, 50], "score": 0.9},  # a dog
                {"image_id": 2, "category_id": 1, "bbox": [90, 70, 20, 20], "score": 1},
            ]
        )
    )
    persons = detect(shard(tmp_path, "a"), tmp_path)["a-id"]
    assert persons[0] == "ok"
    assert persons[2].tolist() == [[2, 90, 70, 100, 80, 1], [7, 1, 2, 4, 6, 0.75], [7, 10, 20, 15.5, 50, 0.5]]


def test_detect_persons_with_a_folder_without_boxes(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes"
    (boxes / "too" / "deep").mkdir(parents=True)
    (boxes / "too" / "deep" / "a.bb").write_text("0\n")
    with pytest.raises(StageError, match=r"persons\.files: .*boxes holds no file of boxes"):
        detect(shard(tmp_path, "a"), boxes)
    assert not (tmp_path / "store").exists()
    (boxes / "other.bb").write_text("0\n")  # boxes of a video in another shard
    assert detect(shard(tmp_path, "a"), boxes)["a-id"][0] == "no_boxes"
