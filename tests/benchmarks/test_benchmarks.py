"""The benchmarks at a small size: what they print, and bounds that hold at any size."""

import math
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import idt_tools
from benchmarks import (
    clusters,
    codebook,
    frames,
    idt_features,
    people_mask,
    persons_skip,
    pretraining,
    training_free,
)
from idt_tools import columns
from workflow_scripts.encoding.fit_codebook import fit_pca
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.settings import PretrainingSettings
from workflow_scripts.synthetic.settings import GeneratedSettings

REPOSITORY = Path(__file__).parents[2]


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_codebook_against_scikit_learn_likelihoods_agree():
    settings = EncodingSettings(components=8)
    result = codebook.against_scikit_learn(codebook.descriptors(4000), settings, rows=2000, threads=1)
    assert result.rows == 2000
    assert result.worse <= 0.001
    assert math.isfinite(result.ratio) and result.ratio > 0


def test_codebook_descriptors_resemble_real_ones():
    rows = np.concatenate(codebook.descriptors(6000))
    assert rows.shape == (6000, 426) and rows.dtype == np.float16
    shares = rows[:, columns.HOF].astype(np.float32).reshape(-1, 9) ** 2
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=0.01)
    assert 110 < len(fit_pca([rows], 0.9)[1]) < 140  # 123 for 60 real clips


def test_codebook_prints_times_memory_and_likelihood():
    printed = run("codebook", "--rows", 2000, "--components", 4, "--slice", 1000)
    assert re.search(r"whole fit: \d+\.\d+ minutes .*, \d\.\d+ GiB", printed)
    assert re.search(r"s  mixture: log-likelihood .* after \d+ EM steps", printed)
    assert re.search(r"worse by -?\d\.\d{4}%", printed)


def test_clusters_compare_objectives_agree():
    results = clusters.compare(clusters.sketches(1500, 40), k=20, iterations=10)
    assert [result.name for result in results] == ["faiss", "torch", "scikit-learn"]
    assert all(result.excess <= 0.001 and result.seconds > 0 for result in results)
    assert min(result.excess for result in results) == 0


def test_clusters_prints_the_time_of_the_full_size():
    printed = run("clusters", "--points", 1000, "--k", 10, "--iterations", 2)
    assert len(re.findall(r"235,000 videos, K = 6,000: \d+\.\d hours per run", printed)) == 3


def test_frames_compare_store_and_videos_have_the_same_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    videos = [frames.generate(tmp_path / f"{n}.mp4", seed=n, n_frames=40, size=(96, 64)) for n in range(2)]
    result = frames.compare(videos, tmp_path / "frames.h5", short_side=48, clips=10)
    frames.print_parts(FrameStore([tmp_path / "frames.h5"]), clips=10)
    _, *parts, ratios = capsys.readouterr().out.splitlines()
    assert len(parts) == 6 and all(float(part.split()[-1]) >= 0 for part in parts)
    cropped, loaded = (1 / sum(float(part.split()[-1]) for part in parts[:n]) for n in (3, 5))
    assert [float(ratio) for ratio in re.findall(r"(\S+) x", ratios)] == pytest.approx([cropped, loaded], rel=0.1)
    assert result.difference < 4  # another frame differs by more than 10
    assert math.isfinite(result.ratio) and min(result.from_store, result.crops, result.from_videos, result.written) > 0
    assert result.megabytes > 0 and result.video_megabytes > 0


def test_persons_skip_carried_boxes_agree_more_than_repeated_ones():
    settings = GeneratedSettings(frames=25, width=96, height=72)
    videos = persons_skip.generate(4, settings)
    for videos_of_people in (videos, persons_skip.in_pairs(videos, distance=24)):
        every, carried, repeated = (persons_skip.Agreement() for _ in range(3))
        for video in videos_of_people:
            every.add(video, *persons_skip.carry(video, stride=1, adaptive=0))
            carried.add(video, *persons_skip.carry(video, stride=6, adaptive=0))
            repeated.add(video, persons_skip.repeat(video, stride=6), n_detected=5)
        assert set(every.iou) == set(every.covered) == {1} and every.n_detected == every.n_frames == 100
        assert carried.n_detected == 20
        for measure in ("iou", "covered"):
            assert 0.5 < np.mean(getattr(repeated, measure)) < np.mean(getattr(carried, measure)) < 1


