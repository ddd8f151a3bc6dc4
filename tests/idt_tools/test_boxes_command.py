"""`idt boxes --detector`: the people in new videos, as the pipeline finds them."""

import os
from pathlib import Path

import numpy as np
import pytest

import idt_tools
from idt_tools import cli
from idt_tools.person_boxes import read_bb
from workflow_scripts.persons.detect_persons import boxes_of
from workflow_scripts.persons.detectors import make_detector
from workflow_scripts.persons.settings import PersonsSettings


def boxes(*arguments: str | Path) -> int:
    return cli.main(["boxes", *map(str, arguments)])


def test_boxes_detector_equals_pipeline(shared: Path, tmp_path: Path) -> None:
    clip = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"
    assert boxes(clip, "--detector", "hog", "--stride", "15", "-o", tmp_path / "people") == 0
    expected = boxes_of(idt_tools.read_video(clip), make_detector("hog", PersonsSettings(stride=15)), 15)
    boxes_read = read_bb(tmp_path / "people" / "44_8_4.bb")
    assert len(boxes_read) > 50
    x, y = expected.attributes["width"], expected.attributes["height"]
    expected_boxes = expected.arrays["boxes"]
    expected_boxes[:, 1:5] = np.minimum(expected_boxes[:, 1:5], np.array([x, y, x, y], np.float32) - 1)
    np.testing.assert_array_equal(boxes_read, expected_boxes)
    command = ["extract", str(clip), "-o", str(tmp_path / "o.h5"), "--boxes", str(tmp_path / "people")]
    assert cli.main(command) == 0, "the other commands read the folder"


def test_boxes_detector_bad_video_and_existing_files(
    videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, missing, output = tmp_path / "broken.avi", tmp_path / "none.avi", tmp_path / "people"
    broken.write_text("no video")
    command = [broken, missing, *videos[:2], "--detector", "hog", "-o", output, "--stride", "8"]
    assert boxes(*command) == 1
    printed = capsys.readouterr()
    assert sorted(line.split(": ")[1] for line in printed.err.splitlines()) == [str(broken), str(missing)]
    assert printed.out.splitlines()[-1] == f"{output}: boxes of 2 of 4 videos written"
    assert sorted(os.listdir(output)) == ["square_0.bb", "square_1.bb"]
    (output / "square_0.bb").write_text("mine")
    assert boxes(*command) == 1
    assert (output / "square_0.bb").read_text() == "mine"
    assert "0 of 4 videos written, 2 existed" in capsys.readouterr().out
    assert boxes(*command, "--force") == 1
    assert len((output / "square_0.bb").read_text().splitlines()) == 24


def test_boxes_detector_wrong_arguments(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, sentence in (
        ([videos[0], "--stride", "0"], "at least 1"),
        ([videos[0], "--index", "index.tsv"], "leave it out with --detector"),
        ([videos[0], tmp_path / "square_0.avi"], "would be written to one file square_0"),
    ):
        assert boxes(*arguments, "--detector", "hog", "-o", tmp_path / "o") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and sentence in line
    assert boxes(videos[0], "--detector", "none", "-o", tmp_path / "o") == 1
    assert "there is no detector 'none'; choose hog" in capsys.readouterr().err
    monkeypatch.setattr("idt_tools.commands.detect.entry_points", lambda group: [])
    assert boxes(videos[0], "--detector", "hog", "-o", tmp_path / "o") == 1
    assert "no detector is installed" in capsys.readouterr().err
