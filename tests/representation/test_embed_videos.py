"""`dtc embed`: the vectors of videos by a trained network, equal to those of the training's validation."""

import dataclasses
import errno
import os
import re
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
import torch
from embedded_files import SETTINGS, read_embedded, write_model
from processes import default_signals

import idt_tools
from workflow_scripts.cli import main
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.ground.record_file import RecordFile
from workflow_scripts.pretraining.validation import embed_videos as embeddings_of_the_training

pytestmark = pytest.mark.slow  # runs `dtc embed`


def test_embed_videos_of_a_network_that_overflows_records_a_failure(videos: Path, model: Path, tmp_path: Path) -> None:
    """Its weights are finite and its vectors are not. Zeros with the status ok would be wrong."""
    saved = torch.load(model, weights_only=True)
    saved["state_dict"]["layer4.0.bn2.weight"].fill_(3e38)
    torch.save(saved, tmp_path / "model.pt")
    output = tmp_path / "all.h5"
    video = next(videos.rglob("*.mp4"))
    assert main(["embed", str(video), "--model", str(tmp_path / "model.pt"), "-o", str(output), "--clips", "1"]) == 1
    with h5py.File(output) as file:
        assert file["status"].asstr()[:].tolist() == ["not_finite"] and "features" not in file


def test_embed_videos_of_one_clip_equals_the_validation_of_the_training(
    videos: Path, model: Path, embedded: Path, tmp_path: Path
) -> None:
    rows = read_embedded(embedded)
    assert sorted(rows["video"]) == sorted(str(path) for path in videos.rglob("*.mp4")) and {*rows["status"]} == {"ok"}
    settings = FramesSettings(short_side=69)  # 15 / 7 of 32
    results = [
        (str(i), encode_frames(idt_tools.read_video(Path(name)), settings)) for i, name in enumerate(rows["video"])
    ]
    write_frames(tmp_path / "frames.h5", settings, "", results, {name: 25.0 for name, _ in results})
    pretrained = read_pretrained(model, Architecture())
    network = pretrained.network(SETTINGS.embedding_dim, seed=0)
    assert pretrained.state_dict is not None
    network.load_state_dict(pretrained.state_dict)
    store = FrameStore([tmp_path / "frames.h5"])
    settings32 = dataclasses.replace(SETTINGS, precision="float32")
    expected = embeddings_of_the_training(network, store, [name for name, _ in results], settings32)
    expected = torch.nn.functional.normalize(expected, dim=1)
    np.testing.assert_allclose(rows["embedding"], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows["features"], axis=1), 1, atol=1e-5)
    assert rows["features"].shape == (4, 64)


def test_embed_videos_keeps_earlier_videos_and_computes_those_that_are_missing_or_changed(
    videos: Path, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "workflow_scripts")
    root = Path(shutil.copytree(videos, tmp_path / "videos"))
    output = tmp_path / "out.h5"
    options = ["--model", str(model), "-o", str(output)]

    def embed(*places: Path, code: int = 0) -> list[str]:
        """The names of the videos that the call computes."""
        caplog.clear()
        assert main(["embed", *map(str, places), *options]) == code
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5", "videos"], "no store is left"
        return sorted(Path(name).name for name in re.findall(r"embed: computed (.*)", caplog.text))

    assert len(embed(root / "walk")) == 2
    before = read_embedded(output)
    (root / "broken.avi").write_text("no video")
    copy = Path(shutil.copy(root / "walk" / "walk_beach_00.mp4", root / "spin" / "copy.mp4"))
    assert embed(root / "spin", root / "broken.avi", code=1) == [
        "broken.avi",
        "copy.mp4",
        "spin_beach_00.mp4",
        "spin_bricks_00.mp4",
    ]
    after = read_embedded(output)
    assert after["video"].tolist() == sorted(map(str, [*root.rglob("*.mp4"), root / "broken.avi"]))
    places = [after["video"].tolist().index(name) for name in before["video"]]
    for kind in ("features", "embedding"):
        np.testing.assert_array_equal(after[kind][places], before[kind])
    bad = after["video"].tolist().index(str(root / "broken.avi"))
    assert after["status"][bad] == "unreadable" and after["reason"][bad] and not after["embedding"][bad].any()

    inode = output.stat().st_ino
    assert embed(root, code=1) == [] and output.stat().st_ino == inode
    shutil.copy(root / "spin" / "spin_bricks_00.mp4", copy)  # replaced
    assert embed(copy) == ["copy.mp4"]
    rows = read_embedded(output)
    place = {Path(name).name: i for i, name in enumerate(rows["video"])}
    np.testing.assert_array_equal(rows["features"][place["copy.mp4"]], rows["features"][place["spin_bricks_00.mp4"]])
    options.append("--force")
    assert embed(copy) == ["copy.mp4"] and read_embedded(output)["video"].tolist() == [str(copy)]