def test_persons_skip_prints_a_row_per_stride_and_threshold(shared: Path):
    printed = run("persons_skip", shared / "videos/ut_interaction_set1/punch/44_8_4.avi", "--frames", 30)
    rows = re.findall(r"^ +(\d+) +(\d+\.?\d*) +(\d\.\d{3})  (\d\.\d{3})", printed, re.MULTILINE)
    assert len(rows) == len(persons_skip.WAYS)
    by_way = {(int(stride), float(adaptive)): (float(share), float(iou)) for stride, adaptive, share, iou in rows}
    assert by_way[1, 0] == (1, 1) and 0.3 < by_way[3, 0][0] < 0.4
    shares = [by_way[1, adaptive][0] for stride, adaptive in persons_skip.WAYS if stride == 1]
    assert shares == sorted(shares, reverse=True) and shares[-1] < 0.5


def test_people_mask_cut_crops_image_box_and_motion():
    settings = GeneratedSettings(frames=4, width=400, height=300)
    whole = list(people_mask.render_with_truth("walk", "city", 0, settings))
    cut = [people_mask.cut(frame, 20 + 3 * t, 10) for t, frame in enumerate(whole)]
    place = np.array([900.0, 500, 1])  # in the painted scene
    for t, (frame, part) in enumerate(zip(whole, cut, strict=True)):
        np.testing.assert_allclose((frame.camera - part.camera) @ place, [20 + 3 * t, 10, 0], atol=1e-9)
        assert np.array_equal(part.image, frame.image[10:250, 20 + 3 * t : 340 + 3 * t])
        x1, y1, x2, y2 = part.box
        assert 0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 240
    moved = people_mask.true_motion(cut)[0][100, 50]
    start = np.linalg.inv(cut[0].camera) @ (50, 100, 1)
    np.testing.assert_allclose(moved, (cut[1].camera @ start)[:2] - (50, 100), atol=1e-6)


def test_people_mask_effect_reduces_errors_for_a_large_person():
    frames = people_mask.film("walk", "city", 0, "more than half", n_frames=16)
    boxes = people_mask.true_boxes(frames)
    effect = people_mask.mask_effect([frame.image for frame in frames], boxes, people_mask.true_motion(frames))
    assert effect.covered > 0.5
    for error in (effect.background_error, effect.people_error):
        assert error.masked < 0.3 < 1 < error.unmasked


def test_people_mask_prints_a_table_and_writes_a_dataset(tmp_path: Path):
    printed = run("people_mask", "--videos", 2, "--frames", 17, "--sizes", "little", "-o", tmp_path)
    assert re.search(
        r"^people fill little, boxes: truth \(2 videos; 1\.00 boxes per frame, \d+% of it\)$", printed, re.M
    )
    assert re.search(r"^background error +\d\.\d{3} +\d\.\d{3} +[+-]\d\.\d{3}  \(.* to .*\)$", printed, re.M)
    assert "boxes: hog" in printed
    videos = [line.split(",") for line in (tmp_path / "little/manifest.csv").read_text().splitlines()]
    assert videos[0] == ["path", "label", "group"] and len(videos) == 3
    for path, label, _ in videos[1:]:
        frames = list(idt_tools.read_video(tmp_path / "little" / path))
        boxes = idt_tools.read_bb((tmp_path / "little/boxes" / path).with_suffix(".bb"))
        assert Path(path).parent.name == label and len(frames) == len(boxes) == 17


def test_persons_prints_speeds_and_decoding_times():
    printed = run("persons", "--detectors", "hog", "--n-videos", 2, "--n-frames", 6, "--n-plain", 2, "--threads", 2)
    assert re.search(r"hog on \d+ cores; 2 videos, 2 threads", printed)
    rows = re.findall(r"^ *(plain|\d+) +(\d+\.\d\d) +(\d+\.\d) %$", printed, re.MULTILINE)
    assert [row[0] for row in rows] == ["plain", "1", "5", "10"]
    assert all(float(frames) > 0 and 0 < float(decoding) < 100 for _, frames, decoding in rows)


