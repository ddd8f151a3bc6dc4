"""Checks of a config that a schema cannot express: each name that it refers to exists."""

import keyword
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workflow_scripts.configuration.datasets import detector_of
from workflow_scripts.configuration.paths import REPOSITORY, RESERVED
from workflow_scripts.configuration.schema import keys_of
from workflow_scripts.encoding.settings import VECTOR_FILES
from workflow_scripts.evaluation.evaluations import evaluated_runs, table_runs
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detectors import DETECTORS
from workflow_scripts.pretraining.objectives import OBJECTIVES

# Runs that each config has.
ALWAYS = ("scratch", *IDT_RUNS)

# Spaces of clusters that are not those of one entry of `descriptors`.
_SPACES_OF_NETWORKS = {space for objective in OBJECTIVES.values() for space in objective.clusters} - {"idt"}

RULES = REPOSITORY / "rules"

# Tables in `results/tables/` that each config gives.
RESERVED_TABLES = frozenset({"method_table", "cluster_table"})


def check_references(config: dict[str, Any]) -> None:
    """Raises StageError if the config names a dataset, method, run, descriptors or folder that does not exist."""
    _check_datasets(config)
    _check_runs(config)
    _check_report(config)
    _check_descriptors(config)


def _check_known(key: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise StageError(f"config: {key} names {name!r}, which is not among {', '.join(known) or '(none)'}")


def _check_datasets(config: dict[str, Any]) -> None:
    for name in RESERVED & config["datasets"].keys():
        raise StageError(
            f"config: datasets.{name}: the folder results/{name} holds something else; choose another name"
        )
    _check_known("pretraining.dataset", config["pretraining"]["dataset"], config["datasets"])
    if config["pretraining"]["validation"]:
        _check_known("pretraining.validation", config["pretraining"]["validation"], config["datasets"])
    for name in config["evaluation"]["datasets"]:
        _check_known("evaluation.datasets", name, config["datasets"])


def _check_runs(config: dict[str, Any]) -> None:
    runs = config["pretraining"]["runs"]
    for name, run in runs.items():
        key = f"pretraining.runs.{name}"
        if name in ALWAYS:
            raise StageError(f"config: {key}: the runs {', '.join(ALWAYS)} always exist; choose another name")
        if "descriptors" in run:
            _check_known(f"{key}.descriptors", run["descriptors"], config["descriptors"])
        spaces = OBJECTIVES[run["objective"]].clusters if run["objective"] in OBJECTIVES else []
        if run.get("clusters", "") not in (spaces or [""]):
            needed = f"needs clusters: {', '.join(spaces)} or the name of descriptors"
            sentence = needed if spaces else "takes no clusters; remove the key"
            raise StageError(f"config: {key}: objective {run['objective']} {sentence}")
        _check_init(runs, name)
    for name in config["evaluation"]["runs"]:
        _check_known("evaluation.runs", name, [*runs, *ALWAYS])


def _check_init(runs: dict[str, Any], name: str) -> None:
    """Raises StageError if the run or file in `init` does not exist, or if it leads back to the run."""
    key, init = f"pretraining.runs.{name}", runs[name].get("init")
    if init and init not in runs and not Path(init).is_file():
        raise StageError(
            f"config: {key}.init names {init!r}, which is not among {', '.join(runs)}, and no file has this path"
        )
    ancestors = {name}
    while init in runs:
        if init in ancestors:
            raise StageError(f"config: {key}.init leads back to {init}: a run cannot start from itself")
        ancestors.add(init)
        init = runs[init].get("init")


def _check_report(config: dict[str, Any]) -> None:
    runs = [*config["pretraining"]["runs"], *ALWAYS]
    for table, entry in config["report"]["tables"].items():
        key = f"report.tables.{table}"
        if table in RESERVED_TABLES:
            raise StageError(f"config: {key}: results/tables/{table}.tsv is another table; choose another name")
        if table in rule_names() or keyword.iskeyword(table):
            raise StageError(f"config: {key}: {table} is the name of a rule; choose another")
        row_runs = [row["run"] for row in entry["rows"] if "run" in row]
        for name in row_runs:
            _check_known(key, name, runs)
        for name in {entry["supervised"], *(row.get("supervised", "") for row in entry["rows"])} - {""}:
            _check_known(f"{key}.supervised", name, row_runs)
    for comparison in config["report"]["comparisons"]:
        for name in comparison["runs"]:
            _check_known(f"report.comparisons, {comparison['title']!r},", name, evaluated_runs(config))


def _check_descriptors(config: dict[str, Any]) -> None:
    if not config["descriptors"]:
        raise StageError(
            "config: descriptors is empty; name at least one, for example descriptors: {idt: {boxes: none}}"
        )
    for name, descriptors in config["descriptors"].items():
        if name in _SPACES_OF_NETWORKS:
            raise StageError(
                f"config: descriptors.{name}: `clusters: {name}` means something else; choose another name"
            )
        if descriptors["vectors"]:
            _check_vectors(name, descriptors)
        folders = {f"descriptors.{name}.rows": descriptors["rows"]} if descriptors["rows"] else {}
        entry = DETECTORS.get(detector_of(config, name))
        if entry and entry.folder:
            folders[f"persons.{entry.folder} (for descriptors.{name}.boxes)"] = config["persons"][entry.folder]
        for key, folder in folders.items():
            if not (folder and Path(folder).is_dir()):
                raise StageError(f"config: {key}: the folder {folder or '(empty)'} does not exist")
    first = next(iter(config["descriptors"]))
    if config["descriptors"][first]["vectors"] and "idt_fisher" in {*evaluated_runs(config), *table_runs(config)}:
        raise StageError(
            f"config: the run idt_fisher needs Fisher vectors, and descriptors.{first} has `vectors`; evaluate the run "
            "idt, or list other descriptors first"
        )


def _check_vectors(name: str, descriptors: dict[str, Any]) -> None:
    """Raises StageError if the file of vectors does not exist, or if another key of the entry is set too."""
    key, file = f"descriptors.{name}.vectors", descriptors["vectors"]
    if not Path(file).is_file():
        raise StageError(f"config: {key}: the file {file} does not exist")
    if Path(file).suffix not in VECTOR_FILES:
        raise StageError(f"config: {key}: the suffix of {file} is none of {', '.join(VECTOR_FILES)}")
    defaults = {other: node["default"] for other, node in keys_of("descriptors").items() if other != "vectors"}
    if others := [other for other, default in defaults.items() if descriptors[other] != default]:
        raise StageError(f"config: {key}: vectors are used as they are; remove {' and '.join(others)} from the entry")


def rule_names() -> set[str]:
    """Returns the names of all rules. No table may have one of these names."""
    files = [RULES.parent / "Snakefile", *RULES.glob("*.smk")]
    rules = re.compile(r"^(?:rule|checkpoint) (\w+):", re.MULTILINE)
    return {name for path in files for name in rules.findall(path.read_text())}
