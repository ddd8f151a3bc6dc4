"""Checkpoints: which of them the config's trainings and evaluations can go on from.

A training's checkpoint lies in a folder named by all that its result depends on, so a change leaves the old one behind.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts import config as pipeline
from workflow_scripts.artifacts import read_columns

RESULTS = Path("results")


def training_folder(config: dict[str, Any], run: str, seed: int) -> Path | None:
    """Where the training keeps its checkpoint with the inputs of now; None while one of them is not there."""
    from workflow_scripts.pretraining.train import run_digest, training_request  # here, for torch takes seconds

    values = pipeline.run_values(config, run)
    dataset, objective, clusters = config["pretraining"]["dataset"], values["objective"], values["clusters"]
    names = [path.stem for path in sorted((RESULTS / dataset / "videos" / "shards").glob("*.tsv"))]
    videos = RESULTS / "pretraining" / "videos" / values["features"] / f"{values['subset']}.tsv"
    frames = [RESULTS / dataset / "frames" / str(values["short_side"]) / f"{name}.h5" for name in names]
    prior = []
    if clusters == "idt":
        folder = RESULTS / dataset / "clusters" / values["features"] / str(values["subset"])
        prior = [folder / f"k{values['k']}_m{values['m']}_s{config['seed']}.h5"]
    elif clusters == "joint":
        prior = [RESULTS / dataset / "encoding" / values["features"] / f"{name}.h5" for name in names]
    if init := values["init"]:
        of_run = init in config["pretraining"]["runs"]
        prior.append(RESULTS / "pretraining" / init / f"seed{seed}" / "model.pt" if of_run else Path(init))
    if not names or not all(path.exists() for path in [videos, *frames, *prior]):
        return None
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    settings = pipeline.settings("pretraining", values)
    request = training_request(listed, seed, objective, clusters, settings)
    return RESULTS / "pretraining" / run / f"seed{seed}" / "checkpoints" / run_digest(request, prior, frames)


def unneeded(config: dict[str, Any], done: set[Path]) -> list[Path]:
    """Folders of checkpoints that no training or evaluation of the config will go on from.

    `done` are the files that are there and up to date. What other configs left in the same `results` is not judged.
    """
    found = []
    section = config["pretraining"]
    for run in section["runs"]:
        for seed in section["seeds"]:
            model = RESULTS / "pretraining" / run / f"seed{seed}" / "model.pt"
            kept = sorted((model.parent / "checkpoints").glob("*"))
            current = None if model in done or not kept else training_folder(config, run, seed)
            if model in done or current:  # else its inputs are not there yet, and tell nothing
                found += [folder for folder in kept if folder != current]
    for run, seed, dataset, _ in set(pipeline.evaluations(config)):
        for split in (RESULTS / "evaluation" / run / f"seed{seed}" / dataset).glob("split*"):
            found += _of_evaluation(split, RESULTS / "pretraining" / run / f"seed{seed}" / "model.pt", done)
    return sorted(set(found))


def _of_evaluation(split: Path, model: Path, done: set[Path]) -> Iterator[Path]:
    """All where the result is done; else all but the newest, and that too where the model is newer."""
    by_age = sorted((split / "checkpoints").glob("*"), key=lambda path: path.stat().st_mtime_ns)
    if by_age and split / "finetune.json" not in done:
        newest = by_age[-1].stat().st_mtime_ns
        if not model.exists() or model.stat().st_mtime_ns <= newest:
            by_age.pop()
    yield from by_age


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