def test_idt_features_svm_accuracy_counts_missing_vectors_as_errors(tmp_path: Path):
    names = [f"{label}_{group}" for label in "ab" for group in "xyz"]
    splits = [
        {"split": str(number), "video_id": name, "part": "test" if name.endswith(group) else "train", "label": name[0]}
        for number, group in enumerate("xyz")
        for name in names
    ]
    vectors = {name: np.array([name[0] == "a", name[0] == "b", 0.1]) for name in names}
    assert idt_features.svm_accuracy(vectors, splits) == 1
    del vectors["a_x"]  # without trajectories
    assert idt_features.svm_accuracy(vectors, splits) == 5 / 6


def test_idt_features_track_uses_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    lines = ["path,label,group"]
    for n in range(4):
        frames.generate(tmp_path / f"{n}.mp4", seed=n, n_frames=25, size=(96, 64))
        lines.append(f"{n}.mp4,{'ab'[n % 2]},{n // 2}")
    manifest, cache = tmp_path / "videos.csv", tmp_path / "cache"
    manifest.write_text("\n".join(lines))
    caplog.set_level("DEBUG")
    for computed in (True, False):
        idt_features.track(tmp_path, manifest, cache, "none")
        assert ("computed" in caplog.text) == computed
        caplog.clear()
    options = ["--boxes", "none", "--components", 2, "--channels", "hog", "--descriptors", 50, "--seeds", 2]
    printed = run("idt_features", tmp_path, manifest, "-o", cache, *options)
    assert re.search(r"none +2  all +\d+ +\d+\.\d +\d+\.\d \d+\.\d ", printed)
    assert re.search(r"none +2  hog +\d+ ", printed)


def test_pretraining_prints_speeds_waiting_and_memory_with_few_packages():
    """On a machine with only torch, numpy, h5py and OpenCV."""
    blocked = ["pandas", "yaml", "av", "sklearn", "faiss", "snakemake", "scipy", "matplotlib", "jsonschema"]
    options = ["", "--short", "--frames", "16", "24", "--batch", "2"]
    script = f"import sys; sys.modules.update(dict.fromkeys({blocked})); sys.argv = {options}\n"
    script += "from benchmarks.pretraining import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    assert re.search(r"TFLOP/s in float32, \d+\.\d+ in bfloat16", printed)
    assert re.findall(r"(\d+) x 32 x 32, \S+ GFLOP per clip", printed) == ["16", "24"]
    assert len(re.findall(r"^plain.* +2 +\S+ +1\.00 ", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"^ours.* +\d+\.\d\d +\d+ .*%", printed, re.MULTILINE)) >= 4
    assert re.search(r"loaded and trained on +\S+ clips/s, .* \d+\.\d% of the time waiting for data", printed)
    assert re.search(r"^local aggregation, with gradient +\S+ +-?\d+$", printed, re.MULTILINE)
    assert "N = 2,000 x 128" in printed and "the bank 1.0 MiB" in printed


def test_pretraining_flops_of_a_clip_of_r3d_18():
    assert pretraining.flops_of_a_clip(PretrainingSettings(), 16) == pytest.approx(43.2e9, rel=0.01)


def test_training_free_appearance_ignores_the_order_of_frames_and_flow_ignores_colors() -> None:
    texture = np.random.default_rng(0).integers(0, 200, (64, 96, 3), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2)
    right = np.stack([np.roll(texture, 2 * t, axis=1) for t in range(6)])
    for describe in (training_free.color_histogram, training_free.mean_frame):
        np.testing.assert_allclose(describe(right), describe(right[::-1]), atol=1e-5)
    assert np.sum(training_free.color_histogram(right) ** 2) == pytest.approx(1)
    np.testing.assert_allclose(
        training_free.mean_frame(right), training_free.mean_frame(right + np.uint8(9)), atol=1e-4
    )
    to_right, to_left = training_free.flow_histogram(right), training_free.flow_histogram(right[::-1])
    assert {int(to_right.argmax())} <= {0, 7} and {int(to_left.argmax())} <= {3, 4}
    grey = np.repeat(right.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    assert np.corrcoef(to_right, training_free.flow_histogram(grey))[0, 1] > 0.98
