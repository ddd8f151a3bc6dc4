"""Datasets: where their videos and lists lie, which detector finds their people, which trajectories are kept."""

import os
from pathlib import Path
from typing import Any

from workflow_scripts.configuration.paths import GENERATED
from workflow_scripts.ground.artifacts import read_json
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.trajectories.settings import keeps_all


def used_datasets(config: dict[str, Any]) -> list[str]:
    """The datasets that pretraining and evaluation name, each once."""
    section = config["pretraining"]
    named = [section["dataset"], section["validation"], *config["evaluation"]["datasets"]]
    return list(dict.fromkeys(name for name in named if name))


def dataset_values(config: dict[str, Any], name: str, beside: str) -> dict[str, Any]:
    """A dataset's entry, its manifest or annotations looked up below root, in the working folder and in `beside`.

    Raises StageError where one of them is not there. Nothing below the root is listed: this is read in every job.
    """
    values = {"shards": config["videos"]["shards"], **config["datasets"][name]}
    if values["layout"] == "generated":
        return values
    if not values["root"] or not Path(values["root"]).is_dir():
        raise StageError(
            f"config: datasets.{name}.root: the folder {values['root'] or '(empty)'} is not there; give the folder of "
            f"the videos in a second configfile (datasets: {{{name}: {{root: /path/to/videos}}}}) or make it"
        )
    if values["layout"] == "folder":
        return values
    key = "manifest" if values["layout"] == "manifest" else "annotations"
    places = [place / values[key] for place in (Path(values["root"]), Path(), Path(beside))]
    there = [place for place in places if place.is_file() or (key == "annotations" and place.is_dir())]
    if not there:
        what = {
            "manifest": "it is a CSV with the columns path, label, group",
            "annotations": "they are the split files of UCF101 or HMDB51, or the CSV or JSON of Kinetics",
        }
        raise StageError(
            f"config: datasets.{name}.{key}: no file {values[key] or '(empty)'} in {values['root']}, in the working "
            f"folder or beside the Snakefile; {what[key]}"
        )
    values[key] = str(there[0])
    return values


def dataset_root(values: dict[str, Any], name: str) -> str:
    """The folder that the paths of a dataset's videos are below; `values` are its entry."""
    return GENERATED.format(dataset=name) if values["layout"] == "generated" else str(values["root"])


def sources_digest(values: dict[str, Any]) -> str:
    """A digest of the names and times of a dataset's manifest, or of the folders in root and of its annotations.

    It changes when the dataset does. Folders in those folders are not among them: to find them, each job would read the
    names of all videos. They are no input files of Snakemake, for a name with braces would be a pattern to it.
    """
    if values["layout"] == "generated":
        return digest()
    if values["layout"] == "manifest":
        places = [values["manifest"]]
    else:
        places = [values["root"], *(entry.path for entry in os.scandir(values["root"]) if entry.is_dir())]
        annotations = values.get("annotations") or values["root"]
        if annotations != values["root"]:
            places.append(annotations)
            if Path(annotations).is_dir():
                places += [entry.path for entry in os.scandir(annotations) if entry.is_file()]
    return digest(sorted((os.fspath(place), os.stat(place).st_mtime_ns) for place in places))


def detector_of(config: dict[str, Any], descriptors: str) -> str:
    """Who finds the people that these descriptors mask; none for those that are read from rows."""
    described = config["descriptors"][descriptors]
    return "none" if described["rows"] else str(described["boxes"])


def keeps_all_trajectories(config: dict[str, Any], totals: Path) -> bool:
    """Whether the trajectories of all videos of a dataset are kept; `totals` is what its index adds up to."""
    section = config["trajectories"]
    return keeps_all(section["keep"], section["keep_gb"], read_json(totals)["pixels"])
