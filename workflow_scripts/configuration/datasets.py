"""Datasets: paths of their videos and lists, the detector of their persons, which trajectories are stored."""

import os
from pathlib import Path
from typing import Any

from workflow_scripts.configuration.paths import GENERATED
from workflow_scripts.ground.artifacts import read_json
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.trajectories.settings import keeps_all
from workflow_scripts.videos.layouts import LAYOUTS


def used_datasets(config: dict[str, Any]) -> list[str]:
    """Returns the datasets that pretraining and evaluation name, each once."""
    section = config["pretraining"]
    named = [section["dataset"], section["validation"], *config["evaluation"]["datasets"]]
    return list(dict.fromkeys(name for name in named if name))


def dataset_values(config: dict[str, Any], name: str, snakefile_folder: str) -> dict[str, Any]:
    """Returns a dataset's entry with the path of its manifest or annotations.

    Args:
        config: The resolved config.
        name: The dataset.
        snakefile_folder: The manifest or the annotations may be here, in the dataset's root or in the working folder.

    Raises:
        StageError: The root, the manifest or the annotations do not exist.
    """
    # Each job calls this function, so it must not list the folders below the root.
    values = {"shards": config["videos"]["shards"], **config["datasets"][name]}
    layout = LAYOUTS[values["layout"]]
    if layout.source == "generated":
        return values
    if not values["root"]:
        raise StageError(
            f"config: datasets.{name}.root is empty; give the folder of the videos, for example in a second config "
            f"file (datasets: {{{name}: {{root: /path/to/videos}}}})"
        )
    if not Path(values["root"]).is_dir():
        raise StageError(
            f"config: datasets.{name}.root: the folder {values['root']} does not exist (in {Path.cwd()}); correct the "
            "path, or create the folder"
        )
    key = layout.source
    if not key:
        return values
    candidates = [folder / values[key] for folder in (Path(values["root"]), Path(), Path(snakefile_folder))]
    existing = [path for path in candidates if path.is_file() or (key == "annotations" and path.is_dir())]
    if not existing:
        raise StageError(
            f"config: datasets.{name}.{key}: no file {values[key] or '(empty)'} in {values['root']}, in the working "
            f"folder or in the folder of the Snakefile; give {layout.source_meaning}"
        )
    values[key] = str(existing[0])
    return values


def dataset_root(values: dict[str, Any], name: str) -> str:
    """Returns the folder that holds the videos of a dataset; `values` is its entry."""
    generated = LAYOUTS[values["layout"]].source == "generated"
    return GENERATED.format(dataset=name) if generated else str(values["root"])


def sources_digest(values: dict[str, Any]) -> str:
    """Returns a digest that changes when the dataset changes.

    It depends on names and times of the manifest, or of the annotations and the folders in the root. It ignores deeper
    folders: to find them, each job would have to list all videos. These paths are not input files of a rule, because
    Snakemake would take a name with braces for a pattern.
    """
    source = LAYOUTS[values["layout"]].source
    if source == "generated":
        return digest()
    if source == "manifest":
        paths = [values["manifest"]]
    else:
        paths = [values["root"], *(entry.path for entry in os.scandir(values["root"]) if entry.is_dir())]
        annotations = values.get("annotations") or values["root"]
        if annotations != values["root"]:
            paths.append(annotations)
            if Path(annotations).is_dir():
                paths += [entry.path for entry in os.scandir(annotations) if entry.is_file()]
    return digest(sorted((os.fspath(path), os.stat(path).st_mtime_ns) for path in paths))


def detector_of(config: dict[str, Any], descriptors: str) -> str:
    """Returns the detector whose persons these descriptors mask; "none" if they are read from files."""
    entry = config["descriptors"][descriptors]
    return "none" if entry["rows"] or entry["vectors"] else str(entry["boxes"])


def tracked_for(config: dict[str, Any], descriptors: str) -> str:
    """Returns the first descriptors with the same trajectories as these: only their channels may differ.

    Descriptors that the config does not name have their own.
    """
    entries = config["descriptors"].items()
    made_by = {name: (entry["rows"], entry["boxes"], entry["vectors"]) for name, entry in entries}
    return next((name for name in made_by if made_by[name] == made_by.get(descriptors)), descriptors)


def keeps_all_trajectories(config: dict[str, Any], totals: Path) -> bool:
    """Returns whether the trajectories of all videos are stored; `totals` is the totals.json of the dataset's index."""
    section = config["trajectories"]
    return keeps_all(section["keep"], section["keep_gb"], read_json(totals)["pixels"])
