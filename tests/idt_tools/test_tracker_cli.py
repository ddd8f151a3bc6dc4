"""The command line of `idt`: boxes, errors, odd names and help."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest

import idt_tools
from idt_tools import cli, trajectory_files
from idt_tools.attributes import read_attributes


def test_read_boxes_bb_and_hdf5(video: Path, square_boxes: np.ndarray, tmp_path: Path) -> None:
    boxes = square_boxes
    bb = tmp_path / "square.bb"
    bb.write_text("".join(" ".join(f"{value:g}" for value in row) + "\n" for row in boxes))
    np.testing.assert_allclose(trajectory_files.read_boxes(bb), boxes)
    with h5py.File(tmp_path / "persons.h5", "w") as file:
        file["square_1/boxes"] = boxes
    np.testing.assert_allclose(trajectory_files.read_boxes(tmp_path / "persons.h5"), boxes)
    with h5py.File(tmp_path / "persons.h5", "a") as file:
        file["other_2/boxes"] = boxes[:2]
    np.testing.assert_allclose(trajectory_files.read_boxes(tmp_path / "persons.h5:square_1"), boxes)
    with pytest.raises(ValueError, match="2 groups; name one"):
        trajectory_files.read_boxes(tmp_path / "persons.h5")
    with pytest.raises(ValueError, match="no boxes of 'third'"):
        trajectory_files.read_boxes(tmp_path / "persons.h5:third")
    with pytest.raises(idt_tools.ReadingFailed, match="no such file"):
        trajectory_files.read_boxes(tmp_path / "nothing.h5")
    assert cli.main(["extract", str(video), "-o", str(tmp_path / "o.h5"), "--boxes", str(bb)]) == 0


def test_read_bb_frames_without_people(tmp_path: Path) -> None:
    bb = tmp_path / "few.bb"
    bb.write_text("0\n1 10 10 20 20 0.5 30 30 40 40 0.6\n2\n")
    assert idt_tools.read_bb(bb).tolist() == [[1, 10, 10, 20, 20, 0.5], [1, 30, 30, 40, 40, np.float32(0.6)]]
    bb.write_text("0\n1 10 10 20\n")
    with pytest.raises(ValueError, match=r"few\.bb, line 2: expected a frame number and 5 numbers per box"):
        idt_tools.read_bb(bb)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "nothing.avi", "-o", "{tmp}/o.h5"], "nothing.avi: there is no such file"),
        (["extract", "{tmp}", "-o", "{tmp}/o.h5"], "{tmp}: it is a folder"),
        (["extract", "{video}", "-o", "{tmp}/none/o.h5"], "{tmp}/none: there is no such folder to write to"),
        (["extract", "{video}", "-o", "{video}/o.h5"], "{video}: there is no such folder to write to"),
        (["extract", "{video}", "-o", "{video}/o/"], "{video}/o/: the folder cannot be made (Not a directory)"),
        (["extract", "{video}", "-o", "/proc/o.h5"], "/proc/o.h5: it cannot be written (No such file or directory)"),
        (["extract", "{video}", "-o", "{tmp}/o.avi"], "{tmp}/o.avi: the name must end in .h5 or .txt"),
        (["extract", "{video}", "-o", "{tmp}/o"], "{tmp}/o: the name must end in .h5 or .txt, or in / for a folder"),
        (["extract", "{video}", "-o", "{video}", "--format", "h5"], "{video}: it is the input {video}"),
        (["extract", "{video}", "-o", "{tmp}/o.h5", "--threads", "0"], "--threads 0: at least one thread is needed"),
        (["extract", "{video}", "other.avi", "-o", "{tmp}/o.h5"], "{tmp}/o.h5: for several videos -o must be a folder"),
        (["extract", "a/x.avi", "b/x.mp4", "-o", "{tmp}/"], "a/x.avi and b/x.mp4 would be written to one file"),
        (["extract", "{video}", "-o", "{tmp}/", "--boxes", "{tmp}"], "{tmp}/: it is the folder of the boxes"),
        (
            ["extract", "{video}", "-o", "{tmp}/", "--boxes", "{video}"],
            "{video}: for several videos --boxes must be a folder",
        ),
        (["extract", "{video}", "-o", "{tmp}/o/", "--boxes", "none"], "none: there is no such file or folder"),
        (["extract", "{video}", "-o", "{tmp}/o.h5", "--boxes", "none.bb"], "none.bb: there is no such file"),
        (["extract", "{video}", "-o", "{tmp}/o.h5", "--boxes", "{tmp}"], "no square.bb, .h5 or .json"),
        (["extract", "{video}", "-o", "{tmp}/o.h5", "--boxes", "{video}"], "it is not an HDF5 file"),
        (["show", "nothing.avi", "-o", "{tmp}/o.png"], "nothing.avi: there is no such file"),
        (["show", "{video}", "-o", "{tmp}/o.gif"], "{tmp}/o.gif: the name must end in .mp4"),
        (["show", "{video}", "-o", "{video}"], "{video}: it is the input {video}"),
        (["show", "{video}", "-o", "/proc/o.mp4"], "/proc/o.mp4: it cannot be written (No such file or directory)"),
    ],
)
def test_idt_errors_are_one_sentence(
    arguments: list[str], message: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([part.format(tmp=tmp_path, video=video) for part in arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert message.format(tmp=tmp_path, video=video) in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("o.bb", b"\xff\xfe\x00", "line 1: not a line of numbers"),
        ("o.bb", b"0 1 nan 3 4 5\n", "boxes must hold finite numbers"),
        ("o.json", b"{", "it is not a JSON"),
        ("o.json", b"{}", "expected a list of detections, as COCO's results are, not dict"),
        ("o.json", b'[{"image_id": 0, "category_id": 1, "score": 1}]', "detection 0: expected image_id"),
        (
            "o.json",
            b'[{"image_id": 0, "category_id": 1, "bbox": [1, 2], "score": 1}]',
            "detection 0: expected image_id",
        ),
        ("o.json", b'[{"image_id": "a", "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]', "detection 0: expected"),
        ("o.json", b'[{"image_id": 0.5, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]', "whole frame numbers"),
        ("o.h5", np.zeros((3, 5)), "boxes must have the shape (n, 6)"),
        ("o.h5", np.full((1, 6), np.nan), "boxes must hold finite numbers"),
        ("o.h5", np.array([b"text"]), "boxes is of type |S4, not numbers"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "show"])
def test_idt_wrong_boxes(
    command: str,
    name: str,
    content: bytes | np.ndarray,
    reason: str,
    video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    boxes, output = tmp_path / name, tmp_path / {"extract": "out.h5", "show": "out.png"}[command]
    if isinstance(content, bytes):
        boxes.write_bytes(content)
    else:
        with h5py.File(boxes, "w") as file:
            file["boxes"] = content
    assert cli.main([command, str(video), "-o", str(output), "--boxes", str(boxes)]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: {boxes}") and reason in errors and errors.count("\n") == 1


def test_extract_does_not_overwrite_boxes(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = tmp_path / "people.h5"
    with h5py.File(boxes, "w") as file:
        file["square/boxes"] = np.zeros((0, 6))
    for place in (boxes, f"{boxes}:square"):
        assert cli.main(["extract", str(video), "-o", str(boxes), "--boxes", str(place), "--force"]) == 1
        assert capsys.readouterr().err.startswith(f"error: {boxes}: it is the input {boxes}")


def test_extract_name_of_255_bytes(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose name fits is written, and a video whose file name is too long does not stop the others."""
    longest, too_long = tmp_path / ("x" * 249 + "\u00e9.mp4"), tmp_path / ("y" * 253 + ".m")
    for path in (longest, too_long):
        path.symlink_to(video)
        assert len(os.fsencode(path.name)) == 255
    output = tmp_path / "out"
    assert cli.main(["extract", str(longest), str(too_long), str(video), "-o", str(output)]) == 1
    assert capsys.readouterr().err == f"error: {output}/{too_long.stem}.h5: it cannot be written (File name too long)\n"
    assert sorted(path.name for path in output.iterdir()) == ["square.h5", f"{longest.stem}.h5"]
    assert (output / f"{longest.stem}.h5").stat().st_size > 100_000


