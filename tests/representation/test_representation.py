"""A trained network in use: its vectors are those that training is judged by; what is exported computes the same."""

import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
import pytest
import torch
from processes import default_signals
from torch import Tensor

import idt_tools
from workflow_scripts.cli import main
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.ground.record_file import RecordFile
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.pretraining.validation import embed_videos as embeddings_of_the_training
from workflow_scripts.representation.export_model import export_model
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

SETTINGS = PretrainingSettings(depth=10, width=0.125, clip_length=8, crop_size=32, embedding_dim=16)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=1, frames=20, width=96, height=72
    )
    generate_videos(root, settings)
    return root


def write_model(
    path: Path, seed: int = 0, classes: int = 0, shortcut: str = "B", clip_length: int = SETTINGS.clip_length
) -> Path:
    """A model.pt of random weights and batch statistics, as the training writes it."""
    torch.manual_seed(seed)
    network = ResNet3D(SETTINGS.depth, classes or SETTINGS.embedding_dim, SETTINGS.width, shortcut)
    for name, weight in network.state_dict().items():
        if name.endswith("running_mean"):
            weight.normal_()
        elif name.endswith("running_var"):
            weight.uniform_(0.5, 2)
    settings = dataclasses.asdict(SETTINGS) | {"shortcut": shortcut, "clip_length": clip_length}
    saved = {"state_dict": network.state_dict(), "settings": settings, "run": "la", "seed": 0}
    bank = None if classes else torch.zeros(1, SETTINGS.embedding_dim)
    torch.save(saved | {"video_ids": ["a"], "bank": bank, "labels": None, "history": [], "classes": []}, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.pt")


@pytest.fixture(scope="module")
def embedded(videos: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("embedded") / "all.h5"
    assert main(["embed", str(videos), "--model", str(model), "-o", str(output), "--clips", "1"]) == 0
    return output


def read(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        texts = {name: file[name].asstr()[:] for name in ("video", "status", "reason")}
        return texts | {name: file[name][:] for name in file if name not in texts}


def test_a_network_that_overflows_is_a_failure(videos: Path, model: Path, tmp_path: Path) -> None:
    """Its weights are finite and its vectors are not: never zeros with the status ok."""
    saved = torch.load(model, weights_only=True)
    saved["state_dict"]["layer4.0.bn2.weight"].fill_(3e38)
    torch.save(saved, tmp_path / "model.pt")
    output = tmp_path / "all.h5"
    video = next(videos.rglob("*.mp4"))
    assert main(["embed", str(video), "--model", str(tmp_path / "model.pt"), "-o", str(output), "--clips", "1"]) == 1
    with h5py.File(output) as file:
        assert file["status"].asstr()[:].tolist() == ["not_finite"] and "features" not in file


def test_one_clip_gives_what_the_training_is_judged_by(
    videos: Path, model: Path, embedded: Path, tmp_path: Path
) -> None:
    found = read(embedded)
    assert sorted(found["video"]) == sorted(str(path) for path in videos.rglob("*.mp4")) and {*found["status"]} == {
        "ok"
    }
    settings = FramesSettings(short_side=69)  # 15 / 7 of 32
    results = [
        (str(i), encode_frames(idt_tools.read_video(Path(name)), settings)) for i, name in enumerate(found["video"])
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
    np.testing.assert_allclose(found["embedding"], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found["features"], axis=1), 1, atol=1e-5)
    assert found["features"].shape == (4, 64)


def test_a_file_keeps_the_videos_of_earlier_calls_and_computes_what_it_lacks(
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
    before = read(output)
    (root / "broken.avi").write_text("no video")
    copy = Path(shutil.copy(root / "walk" / "walk_beach_00.mp4", root / "spin" / "copy.mp4"))
    assert embed(root / "spin", root / "broken.avi", code=1) == [
        "broken.avi",
        "copy.mp4",
        "spin_beach_00.mp4",
        "spin_bricks_00.mp4",
    ]
    after = read(output)
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
    found = read(output)
    place = {Path(name).name: i for i, name in enumerate(found["video"])}
    np.testing.assert_array_equal(found["features"][place["copy.mp4"]], found["features"][place["spin_bricks_00.mp4"]])
    options.append("--force")
    assert embed(copy) == ["copy.mp4"] and read(output)["video"].tolist() == [str(copy)]


def test_a_video_that_the_system_cannot_read_keeps_what_is_there_and_stops_no_other(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, output = tmp_path / "mine.mp4", tmp_path / "out.h5"
    shutil.copy2(videos / "spin" / "spin_bricks_00.mp4", mine)
    command = ["embed", str(mine), str(videos / "walk"), "--model", str(model), "-o", str(output)]
    mine.rename(tmp_path / "away")
    assert main(command) == 1
    message = capsys.readouterr().err
    assert f"1 of 3 videos could not be read just now ({mine}: there is no such file)" in message
    assert "--forcerun" not in message, "which is no option of dtc"
    assert len(read(output)["video"]) == 2
    (tmp_path / "away").rename(mine)
    assert main(command) == 0
    before = read(output)
    assert len(before["video"]) == 3 and {*before["status"]} == {"ok"}
    mine.unlink()
    assert main(command) == 1
    np.testing.assert_array_equal(read(output)["features"], before["features"])


def test_a_video_whose_size_the_system_does_not_tell_stops_no_other(
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
    assert [Path(name).stem for name in read(output)["video"]] == ["spin_beach_00", "spin_bricks_00"]
    assert main([*command, "-o", str(output)]) == 0 and {*read(output)["status"]} == {"ok"}


@pytest.mark.parametrize("damage", ["short", "flat", "numbers", "none", "huge"])
def test_a_damaged_output_is_one_sentence(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path(shutil.copy(embedded, tmp_path / "out.h5"))
    with h5py.File(output, "r+") as file:
        name = {"short": "key", "flat": "features", "numbers": "status", "none": "reason", "huge": "embedding"}[damage]
        values = file[name][:]
        del file[name]
        if damage == "huge":  # a terabyte that takes no room
            file.create_dataset(name, (2**28, 1024), "f4", chunks=(1, 1024), compression="gzip")
        elif damage != "none":
            file[name] = {"short": values[:-1], "flat": values.ravel(), "numbers": np.arange(len(values))}[damage]
    command = ["embed", str(videos / "walk"), "--model", str(model), "-o", str(output), "--clips", "1"]
    assert main(command) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(f"error: {output}: it is damaged") and message.endswith("or --force to make it anew")
    assert main([*command, "--force"]) == 0


def test_what_another_model_made_is_not_added_to(
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
def test_a_stopped_call_goes_on(videos: Path, model: Path, tmp_path: Path, ending: int) -> None:
    copies = [shutil.copy(videos / "walk" / "walk_beach_00.mp4", tmp_path / f"{i:03d}.mp4") for i in range(100)]
    output, store = tmp_path / "out.h5", tmp_path / ".out.h5.store"
    module = "workflow_scripts.cli"
    command = [sys.executable, "-m", module, "embed", *copies, "--model", model, "-o", output]
    running = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, preexec_fn=default_signals)
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
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"{n_done} of them already done" in done.stderr
    assert len(read(output)["video"]) == len(copies) and not store.exists()


def test_neighbours_are_those_of_a_sorted_product(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read(embedded)
    for space in ("embedding", "features"):
        assert main(["neighbours", "walk_beach_00", "--among", str(embedded), "-n", "3", "--space", space]) == 0
        lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        own = next(i for i, name in enumerate(found["video"]) if name.endswith("walk_beach_00.mp4"))
        cosines = found[space] @ found[space][own]
        others = sorted((i for i in range(4) if i != own), key=lambda i: -cosines[i])
        assert [name for _, name in lines] == [found["video"][i] for i in others]
        assert [float(cosine) for cosine, _ in lines] == pytest.approx([cosines[i] for i in others], abs=1e-4)
    other = shutil.copy(videos / "spin" / "spin_bricks_00.mp4", tmp_path / "mine.mp4")
    assert main(["neighbours", str(other), "--among", str(embedded), "-n", "1", "--model", str(model)]) == 0
    cosine, name = capsys.readouterr().out.split()
    assert float(cosine) == pytest.approx(1, abs=1e-4) and name.endswith("spin_bricks_00.mp4")


def test_mistakes_are_one_sentence(
    videos: Path, model: Path, embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_model(tmp_path / "other.pt", seed=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pt").write_text("no model")
    mine = shutil.copy(videos / "walk" / "walk_beach_00.mp4", tmp_path / "mine.mp4")
    damaged = Path(shutil.copy(embedded, tmp_path / "damaged.h5"))
    with h5py.File(damaged, "r+") as file:
        del file.attrs["parameters"]
    for command, sentence in (
        (["neighbours", "nobody", "--among", str(embedded)], "nobody: neither a video in"),
        (["neighbours", str(mine), "--among", str(embedded)], "give --model"),
        (["neighbours", str(mine), "--among", str(embedded), "--model", str(other)], "another network made"),
        (["neighbours", str(mine), "--among", str(damaged), "--model", str(model)], "parameters cannot be read"),
        (["neighbours", "x", "--among", str(tmp_path / "none.h5")], "there is no such file"),
        (["embed", str(tmp_path / "empty"), "--model", str(model), "-o", str(tmp_path / "o.h5")], "there is no video"),
        (["embed", str(videos), "--model", str(tmp_path / "text.pt"), "-o", str(tmp_path / "o.h5")], "cannot be read"),
        (["embed", str(videos), "--model", str(model), "-o", str(tmp_path / "o.txt")], "the name must end in .h5"),
    ):
        assert main(command) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert sentence in told[-1] and told[-1].startswith("error: ")


def test_a_supervised_network_has_features_alone(videos: Path, tmp_path: Path) -> None:
    supervised = write_model(tmp_path / "supervised.pt", classes=3)
    assert main(["embed", str(videos / "walk"), "--model", str(supervised), "-o", str(tmp_path / "o.h5")]) == 0
    assert "embedding" not in read(tmp_path / "o.h5")
    assert main(["neighbours", "walk_beach_00", "--among", str(tmp_path / "o.h5"), "--space", "embedding"]) == 1


@pytest.mark.parametrize(
    ("shortcut", "length", "least", "most"), [("A", 8, 5, 8), ("B", 16, 9, 16), ("B", 20, 17, None), ("B", 1, 1, 1)]
)
def test_what_is_exported_computes_the_same_without_this_code(
    tmp_path: Path, shortcut: str, length: int, least: int, most: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path / "model.pt", shortcut=shortcut, clip_length=length)
    folder = tmp_path / "exported"
    assert main(["export", str(model), "-o", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == sorted(map(str, folder.iterdir()))
    saved = torch.load(model, weights_only=True)
    network = ResNet3D(SETTINGS.depth, SETTINGS.embedding_dim, SETTINGS.width, shortcut)
    network.load_state_dict(saved["state_dict"])
    network.eval()
    program = torch.export.load(folder / "backbone.pt2").module()
    told = json.loads((folder / "preprocessing.json").read_text())
    assert (told["network"]["least_frames"], told["network"]["most_frames"]) == (least, most)
    for batch, frames in ((1, length), (5, length), (2, least), (2, most or 50)):
        shape = (batch, 3, frames, told["input"]["side"], told["input"]["side"])
        clips = 50 * torch.randn(shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            features, embedding = program(clips)
            expected: Tensor = network.features(clips)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(embedding, network.fc(expected).detach(), rtol=1e-4, atol=1e-4)
        sizes = {"features": features.shape[1], "embedding": embedding.shape[1]}
        assert told["network"]["sizes"] == sizes and told["network"]["outputs"] == list(sizes)
    weights = torch.load(folder / "backbone.pt", weights_only=True)
    network.load_state_dict(weights)


def described_vectors(video: Path, folder: Path) -> dict[str, np.ndarray]:
    """The vectors of a video by what the exported files say, with other libraries alone."""
    told = json.loads((folder / "preprocessing.json").read_text())
    stored, clips, given = told["stored"], told["clips"], told["input"]
    frames = []
    with av.open(str(video)) as container:
        for decoded in container.decode(video=0):
            rgb = torch.from_numpy(decoded.to_ndarray(format="rgb24")).permute(2, 0, 1)[None]
            scale = stored["short_side"] / min(rgb.shape[2:])
            size = tuple(round(side * scale) for side in rgb.shape[2:])
            small = torch.nn.functional.interpolate(rgb, size, mode="bilinear", antialias=True)
            bgr = small[0].permute(1, 2, 0).numpy()[..., ::-1]
            quality = [cv2.IMWRITE_JPEG_QUALITY, stored["jpeg_quality"]]
            jpeg = cv2.imencode(".jpg", np.ascontiguousarray(bgr), quality)[1]
            frames.append(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1].copy())
    room = max(len(frames) - clips["frames"], 0)
    starts = [int(room * (2 * i + 1) / (2 * clips["number"])) for i in range(clips["number"])]
    height, width = frames[0].shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    program = torch.export.load(folder / "backbone.pt2").module()
    of_clips: dict[str, list[Tensor]] = {name: [] for name in told["network"]["outputs"]}
    for start in starts:
        chosen = np.stack([frames[(start + t) % len(frames)] for t in range(clips["frames"])])
        square = torch.from_numpy(chosen[:, top : top + side, left : left + side]).permute(0, 3, 1, 2).float()
        values = torch.nn.functional.interpolate(square, (given["side"],) * 2, mode="bilinear", antialias=True)
        values = values - torch.tensor(given["mean"])[:, None, None]
        with torch.no_grad():
            for name, output in zip(told["network"]["outputs"], program(values.transpose(0, 1)[None]), strict=True):
                of_clips[name].append(output[0])
    unit = torch.nn.functional.normalize
    features = torch.stack(of_clips["features"]).mean(dim=0)
    vectors = {"features": unit(features, dim=0).numpy()}
    if "embedding" in told["vectors"]:
        rows = unit(torch.stack(of_clips["embedding"]), dim=1)
        vectors["embedding"] = unit(rows.mean(dim=0), dim=0).numpy()
    assert list(vectors) == list(told["vectors"])
    return vectors


@pytest.mark.parametrize("classes", [0, 3])
def test_the_exported_description_is_enough_to_give_the_vectors_of_embed(
    videos: Path, shared: Path, tmp_path: Path, classes: int
) -> None:
    model, output = write_model(tmp_path / "model.pt", classes=classes), tmp_path / "out.h5"
    real = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"
    named = [videos / "walk" / "walk_beach_00.mp4", real]
    assert main(["export", str(model), "-o", str(tmp_path / "exported")]) == 0
    assert main(["embed", *map(str, named), "--model", str(model), "-o", str(output)]) == 0
    found = read(output)
    for video in named:
        row = found["video"].tolist().index(str(video))
        for name, vector in described_vectors(video, tmp_path / "exported").items():
            np.testing.assert_allclose(vector, found[name][row], atol=1e-5)


def test_a_damaged_model_raises_the_same_everywhere(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(StageError, match=r"bad\.pt cannot be read as weights"):
        export_model(tmp_path / "bad.pt", tmp_path)
