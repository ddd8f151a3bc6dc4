"""The command `idt` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pytest

import idt_tools
from idt_tools import cli, columns, trajectory_files


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A textured square crossing a still textured background, 24 frames of 96 x 72 pixels."""
    path = tmp_path_factory.mktemp("videos") / "square.mp4"
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (72, 96, 3), dtype=np.uint8), (0, 0), 2)
    square = cv2.GaussianBlur(rng.integers(0, 256, (36, 36, 3), dtype=np.uint8), (0, 0), 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 96, 72, "yuv420p", 4_000_000
        for t in range(24):
            picture = scene.copy()
            picture[18:54, 5 + 2 * t : 41 + 2 * t] = square
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_extract_to_hdf5(video: Path, tmp_path: Path) -> None:
    output = tmp_path / "square.h5"
    assert cli.main(["extract", str(video), "-o", str(output)]) == 0
    expected = idt_tools.extract(idt_tools.read_video(video))
    assert len(expected) > 10
    with h5py.File(output) as file:
        assert np.array_equal(file["info"][:], expected.info)
        assert np.array_equal(file["descriptors"][:], expected.descriptors.astype(np.float16))
        assert tuple(file["info"].attrs["columns"]) == columns.INFO
        assert tuple(file["descriptors"].attrs["columns"]) == columns.DESCRIPTORS
        assert json.loads(file.attrs["options"])["sampling_step"] == 5
        assert (file.attrs["video"], file.attrs["n_frames"], file.attrs["width"]) == ("square.mp4", 24, 96)
    assert [path.name for path in tmp_path.iterdir()] == ["square.h5"]


def test_extract_to_the_originals_text(video: Path, tmp_path: Path) -> None:
    output = tmp_path / "square.txt"
    assert cli.main(["extract", str(video), "-o", str(output), "--format", "text"]) == 0
    expected = idt_tools.extract(idt_tools.read_video(video))
    rows = np.loadtxt(output, delimiter="\t", ndmin=2)
    np.testing.assert_allclose(rows, np.hstack([expected.info, expected.descriptors]), atol=1e-6)
    assert output.read_text().split("\t")[0].isdigit()


def test_show_as_film_and_as_sheet(video: Path, tmp_path: Path) -> None:
    film, sheet = tmp_path / "square.mp4", tmp_path / "square.png"
    assert cli.main(["show", str(video), "-o", str(film)]) == 0
    assert cli.main(["show", str(video), "-o", str(sheet)]) == 0
    pictures = np.stack(list(idt_tools.read_video(film))).astype(int)
    assert pictures.shape == (24, 360, 480, 3)
    red, green, blue = np.moveaxis(pictures, -1, 0)
    assert ((green - np.maximum(red, blue)) > 80).sum() > 500  # the lines
    assert ((red - np.maximum(green, blue)) > 80).sum() > 500  # their ends
    tiles = cv2.imread(str(sheet))
    assert tiles is not None and tiles.shape[1] == 4 * 480 and tiles.shape[0] % 360 == 0


def test_boxes_from_a_bb_file_and_from_hdf5(video: Path, tmp_path: Path) -> None:
    boxes = np.array([[t, 3 + 2 * t, 16, 43 + 2 * t, 56, 0.9] for t in range(24)], np.float32)
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
    with pytest.raises(ValueError, match="no such file"):
        trajectory_files.read_boxes(tmp_path / "nothing.h5")
    assert cli.main(["extract", str(video), "-o", str(tmp_path / "o.h5"), "--boxes", str(bb)]) == 0


def test_a_bb_file_of_frames_without_people(tmp_path: Path) -> None:
    bb = tmp_path / "few.bb"
    bb.write_text("0\n1 10 10 20 20 0.5 30 30 40 40 0.6\n2\n")
    assert idt_tools.read_bb(bb).tolist() == [[1, 10, 10, 20, 20, 0.5], [1, 30, 30, 40, 40, np.float32(0.6)]]
    bb.write_text("0\n1 10 10 20\n")
    with pytest.raises(ValueError, match=r"few\.bb, line 2: expected a frame number and 5 numbers a box"):
        idt_tools.read_bb(bb)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "nothing.avi", "-o", "{tmp}/o.h5"], "error: nothing.avi: there is no such file"),
        (["extract", "{video}", "-o", "{tmp}/none/o.h5"], "there is no such folder to write to"),
        (["extract", "{video}", "-o", "{tmp}/o.h5", "--boxes", "{video}"], "neither a .bb nor an HDF5 file"),
        (["show", "{video}", "-o", "{tmp}/o.gif"], "must end in .mp4"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str], message: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([part.format(tmp=tmp_path, video=video) for part in arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_help() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "idt_tools.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "extract" in shown.stdout and "show" in shown.stdout


def test_the_package_imports_with_numpy_opencv_and_pyav_alone() -> None:
    script = "import sys, idt_tools; print(sorted({'h5py', 'tqdm', 'scipy', 'torch', 'pandas'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
