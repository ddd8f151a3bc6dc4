"""`dtc export`: the exported network and its description compute the vectors of `dtc embed` without this code."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from embedded_files import SETTINGS, read_embedded, write_model
from torch import Tensor

from workflow_scripts.cli import main
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.representation.export_model import export_model

pytestmark = pytest.mark.slow  # compiles networks


@pytest.mark.parametrize(
    ("shortcut", "length", "least", "most"), [("A", 8, 5, 8), ("B", 16, 9, 16), ("B", 20, 17, None), ("B", 1, 1, 1)]
)
def test_export_model_computes_the_same_without_this_code(
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
    description = json.loads((folder / "preprocessing.json").read_text())
    assert (description["network"]["least_frames"], description["network"]["most_frames"]) == (least, most)
    for batch, frames in ((1, length), (5, length), (2, least), (2, most or 50)):
        shape = (batch, 3, frames, description["input"]["side"], description["input"]["side"])
        clips = 50 * torch.randn(shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            features, embedding = program(clips)
            expected: Tensor = network.features(clips)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(embedding, network.fc(expected).detach(), rtol=1e-4, atol=1e-4)
        sizes = {"features": features.shape[1], "embedding": embedding.shape[1]}
        assert description["network"]["sizes"] == sizes and description["network"]["outputs"] == list(sizes)
    weights = torch.load(folder / "backbone.pt", weights_only=True)
    network.load_state_dict(weights)


def described_vectors(video: Path, folder: Path) -> dict[str, np.ndarray]:
    """The vectors of a video, computed as the exported files describe, without this code."""
    description = json.loads((folder / "preprocessing.json").read_text())
    stored, clips, network_input = description["stored"], description["clips"], description["input"]
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
    most_start = max(len(frames) - ((clips["frames"] - 1) * clips["interval"] + 1), 0)
    starts = [int(most_start * (2 * i + 1) / (2 * clips["number"])) for i in range(clips["number"])]
    height, width = frames[0].shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    program = torch.export.load(folder / "backbone.pt2").module()
    outputs: dict[str, list[Tensor]] = {name: [] for name in description["network"]["outputs"]}
    for start in starts:
        chosen = np.stack([frames[(start + t * clips["interval"]) % len(frames)] for t in range(clips["frames"])])
        square = torch.from_numpy(chosen[:, top : top + side, left : left + side]).permute(0, 3, 1, 2).float()
        values = torch.nn.functional.interpolate(square, (network_input["side"],) * 2, mode="bilinear", antialias=True)
        values = values - torch.tensor(network_input["mean"])[:, None, None]
        with torch.no_grad():
            for name, output in zip(
                description["network"]["outputs"], program(values.transpose(0, 1)[None]), strict=True
            ):
                outputs[name].append(output[0])
    normalize = torch.nn.functional.normalize
    features = torch.stack(outputs["features"]).mean(dim=0)
    vectors = {"features": normalize(features, dim=0).numpy()}
    if "embedding" in description["vectors"]:
        rows = normalize(torch.stack(outputs["embedding"]), dim=1)
        vectors["embedding"] = normalize(rows.mean(dim=0), dim=0).numpy()
    assert list(vectors) == list(description["vectors"])
    return vectors


@pytest.mark.parametrize(("classes", "interval"), [(0, 1), (3, 4)])
def test_export_model_describes_how_to_compute_the_vectors_of_embed_videos(
    videos: Path, shared: Path, tmp_path: Path, classes: int, interval: int
) -> None:
    model, output = tmp_path / "model.pt", tmp_path / "out.h5"
    write_model(model, classes=classes, frame_interval=interval)
    real_video = shared / "videos" / "ut_interaction_set1" / "punch" / "44_8_4.avi"
    paths = [videos / "walk" / "walk_beach_00.mp4", real_video]
    assert main(["export", str(model), "-o", str(tmp_path / "exported")]) == 0
    assert main(["embed", *map(str, paths), "--model", str(model), "-o", str(output)]) == 0
    rows = read_embedded(output)
    for video in paths:
        row = rows["video"].tolist().index(str(video))
        for name, vector in described_vectors(video, tmp_path / "exported").items():
            np.testing.assert_allclose(vector, rows[name][row], atol=1e-5)


def test_export_model_refuses_a_damaged_model(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(StageError, match=r"bad\.pt cannot be read as weights"):
        export_model(tmp_path / "bad.pt", tmp_path)
