"""A folder of videos that grows and changes: only new and changed videos are computed."""

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from workflow import Workflow

from workflow_scripts.ground.identity import video_id
from workflow_scripts.synthetic.generate import generate_videos, write_video
from workflow_scripts.synthetic.settings import GeneratedSettings

TARGET = "results/pretraining/videos/idt/all.tsv"  # frames and sketches of every video
NOUNS = ("videos", "trajectories", "encoding", "frames")


@pytest.fixture
def growing(tmp_path: Path, tiny_config: dict[str, Any]) -> tuple[Workflow, Path]:
    """A workflow over 8 videos, run up to the sketches, and a ninth video beside their folder."""
    settings = GeneratedSettings(
        motions=("wave", "walk", "spin"), scenes=("bricks",), per_pair=3, frames=22, width=128, height=96
    )
    generate_videos(tmp_path / "made", settings)
    shutil.move(tmp_path / "made" / "walk" / "walk_bricks_02.mp4", tmp_path / "ninth.mp4")
    dataset = {"layout": "folder", "root": "made", "shards": 3}
    config = {**tiny_config, "datasets": {"tiny": dataset}, "evaluation": {"datasets": []}}
    workflow = Workflow(tmp_path, config)
    workflow.run(TARGET)
    return workflow, tmp_path / "ninth.mp4"


def _trajectories(workflow: Workflow) -> dict[str, bytes]:
    descriptors = {}
    for path in sorted((workflow.folder / "results/tiny/trajectories/idt").glob("*.h5")):
        with h5py.File(path) as file:
            descriptors |= {name: group["descriptors"][:].tobytes() for name, group in file.items()}
    return descriptors


def test_added_replaced_and_removed_video(growing: tuple[Workflow, Path]) -> None:
    workflow, ninth = growing
    folder = workflow.folder / "made" / "walk"
    codebook = workflow.folder / "results/tiny/codebook/idt/joint.h5"
    before, fitted = _trajectories(workflow), codebook.stat().st_mtime_ns
    assert len(before) == 8 and {len(workflow.computed(noun)) for noun in NOUNS} == {8}

    shutil.copy(ninth, folder / "ninth.mp4")
    workflow.run(TARGET)
    added = video_id("walk/ninth.mp4")
    for noun in NOUNS:
        assert set(workflow.computed(noun)) - set(before) == {added}, noun
    changed_logs = [
        path for path in (workflow.folder / "results/logs/trajectories").rglob("*.log") if added in path.read_text()
    ]
    assert [path.read_text().count(": computed ") for path in changed_logs] == [1]
    after = _trajectories(workflow)
    assert {name: after[name] for name in before} == before and set(after) - set(before) == {added}
    assert codebook.stat().st_mtime_ns == fitted, "the sample and the codebook are frozen"

    # Replacing a file in place does not change the time of its folder, so the rule is forced by name.
    shutil.copy(folder / "walk_bricks_00.mp4", folder / "ninth.mp4")
    os.utime(folder / "ninth.mp4", ns=(1, 1))
    workflow.run("--forcerun", "videos", "--", TARGET)
    assert workflow.computed("videos") == [added]
    assert _trajectories(workflow)[added] == before[video_id("walk/walk_bricks_00.mp4")]

    (folder / "ninth.mp4").unlink()
    workflow.run(TARGET)
    assert _trajectories(workflow) == before
    assert "Nothing to be done" in workflow.run("--dry-run", TARGET)


def test_ten_videos_added_to_a_thousand(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    texture = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    write_video(tmp_path / "video.mp4", (np.roll(texture, 2 * t, 1) for t in range(16)), 25)
    folder = tmp_path / "made" / "drift"
    folder.mkdir(parents=True)

    def add(numbers: range) -> set[str]:
        for number in numbers:
            shutil.copy(tmp_path / "video.mp4", folder / f"{number}.mp4")
        return {video_id(f"drift/{number}.mp4") for number in numbers}

    dataset = {"layout": "folder", "root": "made", "shards": 3}
    workflow = Workflow(tmp_path, {**tiny_config, "datasets": {"tiny": dataset}, "evaluation": {"datasets": []}})
    shards = [f"00{number}of003.h5" for number in range(3)]
    targets = [f"results/tiny/{what}/{shard}" for what in ("trajectories/idt", "frames/40") for shard in shards]
    first = add(range(1000))
    workflow.run("--", *targets)
    for noun in ("videos", "trajectories", "frames"):
        assert set(workflow.computed(noun)) == first
    shutil.rmtree(tmp_path / "results" / "logs")

    added = add(range(1000, 1010))
    workflow.run("--", *targets)
    for noun in ("videos", "trajectories", "frames"):
        assert sorted(workflow.computed(noun)) == sorted(added)
    assert "Nothing to be done" in workflow.run("--dry-run", "--", *targets)
