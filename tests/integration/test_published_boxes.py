"""Published boxes instead of a detector: equal boxes give equal trajectories; videos without boxes are tracked."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from workflow import Workflow

import idt_tools
from idt_tools.attributes import read_attributes
from workflow_scripts.ground.artifacts import read_columns


def write_bb(path: Path, boxes: np.ndarray, n_frames: int) -> None:
    """Writes boxes in the format of the original extractor: a line per frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        [str(frame)] + [f"{value!r}" for value in boxes[boxes[:, 0] == frame, 1:].ravel().tolist()]
        for frame in range(n_frames)
    ]
    path.write_text("".join(" ".join(line) + "\n" for line in lines))


def test_bb_files_equal_detector(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    descriptors = {"detected": {"boxes": "hog"}, "published": {"boxes": "files"}}
    workflow = Workflow(tmp_path, {**tiny_config, "descriptors": descriptors, "persons": {"files": "boxes"}})
    results = tmp_path / "results" / "tiny"

    missing = workflow.snakemake("--dry-run")
    sentence = "persons.files (for descriptors.published.boxes): the folder boxes does not exist"
    assert missing.returncode != 0 and sentence in missing.stdout + missing.stderr
    (tmp_path / "boxes").mkdir()
    workflow.run("results/tiny/trajectories/detected/000of002.h5")

    videos = {row["video_id"]: Path(row["path"]) for row in read_columns(results / "videos/shards/000of002.tsv")}
    with h5py.File(results / "persons/hog/000of002.h5") as file:
        people = {name: group["boxes"][:] for name, group in file.items()}
    without = next(name for name, boxes in people.items() if len(boxes))
    for name in people.keys() - {without}:
        place = tmp_path / "boxes" / videos[name].parent.name / f"{videos[name].stem}.bb"
        write_bb(place, people[name], 22)

    workflow.run("results/tiny/trajectories/published/000of002.h5")
    with (
        h5py.File(results / "trajectories/published/000of002.h5") as published,
        h5py.File(results / "trajectories/detected/000of002.h5") as detected,
    ):
        for name in people.keys() - {without}:
            assert np.array_equal(published[f"{name}/descriptors"][:], detected[f"{name}/descriptors"][:])
        unmasked = idt_tools.extract(idt_tools.read_video(tmp_path / videos[without])).descriptors
        assert np.array_equal(published[f"{without}/descriptors"][:], unmasked.astype(np.float16))
    with h5py.File(results / "persons/files/000of002.h5") as file:
        assert {name for name, group in file.items() if read_attributes(group)["status"] == "no_boxes"} == {without}