def test_embed_videos_keeps_the_row_of_a_video_that_has_gone_and_embeds_the_others(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, output = tmp_path / "mine.mp4", tmp_path / "out.h5"
    shutil.copy2(videos / "spin" / "spin_bricks_00.mp4", mine)
    command = ["embed", str(mine), str(videos / "walk"), "--model", str(model), "-o", str(output)]
    mine.rename(tmp_path / "away")
    assert main(command) == 1
    message = capsys.readouterr().err
    assert f"1 of 3 videos could not be read just now ({mine}: there is no such file)" in message
    assert "--forcerun" not in message, "dtc has no such option"
    assert len(read_embedded(output)["video"]) == 2
    (tmp_path / "away").rename(mine)
    assert main(command) == 0
    before = read_embedded(output)
    assert len(before["video"]) == 3 and {*before["status"]} == {"ok"}
    mine.unlink()
    assert main(command) == 1
    np.testing.assert_array_equal(read_embedded(output)["features"], before["features"])


def test_embed_videos_embeds_the_others_where_stat_fails_for_one(
    videos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, stat = tmp_path / "out.h5", Path.stat

    def failing(path: Path, **options: Any) -> os.stat_result:
        if path.name == "walk_beach_00.mp4":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return stat(path, **options)

    command = ["embed", str(videos / "walk" / "walk_beach_00.mp4"), str(videos / "spin"), "--model", str(model)]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", failing)
        assert main([*command, "-o", str(output)]) == 1
    assert "1 of 3 videos could not be read just now" in capsys.readouterr().err
    assert [Path(name).stem for name in read_embedded(output)["video"]] == ["spin_beach_00", "spin_bricks_00"]
    assert main([*command, "-o", str(output)]) == 0 and {*read_embedded(output)["status"]} == {"ok"}


@pytest.mark.parametrize("damage", ["short", "flat", "numbers", "none", "huge"])
def test_embed_videos_refuses_a_damaged_output_in_one_sentence(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path(shutil.copy(embedded, tmp_path / "out.h5"))
    with h5py.File(output, "r+") as file:
        name = {"short": "key", "flat": "features", "numbers": "status", "none": "reason", "huge": "embedding"}[damage]
        values = file[name][:]
        del file[name]
        if damage == "huge":  # a sparse terabyte
            file.create_dataset(name, (2**28, 1024), "f4", chunks=(1, 1024), compression="gzip")
        elif damage != "none":
            file[name] = {"short": values[:-1], "flat": values.ravel(), "numbers": np.arange(len(values))}[damage]
    command = ["embed", str(videos / "walk"), "--model", str(model), "-o", str(output), "--clips", "1"]
    assert main(command) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(f"error: {output}: the file is damaged") and message.endswith("or replace it by --force")
    assert main([*command, "--force"]) == 0


def test_embed_videos_does_not_add_to_a_file_of_another_model(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, output = write_model(tmp_path / "other.pt", seed=1), tmp_path / "out.h5"
    command = ["embed", str(videos / "walk"), "-o", str(output)]
    assert main([*command, "--model", str(model)]) == 0
    content = output.read_bytes()
    for options in (["--model", str(other)], ["--model", str(model), "--clips", "2"]):
        assert main([*command, *options]) == 1
        assert "another model, or with other --clips or --short-side; choose another name" in capsys.readouterr().err
    assert output.read_bytes() == content
    assert main([*command, "--model", str(other), "--force"]) == 0 and output.read_bytes() != content
    (tmp_path / "no.h5").write_bytes(b"")
    with h5py.File(tmp_path / "no.h5", "w") as file:
        file["a"] = 1
    assert main(["embed", str(videos / "walk"), "--model", str(model), "-o", str(tmp_path / "no.h5")]) == 1
    assert "it was not written by `dtc embed`" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_embed_videos_resumes_after_a_signal(
    videos: Path, model: Path, tmp_path: Path, ending: int, caplog: pytest.LogCaptureFixture
) -> None:
    copies = [shutil.copy(videos / "walk" / "walk_beach_00.mp4", tmp_path / f"{i:03d}.mp4") for i in range(100)]
    output, store = tmp_path / "out.h5", tmp_path / ".out.h5.store"
    arguments = ["embed", *map(str, copies), "--model", str(model), "-o", str(output)]
    command = [sys.executable, "-m", "workflow_scripts.cli", *arguments]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=default_signals)
    while not (store.exists() and store.stat().st_size):
        assert running.poll() is None
        time.sleep(0.005)
    running.send_signal(ending)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + ending and "error: interrupted" in errors and "Traceback" not in errors
    assert store.exists() and not output.exists()
    with RecordFile(store) as results:
        n_done = sum(results.read(str(copy)) is not None for copy in copies)
    assert 0 < n_done < len(copies)
    caplog.set_level("INFO", "workflow_scripts")
    assert main(arguments) == 0 and f"{n_done} of them already done" in caplog.text
    assert len(read_embedded(output)["video"]) == len(copies) and not store.exists()


def test_embed_videos_reports_a_mistake_in_one_sentence(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pt").write_text("no model")
    for command, sentence in (
        (["embed", str(tmp_path / "empty"), "--model", str(model), "-o", str(tmp_path / "o.h5")], "there is no video"),
        (["embed", str(videos), "--model", str(tmp_path / "text.pt"), "-o", str(tmp_path / "o.h5")], "cannot be read"),
        (["embed", str(videos), "--model", str(model), "-o", str(tmp_path / "o.txt")], "the name must end in .h5"),
    ):
        assert main(command) == 1
        lines = capsys.readouterr().err.strip().splitlines()
        assert sentence in lines[-1] and lines[-1].startswith("error: ")
