"""`idt encode` computes the pipeline's numbers, adds to a file, and records a status for failed videos."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from processes import default_signals

from idt_tools import cli
from idt_tools.attributes import write_attributes
from idt_tools.codebook import ChannelCodebook, Codebook, Mixture
from idt_tools.columns import CHANNELS
from idt_tools.count_sketch import draw_sketch
from idt_tools.person_boxes import write_bb
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.ground.artifacts import write_columns
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings

pytestmark = pytest.mark.slow  # tracks videos

IDT = [sys.executable, "-m", "idt_tools.cli"]


def write_codebook(path: Path, seed: int = 0, sketch_dimension: int = 2000) -> Path:
    """A codebook of random axes and components."""
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(draw.normal(size=(426, 40)))[0].T.astype(np.float32)
    Codebook(
        pca_mean=draw.uniform(0, 0.3, 426).astype(np.float32),
        pca_components=axes,
        gmm_weights=np.full(8, 1 / 8),
        gmm_means=draw.normal(size=(8, 40)) * 0.2,
        gmm_variances=draw.uniform(0.02, 0.1, (8, 40)),
        sketch_hash=draw.integers(0, sketch_dimension, 640).astype(np.int32),
        sketch_sign=draw.choice([-1, 1], 640).astype(np.int8),
        sketch_dimension=sketch_dimension,
    ).save(path)
    return path


def write_channel_codebook(path: Path) -> Path:
    """A codebook of random axes and components of each channel."""
    draw = np.random.default_rng(0)
    mixtures = {}
    for channel, place in CHANNELS.items():
        width = place.stop - place.start
        axes = np.linalg.qr(draw.normal(size=(width, width // 2)))[0].T.astype(np.float32)
        mean, means = draw.uniform(0, 0.3, width).astype(np.float32), draw.normal(size=(8, width // 2)) * 0.2
        mixtures[channel] = Mixture(mean, axes, np.full(8, 1 / 8), means, draw.uniform(0.02, 0.1, means.shape))
    ChannelCodebook(mixtures, *draw_sketch(2 * 8 * 213, 2000, draw)).save(path)
    return path


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    return write_codebook(tmp_path / "codebook.h5")


def encode(*arguments: str | Path) -> int:
    return cli.main(["encode", *map(str, arguments)])


def read(path: Path) -> dict[str, tuple[str, str, int, np.ndarray]]:
    """Status, reason, number of trajectories and sketch by video."""
    with h5py.File(path) as file:
        texts = [file[name].asstr()[:] for name in ("video", "status", "reason")]
        rows = zip(*texts, file["n_trajectories"][:].tolist(), file["sketch"][:], strict=True)
        return {video: (status, reason, count, sketch) for video, status, reason, count, sketch in rows}


def pipeline_sketches(folder: Path, videos: list[Path], codebook: Path) -> np.ndarray:
    """The sketches (n, 2000) of the stages, in the order of the videos."""
    rows = [
        {"video_id": f"{i:03d}", "path": video, "width": 99, "height": 99, "fps": 25, "bytes": 1, "mtime_ns": 1}
        for i, video in enumerate(videos)
    ]
    write_columns(folder / "shard.tsv", rows, [*rows[0]])
    settings = TrajectoriesSettings()
    extract_shard(folder / "shard.tsv", folder / "trajectories.h5", folder / "store", settings)
    encode_shard(folder / "trajectories.h5", codebook, folder / "encoding.h5", folder / "other store", settings)
    with h5py.File(folder / "encoding.h5") as file:
        sketches: np.ndarray = file["sketch"][:]
        return sketches


def test_encode_equals_pipeline(
    videos: list[Path], tmp_path: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = pipeline_sketches(tmp_path, videos, codebook)
    assert np.allclose(np.linalg.norm(expected, axis=1), 1, atol=0.2) and expected.shape[1] == 2000
    assert encode(*videos, "--codebook", codebook, "-o", tmp_path / "out.h5", "--threads", "2") == 0
    sketches = read(tmp_path / "out.h5")
    for video, sketch in zip(videos, expected, strict=True):
        assert sketches[str(video)][3].tobytes() == sketch.tobytes()
    capsys.readouterr()
    assert encode(videos[0], "--codebook", codebook) == 0
    printed = capsys.readouterr().out.split("\t")
    assert np.array(printed, np.float32).tobytes() == expected[0].tobytes()


def test_encode_channel_codebook_equals_pipeline(videos: list[Path], tmp_path: Path) -> None:
    codebook = write_channel_codebook(tmp_path / "channels.h5")
    expected = pipeline_sketches(tmp_path, videos[:1], codebook)
    assert np.linalg.norm(expected[0]) == pytest.approx(5**0.5, rel=0.2)
    assert encode(videos[0], "--codebook", codebook, "-o", tmp_path / "out.h5") == 0
    assert read(tmp_path / "out.h5")[str(videos[0])][3].tobytes() == expected[0].tobytes()


def test_encode_real_video_equals_pipeline(shared: Path, tmp_path: Path, codebook: Path) -> None:
    clip = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"  # claims 61 frames and holds 59
    (expected,) = pipeline_sketches(tmp_path, [clip], codebook)
    assert encode(clip, "--codebook", codebook, "-o", tmp_path / "out.h5") == 0
    ((status, reason, count, sketch),) = read(tmp_path / "out.h5").values()
    assert (status, reason) == ("ok", "") and count > 2000
    assert sketch.tobytes() == expected.tobytes()


def test_encode_failures_are_recorded_and_tried_again(
    videos: list[Path], tmp_path: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, out = tmp_path / "broken.avi", tmp_path / "out.h5"
    broken.write_text("no video")
    missing = tmp_path / "none.avi"
    assert encode(broken, videos[0], missing, "--codebook", codebook, "-o", out) == 1
    printed = capsys.readouterr()
    assert sorted(line.split(": ")[1] for line in printed.err.splitlines()) == [str(broken), str(missing)]
    assert f"{out}: 1 of 3 videos encoded" in printed.out
    first = read(out)
    assert {video: row[0] for video, row in first.items()} == {
        str(broken): "unreadable",
        str(videos[0]): "ok",
    }, "what the system could not read has no row"
    assert not first[str(broken)][3].any() and first[str(broken)][1]
    broken.write_bytes(videos[1].read_bytes())
    assert encode(broken, videos[2], "--codebook", codebook, "-o", out) == 0
    second = read(out)
    assert {row[0] for row in second.values()} == {"ok"} and len(second) == 3
    assert second[str(videos[0])][3].tobytes() == first[str(videos[0])][3].tobytes()
    assert encode(missing, "--codebook", codebook) == 1
    assert f"{missing}: there is no such file" in capsys.readouterr().err


def test_encode_existing_sketches_stay_without_force(videos: list[Path], tmp_path: Path, codebook: Path) -> None:
    out = tmp_path / "out.h5"
    assert encode(videos[0], "--codebook", codebook, "-o", out) == 0
    before = out.stat()
    assert encode(videos[0], "--codebook", codebook, "-o", out) == 0
    assert out.stat().st_mtime_ns == before.st_mtime_ns
    assert encode(videos[0], "--codebook", codebook, "-o", out, "--force") == 0
    assert out.stat().st_ino != before.st_ino


def test_encode_replaced_video_again(
    videos: list[Path], square_boxes: np.ndarray, tmp_path: Path, codebook: Path
) -> None:
    out, copies = tmp_path / "out.h5", [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    people = tmp_path / "people"
    people.mkdir()
    for number, copy in enumerate(copies):
        shutil.copy(videos[number], copy)
        write_bb(people / f"{copy.stem}.bb", square_boxes[:0], 24, 96, 72)
    command = [*copies, "--codebook", codebook, "-o", out, "--boxes", people]
    assert encode(*command) == 0
    first = read(out)
    shutil.copy(videos[2], copies[0])  # another video of the same name
    assert encode(*command) == 0
    second = read(out)
    assert encode(videos[2], "--codebook", codebook, "-o", tmp_path / "plain.h5") == 0
    assert second[str(copies[0])][3].tobytes() == read(tmp_path / "plain.h5")[str(videos[2])][3].tobytes()
    assert second[str(copies[1])][3].tobytes() == first[str(copies[1])][3].tobytes()
    write_bb(people / "b.bb", square_boxes, 24, 96, 72)  # other people
    assert encode(*command) == 0
    assert second[str(copies[1])][3].tobytes() != read(out)[str(copies[1])][3].tobytes()
    inode = out.stat().st_ino
    assert encode(*command) == 0 and out.stat().st_ino == inode, "nothing has changed"
    copies[0].unlink()
    assert encode(*command) == 1
    assert read(out)[str(copies[0])][3].tobytes() == second[str(copies[0])][3].tobytes(), "a video away loses nothing"


def test_encode_refuses_file_of_other_version(
    videos: list[Path], tmp_path: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.h5"
    assert encode(videos[0], "--codebook", codebook, "-o", out) == 0
    with h5py.File(out, "a") as file:
        file.attrs["VERSION"] = 0
    assert encode(videos[0], "--codebook", codebook, "-o", out) == 1
    assert "was made by another version of idt" in capsys.readouterr().err
    assert encode(videos[0], "--codebook", codebook, "-o", out, "--force") == 0


@pytest.mark.parametrize(
    ("persons", "has_boxes", "sentence"),
    [
        ("masked", False, "people masked, but you gave no --boxes"),
        ("not masked", True, "without masking people"),
        ("masked", True, ""),
        ("not masked", False, ""),
    ],
)
def test_encode_warns_about_masking(
    persons: str,
    has_boxes: bool,
    sentence: str,
    video: Path,
    tmp_path: Path,
    codebook: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with h5py.File(codebook, "a") as file:
        write_attributes(file, {"persons": persons})
    (tmp_path / "boxes.bb").write_text("0\n")
    boxes = ["--boxes", tmp_path / "boxes.bb"] if has_boxes else []
    assert encode(video, "--codebook", codebook, "-o", tmp_path / "out.h5", *boxes) == 0
    errors = capsys.readouterr().err
    assert errors.startswith(f"warning: {codebook}: ") == bool(sentence) and sentence in errors


def test_encode_refuses_file_of_other_codebook(
    videos: list[Path], tmp_path: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, other = tmp_path / "out.h5", write_codebook(tmp_path / "other.h5", seed=1)
    (tmp_path / "boxes.bb").write_text("0\n")
    assert encode(videos[0], "--codebook", codebook, "-o", out) == 0
    content = out.read_bytes()
    for arguments in (["--codebook", other], ["--codebook", codebook, "--boxes", tmp_path / "boxes.bb"]):
        assert encode(videos[0], *arguments, "-o", out) == 1
        assert "was made with another codebook, or with other --boxes" in capsys.readouterr().err
    assert encode(videos[0], "--codebook", codebook, "-o", other) == 1
    assert f"{other}: it exists and was made by another program" in capsys.readouterr().err
    assert out.read_bytes() == content


def test_encode_boxes_mask_people(videos: list[Path], square_boxes: np.ndarray, tmp_path: Path, codebook: Path) -> None:
    (tmp_path / "people").mkdir()
    with h5py.File(tmp_path / "people" / f"{videos[0].stem}.h5", "w") as file:
        file["boxes"] = square_boxes
    arguments = [*videos[:2], "--codebook", codebook, "--boxes", tmp_path / "people"]
    assert encode(*arguments, "-o", tmp_path / "masked.h5") == 1
    masked = read(tmp_path / "masked.h5")
    assert [row[0] for row in masked.values()] == ["ok", "no_boxes"]
    assert encode(videos[0], "--codebook", codebook, "-o", tmp_path / "plain.h5") == 0
    assert not np.array_equal(read(tmp_path / "plain.h5")[str(videos[0])][3], masked[str(videos[0])][3])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.mp4", "b.mp4", "--codebook", "codebook.h5"], "give -o OUT.h5"),
        (["a.mp4", "--codebook", "codebook.h5", "-o", "out.npy"], "out.npy: the name must end in .h5"),
        (["a.mp4", "--codebook", "none.h5", "-o", "out.h5"], "none.h5: there is no such file"),
        (["a.mp4", "--codebook", "codebook.h5", "-o", "codebook.h5"], "it is the input codebook.h5"),
        (["a.mp4", "--codebook", "codebook.h5", "-o", "no/out.h5"], "no: there is no such folder"),
        (["a.mp4", "--codebook", "codebook.h5", "--boxes", "none.bb"], "none.bb: there is no such file"),
        (["a.mp4", "--codebook", "codebook.h5", "--threads", "0"], "at least one thread"),
    ],
)
def test_encode_wrong_arguments(
    codebook: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(codebook.parent)
    assert encode(*arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and sentence in line
    assert os.listdir() == ["codebook.h5"]


def test_encode_ctrl_c_saves_sketches(shared: Path, video: Path, tmp_path: Path, codebook: Path) -> None:
    out = tmp_path / "out.h5"
    long = shared / "videos" / "samples" / "vtest.avi"  # minutes of work
    command = [*IDT, "encode", video, long, "--codebook", codebook, "-o", out]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=default_signals, **pipes) as running:
        assert running.stdout and "trajectories" in running.stdout.readline()
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and "interrupted" in errors
    assert [row[0] for row in read(out).values()] == ["ok"]
    assert os.listdir(tmp_path) and not list(tmp_path.glob(".*"))
