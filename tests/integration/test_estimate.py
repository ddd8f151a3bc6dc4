"""`make estimate`: its estimates from a pilot on a few videos, against the files of a whole run."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from workflow import REPOSITORY, Workflow

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

SKETCHES = "results/pretraining/videos/idt/all.tsv"  # frames and sketches of every video


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory, tiny_config: dict[str, Any]) -> Workflow:
    """A workflow over eight videos with people in two shards."""
    folder = tmp_path_factory.mktemp("estimate")
    settings = GeneratedSettings(
        motions=("wave", "walk"), scenes=("bricks",), per_pair=4, frames=32, width=128, height=96
    )
    generate_videos(folder / "made", settings)
    config = {
        **tiny_config,
        "datasets": {"tiny": {"layout": "folder", "root": "made", "shards": 2}},
        "descriptors": {"idt": {"boxes": "hog"}, "motion": {"boxes": "hog", "channels": ["hof"]}},
        "pretraining": {**tiny_config["pretraining"], "runs": {"ir": {"objective": "instance"}}},
        "evaluation": {"datasets": ["tiny"], "runs": ["idt_fisher"]},
    }
    workflow = Workflow(folder, config)
    workflow.run("--dry-run")  # writes the config
    return workflow


def _command(options: str) -> str:
    """The command of the Makefile's target."""
    make = ["make", "--dry-run", "--no-print-directory", "estimate", "CONFIG=test_config.yaml", f"ESTIMATE={options}"]
    listed = subprocess.run(make, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()[-1].replace(".venv/bin/dtc", f"{sys.executable} -m workflow_scripts.cli")


def _estimate(workflow: Workflow, options: str = "--videos 4 --threads 2") -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(options), shell=True, cwd=workflow.folder, capture_output=True, text=True)


def _numbers(workflow: Workflow) -> dict[str, dict[str, str]]:
    """The lines of cost.tsv by stage, and those of trajectories by `keep` too."""
    rows = read_columns(workflow.folder / "results/estimate/cost.tsv")
    return {f"{row['stage']}/{row['of']} {row['keep']}".strip(" /"): row for row in rows}


def _bytes(workflow: Workflow, *patterns: str) -> int:
    files = [file for pattern in patterns for file in (workflow.folder / "results/tiny").glob(pattern)]
    assert files
    return sum(file.stat().st_size for file in files)


def test_estimate_resumes_after_kill(workflow: Workflow) -> None:
    pilot = workflow.folder / "results" / "estimate"
    started = subprocess.Popen(_command("--videos 4"), shell=True, cwd=workflow.folder, start_new_session=True)
    while not (measured := {file: file.stat().st_mtime_ns for file in pilot.glob("tiny/*/*.tracked.json")}):
        assert started.poll() is None, "it ended before it measured a video"
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    done = _estimate(workflow)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {file: file.stat().st_mtime_ns for file in measured} == measured, "measured again"
    (folder,) = {file.parent for file in measured}
    assert len(list(folder.glob("*.json"))) == 2 * 4 + 2  # four videos, tracked and encoded; two codebooks
    assert not [path for path in folder.iterdir() if path.is_dir()], "the pilot's artifacts are deleted"
    assert {path.name for path in pilot.parent.iterdir()} == {"estimate"}, "the run's own folders are not touched"


def test_estimate_is_near_whole_run(workflow: Workflow) -> None:
    done = _estimate(workflow)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "8 videos, 256 frames of 12,288 pixels; measured on 4 videos" in done.stdout
    assert "- persons.stride: 3 reduces persons hog from " in done.stdout
    estimated = _numbers(workflow)
    assert "encoding/motion" in estimated and "trajectories/motion all" not in estimated, "motion reads those of idt"
    workflow.run(SKETCHES, *(f"results/tiny/encoding/idt/fisher/{shard}of002.h5" for shard in ("000", "001")))
    for stage, artifact, store, factor in (
        ("persons/hog", "persons/hog/*.h5", "persons/.store/hog/*", 3.0),  # boxes are small beside an empty file
        ("trajectories/idt all", "trajectories/idt/*.h5", "trajectories/.store/idt/*", 2.5),
        ("frames/40", "frames/40/*.h5", "frames/.store/40/*", 1.3),
        ("encoding/idt", "encoding/idt/*of*.h5", "encoding/.store/idt/*", 6.0),  # 256 bytes in kilobytes of HDF5
        ("fisher_vectors/idt", "encoding/idt/fisher/*of*.h5", "encoding/.store/idt/fisher/*", 2.0),
        ("codebook/idt", "codebook/idt/joint.h5", "", 2.0),
    ):
        for column, pattern in (("artifacts_value", artifact), ("stores_value", store)):
            if pattern:
                actual, estimate = _bytes(workflow, pattern), float(estimated[stage][column])
                assert actual / factor < estimate < actual * factor, f"{stage}, {column}: {estimate}, not {actual}"
    files = len(list((workflow.folder / "results/tiny/trajectories").rglob("*of*")))
    files += len(list((workflow.folder / "results/logs/trajectories").rglob("*of*.*")))  # and outcomes
    files += len(list((workflow.folder / "results/benchmarks/trajectories").rglob("*.tsv")))
    records = 2  # Snakemake's of the two shards
    assert int(estimated["trajectories/idt all"]["files"]) == files + records


def test_estimate_scales_to_larger_dataset(workflow: Workflow) -> None:
    options = "--videos 4 --threads 2 --no-training --as-if-seconds 10 --as-if-size 340x256"
    assert _estimate(workflow, f"{options} --as-if-videos 100000").returncode == 0
    small = _numbers(workflow)
    assert _estimate(workflow, f"{options} --as-if-videos 200000").returncode == 0
    large = _numbers(workflow)
    assert {row.split(" ")[0] for row in small} == {row.split(" ")[0] for row in large}
    for name, row in small.items():
        other = large[name]
        if row["stage"] not in ("videos", "codebook", "clusters") and "sample" not in name:
            assert float(other["hours_value"]) == pytest.approx(2 * float(row["hours_value"])), name
            assert float(other["artifacts_value"]) == pytest.approx(2 * float(row["artifacts_value"])), name
    assert large["trajectories/idt sample"]["is_configured"] == "True", "the default does not store terabytes"


def test_estimate_prices_a_network_that_need_not_be_installed(workflow: Workflow) -> None:
    workflow.run("--dry-run", config={**workflow.config, "descriptors": {"idt": {"boxes": "detectron2"}}})
    done = _estimate(workflow, "--videos 1 --no-training")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "mask_rcnn_R_101_FPN_3x.yaml (configured) | 19.6" in done.stdout
    numbers = _numbers(workflow)
    assert {row["stage"] for row in numbers.values()} >= {"persons", "trajectories", "encoding"}
    assert float(numbers["persons/detectron2"]["hours_value"]) == pytest.approx(256 * 0.051 / 3600)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [("--videos 0", "a pilot needs at least one video"), ("--as-if-size big", "WIDTHxHEIGHT, such as 340x256")],
)
def test_estimate_rejects_options(workflow: Workflow, options: str, sentence: str) -> None:
    done = _estimate(workflow, options)
    assert done.returncode == 1 and sentence in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
