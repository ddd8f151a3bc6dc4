"""The report measures the effect of masking people only if descriptors mask them."""

from pathlib import Path
from typing import Any

from workflow import Workflow

from workflow_scripts.ground.artifacts import read_columns


def test_people_are_measured_if_masked(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    workflow = Workflow(tmp_path, {**tiny_config, "descriptors": {"plain": {"boxes": "none"}, "idt": {"boxes": "hog"}}})
    workflow.run("results/report/people.html")
    listed = [row for path in tmp_path.glob("results/tiny/videos/shards/*.tsv") for row in read_columns(path)]
    measured = read_columns(tmp_path / "results/report/people.tsv")
    assert measured and {row["video_id"] for row in measured} <= {row["video_id"] for row in listed}
    assert "<table" in (tmp_path / "results/report/people.html").read_text()
    assert not (tmp_path / "results/tiny/trajectories").exists()

    planned = workflow.planned()
    assert "people" not in planned and planned["report"] == planned["examples"] == 1
    (tmp_path / "results/report/people.html").unlink()
    assert workflow.planned()["people"] == 1
    unmasked = {**workflow.config, "descriptors": {"plain": {"boxes": "none"}}}
    assert "people" not in workflow.planned(config=unmasked)
