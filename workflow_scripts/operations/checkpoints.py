"""The checkpoints from which the config's trainings and evaluations can resume.

The name of a checkpoint folder is a digest of all that the training's result depends on. After a change, the training
uses another folder, and the old one stays.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workflow_scripts.configuration import paths
from workflow_scripts.configuration.inputs import DatasetInputs
from workflow_scripts.configuration.run_inputs import RunInputs
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.stage_settings import stage_settings
from workflow_scripts.evaluation.evaluations import all_evaluations, is_evaluated_on
from workflow_scripts.ground.artifacts import read_columns

RESULTS = Path("results")


def training_folder(config: dict[str, Any], run: str, seed: int) -> Path | None:
    """The folder of the training's checkpoints with the present inputs; None if an input is missing."""
    from workflow_scripts.pretraining.train import run_digest, training_request  # imports torch, which takes seconds

    inputs = RunInputs(DatasetInputs(config, config["datasets"], _beside_index))
    job, values = SimpleNamespace(run=run, seed=seed), run_values(config, run)
    if not inputs.data.shards(inputs.dataset):
        return None
    videos = Path(inputs.videos(job))
    frames = [Path(file) for file in inputs.frames(job)]
    prior = [Path(file) for file in [*inputs.clusters(job), *inputs.sketches(job), *inputs.init(job)]]
    if not all(path.exists() for path in [videos, *frames, *prior]):
        return None
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    settings = stage_settings("pretraining", values)
    request = training_request(listed, seed, values["objective"], values["clusters"], settings)
    folder = paths.checkpoints(paths.MODEL.format(run=run, seed=seed))
    return Path(folder, run_digest(request, prior, frames))


def _beside_index(dataset: str, *names: str) -> list[str]:
    folder = Path(paths.INDEX.format(dataset=dataset)).parent
    return [str(folder / name) for name in names]


def unneeded_checkpoints(config: dict[str, Any], done: set[Path]) -> list[Path]:
    """The checkpoint folders from which no training or evaluation of the config will resume.

    `done` lists the files that exist and are up to date. Checkpoints of runs and seeds that are no longer in the config
    are not needed.
    """
    runs, seeds = config["pretraining"]["runs"], config["pretraining"]["seeds"]
    trainings = {RESULTS / "pretraining" / run / f"seed{seed}": (run, seed) for run in runs for seed in seeds}
    folders: list[Path] = []
    for parent in (RESULTS / "pretraining").glob("*/seed*/checkpoints"):
        is_over = parent.parent not in trainings or parent.with_name("model.pt") in done
        current = None if is_over else training_folder(config, *trainings[parent.parent])
        if is_over or current:  # without the inputs, the folder in use is unknown
            folders += [folder for folder in parent.iterdir() if folder != current]
    finetunings = [evaluation for evaluation in all_evaluations(config) if evaluation.protocol == "finetune"]
    for parent in (RESULTS / "evaluation").glob("*/seed*/*/split*/checkpoints"):
        run, seed, dataset, split = parent.parent.parts[-4:]
        is_configured = any(
            is_evaluated_on(config, each, int(split.removeprefix("split")))
            for each in finetunings
            if (each.run, f"seed{each.seed}", each.dataset) == (run, seed, dataset)
        )
        is_over = not is_configured or parent.with_name("finetune.json") in done
        model = RESULTS / "pretraining" / run / seed / "model.pt"
        folders += sorted(parent.iterdir()) if is_over else _older_checkpoints(parent, model)
    return sorted(folders)


def _older_checkpoints(checkpoints: Path, model: Path) -> list[Path]:
    """All folders but the newest; all folders if the model is newer than they are."""
    by_age = sorted(checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    if by_age and (not model.exists() or model.stat().st_mtime_ns <= by_age[-1].stat().st_mtime_ns):
        by_age.pop()
    return by_age


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
