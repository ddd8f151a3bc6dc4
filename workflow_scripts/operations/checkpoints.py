"""Checkpoints: which of them the config's trainings and evaluations can go on from.

A training's checkpoint lies in a folder named by all that its result depends on, so a change leaves the old one behind.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.stage_settings import stage_settings
from workflow_scripts.evaluation.evaluations import all_evaluations, is_evaluated_on
from workflow_scripts.ground.artifacts import read_columns

RESULTS = Path("results")


def training_folder(config: dict[str, Any], run: str, seed: int) -> Path | None:
    """Where the training keeps its checkpoint with the inputs of now; None while one of them is not there."""
    from workflow_scripts.pretraining.train import run_digest, training_request  # here, for torch takes seconds

    values = run_values(config, run)
    dataset, objective, clusters = config["pretraining"]["dataset"], values["objective"], values["clusters"]
    names = [path.stem for path in sorted((RESULTS / dataset / "videos" / "shards").glob("*.tsv"))]
    videos = RESULTS / "pretraining" / "videos" / values["descriptors"] / f"{values['subset']}.tsv"
    frames = [RESULTS / dataset / "frames" / str(values["short_side"]) / f"{name}.h5" for name in names]
    prior = []
    if clusters == "idt":
        folder = RESULTS / dataset / "clusters" / values["descriptors"] / str(values["subset"])
        prior = [folder / f"{values['cluster_method']}_k{values['k']}_m{values['m']}_s{config['seed']}.h5"]
    elif clusters == "joint":
        prior = [RESULTS / dataset / "encoding" / values["descriptors"] / f"{name}.h5" for name in names]
    if init := values["init"]:
        of_run = init in config["pretraining"]["runs"]
        prior.append(RESULTS / "pretraining" / init / f"seed{seed}" / "model.pt" if of_run else Path(init))
    if not names or not all(path.exists() for path in [videos, *frames, *prior]):
        return None
    listed = sorted(read_columns(videos), key=lambda row: row["video_id"])
    settings = stage_settings("pretraining", values)
    request = training_request(listed, seed, objective, clusters, settings)
    return RESULTS / "pretraining" / run / f"seed{seed}" / "checkpoints" / run_digest(request, prior, frames)


def unneeded(config: dict[str, Any], done: set[Path]) -> list[Path]:
    """Folders of checkpoints that no training or evaluation of the config will go on from.

    `done` are the files that are there and up to date. Trainings and evaluations that the config does not ask for, such
    as those of a run that was renamed or of a seed that was taken out, go on from none.
    """
    runs, seeds = config["pretraining"]["runs"], config["pretraining"]["seeds"]
    trainings = {RESULTS / "pretraining" / run / f"seed{seed}": (run, seed) for run in runs for seed in seeds}
    folders: list[Path] = []
    for parent in (RESULTS / "pretraining").glob("*/seed*/checkpoints"):
        ended = parent.parent not in trainings or parent.with_name("model.pt") in done
        current = None if ended else training_folder(config, *trainings[parent.parent])
        if ended or current:  # else its inputs are not there yet, and tell nothing
            folders += [folder for folder in parent.iterdir() if folder != current]
    wanted = [one for one in all_evaluations(config) if one.protocol == "finetune"]
    for parent in (RESULTS / "evaluation").glob("*/seed*/*/split*/checkpoints"):
        run, seed, dataset, split = parent.parent.parts[-4:]
        here = [one for one in wanted if (one.run, f"seed{one.seed}", one.dataset) == (run, seed, dataset)]
        is_wanted = any(is_evaluated_on(config, one, int(split.removeprefix("split"))) for one in here)
        ended = not is_wanted or parent.with_name("finetune.json") in done
        model = RESULTS / "pretraining" / run / seed / "model.pt"
        folders += sorted(parent.iterdir()) if ended else _of_evaluation(parent, model)
    return sorted(folders)


def _of_evaluation(checkpoints: Path, model: Path) -> list[Path]:
    """All but the newest, and that too where the model is newer."""
    by_age = sorted(checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    if by_age and (not model.exists() or model.stat().st_mtime_ns <= by_age[-1].stat().st_mtime_ns):
        by_age.pop()
    return by_age


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
