"""A trained network in use: its vectors are those that training is judged by; what is exported computes the same."""

import dataclasses
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

import idt_tools
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.settings import Architecture
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.pretraining.validation import embed_videos as embeddings_of_the_training
from workflow_scripts.representation.cli import main
from workflow_scripts.representation.export_model import export_model
from workflow_scripts.stage import StageError
from workflow_scripts.videos.generate import GeneratedSettings, generate_videos

SETTINGS = PretrainingSettings(depth=10, width=0.125, clip_length=8, size=32, embedding=16)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=1, frames=20, width=96, height=72
    )
    generate_videos(root, settings)
    return root


def write_model(path: Path, seed: int = 0, classes: int = 0) -> Path:
    """A model.pt of random weights and batch statistics, as the training writes it."""
    torch.manual_seed(seed)
    network = ResNet3D(SETTINGS.depth, classes or SETTINGS.embedding, SETTINGS.width)
    for name, weight in network.state_dict().items():
        if name.endswith("running_mean"):
            weight.normal_()
        elif name.endswith("running_var"):
            weight.uniform_(0.5, 2)
    saved = {"state_dict": network.state_dict(), "settings": dataclasses.asdict(SETTINGS), "run": "la", "seed": 0}
    bank = None if classes else torch.zeros(1, SETTINGS.embedding)
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
    settings = FramesSettings(short_side=37)  # 8 / 7 of 32
    results = [
        (str(i), encode_frames(idt_tools.read_video(Path(name)), settings)) for i, name in enumerate(found["video"])
    ]
    write_frames(tmp_path / "frames.h5", settings, "", results, {name: 25.0 for name, _ in results})
    pretrained = read_pretrained(model, Architecture())
    network = pretrained.network(SETTINGS.embedding, seed=0)
    assert pretrained.state_dict is not None
    network.load_state_dict(pretrained.state_dict)
    store = FrameStore([tmp_path / "frames.h5"])
    settings32 = dataclasses.replace(SETTINGS, precision="float32")
    expected = embeddings_of_the_training(network, store, [name for name, _ in results], settings32)
    expected = torch.nn.functional.normalize(expected, dim=1)
    np.testing.assert_allclose(found["embedding"], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found["features"], axis=1), 1, atol=1e-5)
    assert found["features"].shape == (4, 64)


def test_a_bad_video_is_a_row_and_more_videos_compute_themselves_alone(
    videos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(videos, tmp_path / "videos"))
    output = tmp_path / "out.h5"
    command = ["embed", str(root), "--model", str(model), "-o", str(output)]
    assert main(command) == 0
    before = read(output)
    (root / "broken.avi").write_text("no video")
    shutil.copy(root / "walk" / "walk_beach_00.mp4", root / "walk" / "copy.mp4")
    store = tmp_path / ".out.h5.store"
    size = store.stat().st_size
    assert main(command) == 1
    after = read(output)
    kept = [i for i, name in enumerate(after["video"]) if name in before["video"]]
    np.testing.assert_array_equal(after["features"][kept], before["features"])
    assert len(after["video"]) == 6 and store.stat().st_size < 2 * size
    bad = after["video"].tolist().index(str(root / "broken.avi"))
    assert after["status"][bad] == "unreadable" and after["reason"][bad] and not after["embedding"][bad].any()


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
    for command, sentence in (
        (["neighbours", "nobody", "--among", str(embedded)], "nobody: neither a video in"),
        (["neighbours", str(mine), "--among", str(embedded)], "give --model"),
        (["neighbours", str(mine), "--among", str(embedded), "--model", str(other)], "another network made"),
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


def test_what_is_exported_computes_the_same_without_this_code(model: Path, tmp_path: Path) -> None:
    assert main(["export", str(model), "-o", str(tmp_path / "exported")]) == 0
    saved = torch.load(model, weights_only=True)
    network = ResNet3D(SETTINGS.depth, SETTINGS.embedding, SETTINGS.width)
    network.load_state_dict(saved["state_dict"])
    network.eval()
    program = torch.export.load(tmp_path / "exported" / "backbone.pt2").module()
    told = json.loads((tmp_path / "exported" / "preprocessing.json").read_text())
    for batch in (1, 5):
        shape = (batch, 3, told["frames"], told["side"], told["side"])
        clips = 50 * torch.randn(shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            features, embedding = program(clips)
            expected: Tensor = network.features(clips)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(embedding, network.fc(expected).detach(), rtol=1e-4, atol=1e-4)
        assert told["outputs"] == {"features": features.shape[1], "embedding": embedding.shape[1]}
    weights = torch.load(tmp_path / "exported" / "backbone.pt", weights_only=True)
    network.load_state_dict(weights)


def test_a_damaged_model_raises_the_same_everywhere(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(StageError, match=r"bad\.pt cannot be read as weights"):
        export_model(tmp_path / "bad.pt", tmp_path)
