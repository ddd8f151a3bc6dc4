"""The pilot runs some videos of a dataset through the stages, and measures the time and the storage of each stage.

Each video is a separate shard. The stages' functions process it in one of several processes. Seconds are processor
time of one core. Bytes are those of the artifact and of its store. The measurements of a video are a JSON file, in a
folder named by a digest of the settings and versions, so that a killed pilot can resume.
"""

import json
import multiprocessing
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
from tqdm import tqdm

from workflow_scripts.configuration.datasets import detector_of, tracked_for
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.stage_settings import stage_settings, versions
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.evaluation.evaluations import all_evaluations
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import write_columns, write_json
from workflow_scripts.ground.identity import digest
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.trajectories.extract_shard import extract_shard

ESTIMATES = Path("results/estimate")
NOUNS = ("persons", "trajectories", "encoding", "frames")


@dataclass(frozen=True)
class Cost:
    """The cost of a stage for a video, or of a codebook: core-seconds, bytes of storage, peak bytes of memory."""

    seconds: float
    artifact: int
    store: int
    memory: int


def configured_sides(config: dict[str, Any]) -> set[int]:
    """The short sides of the frames of the config's runs."""
    return {run_values(config, run)["short_side"] for run in ["scratch", *config["pretraining"]["runs"]]}


def short_sides(config: dict[str, Any]) -> list[int]:
    """The short sides that are measured: those of the config, and 128, 240 and 256."""
    return sorted({128, 240, 256} | configured_sides(config))


def detectors(config: dict[str, Any]) -> list[str]:
    """The person detectors of the descriptors."""
    return sorted({detector_of(config, descriptors) for descriptors in config["descriptors"]} - {"none"})


def tracked_descriptors(config: dict[str, Any]) -> list[str]:
    """The descriptors that are made from trajectories, not read from a file of vectors."""
    return [name for name, entry in config["descriptors"].items() if not entry["vectors"]]


def fisher_features(config: dict[str, Any], dataset: str) -> list[str]:
    """The descriptors whose Fisher vectors the run `idt_fisher` needs; none if it is not evaluated on the dataset."""
    runs = {evaluation.run for evaluation in all_evaluations(config) if evaluation.dataset == dataset}
    return [next(iter(config["descriptors"]))] if "idt_fisher" in runs else []


def section(config: dict[str, Any], noun: str, **values: Any) -> Any:
    """The settings of a noun's stages; `values` override those of the config."""
    return stage_settings(noun, {**config[noun], "seed": config["seed"], **values})


def _tracking(config: dict[str, Any], descriptors: str) -> Any:
    return section(config, "trajectories", rows=config["descriptors"][descriptors]["rows"])


@contextmanager
def _measured(costs: dict[str, Cost], stage: str, output: Path, store: Path) -> Iterator[None]:
    """Sets `costs[stage]` to the cost of the block, which writes `output` and `store`."""
    reset = Path("/proc/self/clear_refs")  # Linux: writing 5 resets the peak of the process's memory
    with suppress(OSError):  # on other systems the peak is that of the process so far
        reset.write_text("5")
    started = time.process_time()
    yield
    seconds = time.process_time() - started
    costs[stage] = Cost(seconds, _stored(output), store.stat().st_size if store.exists() else 0, _peak_memory())


def _peak_memory() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _stored(path: Path) -> int:
    """The bytes that a video adds to a shard's file, measured on a file with only this video.

    For a file with a group per video, this is the size of the file. For a file with a row per video, this leaves out
    the overhead of HDF5, which can be larger than the row.
    """
    with h5py.File(path) as file:
        arrays = [part for part in file.values() if isinstance(part, h5py.Dataset)]
        return sum(array.id.get_storage_size() for array in arrays) if arrays else path.stat().st_size


def _track(row: dict[str, str], folder: Path, config: dict[str, Any], usable: list[str]) -> dict[str, Cost]:
    """Measures persons (by the `usable` detectors), trajectories and frames of the video in a row of the index."""
    shutil.rmtree(folder, ignore_errors=True)  # with files of a killed pilot, the stages would have less to do
    shard, store = folder / "shard.tsv", folder / ".store"
    write_columns(shard, [row], list(row))
    costs: dict[str, Cost] = {}
    boxes = {detector: folder / f"{detector}.h5" for detector in usable}
    for detector, output in boxes.items():
        with _measured(costs, f"persons/{detector}", output, store / detector):
            detect_persons(shard, output, store / detector, detector, section(config, "persons"))
    for descriptors in dict.fromkeys(tracked_for(config, name) for name in tracked_descriptors(config)):
        output, people = folder / f"{descriptors}.h5", boxes.get(detector_of(config, descriptors))
        with _measured(costs, f"trajectories/{descriptors}", output, store / descriptors):
            extract_shard(shard, output, store / descriptors, _tracking(config, descriptors), people)
    for side in short_sides(config):
        output = folder / f"frames{side}.h5"
        with _measured(costs, f"frames/{side}", output, store / f"frames{side}"):
            store_frames(shard, output, store / f"frames{side}", section(config, "frames", short_side=side))
    return costs


