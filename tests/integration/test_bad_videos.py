"""Broken and odd files get a status and a reason; the good files beside them are processed."""

import csv
from pathlib import Path
from typing import Any

import h5py
from workflow import Workflow

from idt_tools.attributes import read_attributes

# Where each file of ../shared/videos/bad gets its status, and which.
EXPECTED = {
    "zero_length": ("index", "unreadable"),
    "text_as_video": ("index", "unreadable"),
    "header_only": ("index", "unreadable"),
    "audio_only": ("index", "no_video_stream"),
    "truncated_40pct": ("trajectories", "truncated"),
    "corrupted": ("trajectories", "ok"),  # two of its 50 frames are damaged and skipped
    "frames_01": ("trajectories", "too_short"),
    "frames_15": ("trajectories", "too_short"),
    "tiny_24x18": ("trajectories", "too_small"),
    "static_gray": ("trajectories", "no_trajectories"),
    "frames_16": ("trajectories", "no_trajectories"),  # its 5,356 tracks are removed: all people stand still
    "grayscale": ("trajectories", "ok"),
    "odd_size_161x121": ("trajectories", "no_trajectories"),  # its 2,539 tracks are removed: all people stand still
    "vfr": ("trajectories", "ok"),
}


def test_pipeline_status_of_bad_files(tmp_path: Path, shared: Path, tiny_config: dict[str, Any]) -> None:
    dataset = {"layout": "folder", "root": str(shared / "videos" / "bad"), "shards": 2}
    config = {**tiny_config, "datasets": {"tiny": dataset}, "evaluation": {"datasets": []}, "max_failed_fraction": 0.8}
    workflow = Workflow(tmp_path, config)
    output = workflow.run("results/pretraining/videos/idt/all.tsv")
    assert "Traceback" not in output

    with open(tmp_path / "results/tiny/videos/index.tsv") as file:
        index = {Path(row["path"]).stem: row for row in csv.DictReader(file, delimiter="\t")}
    assert set(index) == set(EXPECTED)
    outcomes = {}
    for path in (tmp_path / "results/tiny/trajectories/idt").glob("*.h5"):
        with h5py.File(path) as file:
            for name, group in file.items():
                attributes = read_attributes(group)
                outcomes[name] = (attributes["status"], attributes["reason"], len(group["info"]))
    for stem, (place, status) in EXPECTED.items():
        row = index[stem]
        if place == "index":
            assert row["status"] == status and len(row["reason"]) > 10, row
            assert row["video_id"] not in outcomes
        else:
            assert row["status"] == "ok", row
            outcome, reason, n_trajectories = outcomes[row["video_id"]]
            assert outcome == status, (stem, outcome, reason)
            assert (n_trajectories > 0) == (status == "ok") and (len(reason) > 10) == (status != "ok")

    with open(tmp_path / "results/pretraining/videos/idt/all.tsv") as file:
        used = {row["video_id"] for row in csv.DictReader(file, delimiter="\t")}
    assert used == {index[stem]["video_id"] for stem, (_, status) in EXPECTED.items() if status == "ok"}


def test_pipeline_stops_if_too_many_videos_fail(tmp_path: Path, shared: Path, tiny_config: dict[str, Any]) -> None:
    dataset = {"layout": "folder", "root": str(shared / "videos" / "bad"), "shards": 2}
    config = {**tiny_config, "datasets": {"tiny": dataset}, "evaluation": {"datasets": []}, "max_failed_fraction": 0.1}
    done = Workflow(tmp_path, config).snakemake("results/pretraining/videos/idt/all.tsv")
    assert done.returncode != 0
    assert "4 of 14 videos failed, more than max_failed_fraction = 0.1" in done.stderr