def test_extract_name_with_leading_dash(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.mp4", "-o1.mp4", "--threads.mp4"):
        Path(name).symlink_to(video)
        with pytest.raises(SystemExit) as stopped:
            cli.main(["extract", name, "-o", "out/"])
        errors = capsys.readouterr().err
        assert stopped.value.code == 2 and f"idt extract ... -- {name}" in errors and f"write ./{name}" in errors
        assert cli.main(["extract", "-o", "out/", "--", name]) == 0
        assert cli.main(["extract", f"./{name}", "-o", "out/", "--force"]) == 0
    assert sorted(os.listdir("out")) == ["--threads.h5", "-dash.h5", "-o1.h5"]


def test_extract_unforeseen_error_is_one_line(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd, output = tmp_path / "odd.mp4", tmp_path / "out"
    odd.symlink_to(video)
    open_video = av.open

    def failing(file: Any, *arguments: Any, **options: Any) -> Any:
        if Path(file.name).stem == "odd":
            raise IndexError("tuple index out of range")
        return open_video(file, *arguments, **options)

    monkeypatch.setattr(av, "open", failing)
    assert cli.main(["extract", str(odd), str(video), "-o", str(output)]) == 1
    assert capsys.readouterr().err == f"error: {odd}: IndexError: tuple index out of range\n"
    assert os.listdir(output) == ["square.h5"]


def test_idt_name_not_utf8(video: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    odd.symlink_to(video)
    for command, ending in (("extract", ".h5"), ("extract", ".txt"), ("show", ".png"), ("show", ".mp4")):
        output = tmp_path / f"{odd.stem}_out{ending}"
        assert cli.main([command, str(odd), "-o", str(output)]) == 0
        assert output.exists()
    with h5py.File(os.fsencode(tmp_path / f"{odd.stem}_out.h5")) as file:
        assert read_attributes(file)["video"] == "caf\ufffd.mp4"


def test_idt_help() -> None:
    for arguments, expected in (
        (["--help"], ["extract", "show", "idt extract videos/*.mp4 -o trajectories/ --threads 4"]),
        (["extract", "--help"], ["--threads N", "default 1", "--force", "type a stopped command again", "example"]),
        (["show", "--help"], ["contact sheet", "example"]),
    ):
        command = [sys.executable, "-m", "idt_tools.cli", *arguments]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert all(" ".join(text.split()) in " ".join(shown.split()) for text in expected)
        assert max(map(len, shown.splitlines())) <= 100


def test_import_idt_tools_without_optional_packages() -> None:
    script = "import sys, idt_tools; print(sorted({'h5py', 'tqdm', 'scipy', 'torch', 'pandas'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