def _fit(
    rows: list[dict[str, str]], folder: Path, config: dict[str, Any], descriptors: str, fisher: list[str]
) -> dict[str, Cost]:
    """Measures the codebook of the pilot's descriptors and, if Fisher vectors need them, the codebooks per channel."""
    # Not at the top of the file: the other stages would count torch's memory.
    from workflow_scripts.encoding.fit_codebook import fit_codebook

    costs: dict[str, Cost] = {}
    sample = folder / f"{descriptors}.sample.tsv"  # not shared, because the processes of the pool run at the same time
    write_columns(sample, rows, ["video_id"])
    tracked = [folder / row["video_id"] / f"{tracked_for(config, descriptors)}.h5" for row in rows]
    per_channel = config["encoding"]["per_channel"] and descriptors in fisher
    for space in ["joint", *(["per_channel"] if per_channel else [])]:
        output, of = folder / f"{descriptors}.{space}.h5", descriptors if space == "joint" else f"{descriptors} {space}"
        with _measured(costs, f"codebook/{of}", output, folder / "no store"):
            fit_codebook(sample, tracked, output, section(config, "encoding", per_channel=space == "per_channel"))
    return costs


def _encode(row: dict[str, str], folder: Path, config: dict[str, Any], fisher: list[str]) -> dict[str, Cost]:
    """Measures the sketches of a tracked video, and its Fisher vectors for the descriptors `fisher`."""
    costs: dict[str, Cost] = {}
    fisher_space = "per_channel" if config["encoding"]["per_channel"] else "joint"
    encoded = [(descriptors, "encoding", "joint") for descriptors in tracked_descriptors(config)]
    for descriptors, stage, space in encoded + [
        (descriptors, "fisher_vectors", fisher_space) for descriptors in fisher
    ]:
        output, store = folder / f"{descriptors}.{stage}.h5", folder / f"{descriptors}.{stage}"
        store.unlink(missing_ok=True)
        with _measured(costs, f"{stage}/{descriptors}", output, store):
            codebook = folder.parent / f"{descriptors}.{space}.h5"
            tracked = folder / f"{tracked_for(config, descriptors)}.h5"
            whole = stage == "fisher_vectors"
            encode_shard(tracked, codebook, output, store, _tracking(config, descriptors), fisher=whole)
    return costs


def _write_costs(path: Path, measure: Callable[..., dict[str, Cost]], *arguments: Any) -> None:
    """Writes the costs that `measure` returns. It runs in a process of the pool."""
    costs = measure(*arguments)
    write_json(path, {stage: asdict(cost) for stage, cost in costs.items()})


def _start_process() -> None:
    """Silences a process of the pool, so that the progress bar stays readable, and makes it end with its parent."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - open until the process ends
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def pilot_folder(config: dict[str, Any], dataset: str, usable: list[str], fisher: list[str]) -> Path:
    """The folder of a pilot's measurements, one per combination of settings and versions of the stages."""
    sections = [config[noun] for noun in (*NOUNS, "descriptors", "seed")]
    stage_versions = [versions(noun) for noun in NOUNS]
    return ESTIMATES / dataset / digest(sections, usable, fisher, short_sides(config), stage_versions)


def run_pilot(
    rows: list[dict[str, str]], folder: Path, config: dict[str, Any], usable: list[str], fisher: list[str], threads: int
) -> tuple[list[dict[str, Cost]], dict[str, Cost]]:
    """Measures the stages on some videos.

    Args:
        rows: The videos' rows of the index.
        folder: Where the measurements are written; those of an earlier call are not repeated.
        config: The resolved config.
        usable: The detectors that work on this machine.
        fisher: The descriptors with Fisher vectors.
        threads: Processes that work at a time.

    Returns:
        The costs by stage, for each video; and the costs of the codebooks.

    Raises:
        StageError: The videos have too few trajectories for a codebook.
    """
    folders = [folder / row["video_id"] for row in rows]
    videos = [folder / f"{row['video_id']}.tracked.json" for row in rows]
    sketches = [folder / f"{row['video_id']}.encoded.json" for row in rows]
    codebooks = [folder / f"{descriptors}.codebook.json" for descriptors in tracked_descriptors(config)]

    spawn = multiprocessing.get_context("spawn")  # spawned processes start empty, so their memory is the stage's

    def measure(label: str, jobs: Iterable[tuple[Any, ...]]) -> None:
        """Runs the jobs (JSON file, function, its arguments) whose file does not exist."""
        todo = [job for job in jobs if not job[0].exists()]
        with ProcessPoolExecutor(threads, mp_context=spawn, initializer=_start_process) as pool:
            try:
                submitted = [pool.submit(_write_costs, *job) for job in todo]
                for done in tqdm(as_completed(submitted), f"pilot, {label}", len(todo), unit="job", disable=not todo):
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    places = list(zip(rows, folders, strict=True))
    measure("tracking", ((path, _track, *at, config, usable) for path, at in zip(videos, places, strict=True)))
    fits = zip(codebooks, tracked_descriptors(config), strict=True)
    measure("codebook", ((path, _fit, rows, folder, config, descriptors, fisher) for path, descriptors in fits))
    measure("encoding", ((path, _encode, *at, config, fisher) for path, at in zip(sketches, places, strict=True)))
    for place in folders:
        shutil.rmtree(place, ignore_errors=True)
    costs = [_read(video) | _read(sketch) for video, sketch in zip(videos, sketches, strict=True)]
    return costs, {stage: cost for path in codebooks for stage, cost in _read(path).items()}


def _read(path: Path) -> dict[str, Cost]:
    return {stage: Cost(**cost) for stage, cost in json.loads(path.read_text()).items()}
