"""The values behind a table that are not the paper's, with their sources."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from workflow_scripts.configuration.datasets import detector_of
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.schema import keys_of
from workflow_scripts.evaluation.protocols import settings_of
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.pretraining.settings import lineage
from workflow_scripts.report.methods import PRIOR

SECTIONS = ("persons", "trajectories", "encoding", "clusters", "frames", "pretraining", "evaluation")


@dataclass(frozen=True)
class Departure:
    """A key whose value differs from the paper's, or that the paper does not state."""

    key: str  # section.key, the run's name before the key, or descriptors.name.key
    value: Any
    source: str  # "paper 4.2: 200" where the paper states another value, else who states it: authors' code, ours, ...

    @property
    def contradicts(self) -> bool:
        """Whether the paper states another value."""
        return self.source.startswith("paper")


def departures(config: dict[str, Any], runs: Iterable[str], protocol: str = "finetune") -> list[Departure]:
    """The departures of some runs and of the runs that they start from.

    The schema gives a `source` for each key. If it begins with "paper", the default is the paper's value, and only
    another value is a departure. Every value of another key is a departure. A key of a run or of descriptors is a
    departure only if the config sets it there. Entries of `report.sources` replace the sources of single keys. Values
    that cannot change these runs are left out: those of other protocols and other detectors of people, and keys that do
    not influence a result.

    Args:
        config: The resolved config.
        runs: The runs of a table.
        protocol: How networks are evaluated; IDT is always evaluated by its SVM.
    """
    runs, sources, descriptors = list(runs), config["report"]["sources"], keys_of("descriptors")
    sections = {section: keys_of(section) for section in SECTIONS}
    trainings = config["pretraining"]["runs"]
    trained = with_ancestors(runs, trainings)
    described_by = _descriptors(config, [*runs, *trained])
    # The keys of each section that these runs read
    protocols = [protocol, *(["svm"] if IDT_RUNS.keys() & set(runs) else [])]
    sections["evaluation"] = {
        key: node for one in protocols for key, node in settings_of(one, sections["evaluation"]).items()
    }
    if "idt_fisher" not in runs:
        del sections["encoding"]["per_channel"]
    detectors = {detector_of(config, name) for name in described_by} - {"none"}
    sections["persons"] = {
        key: node for key, node in sections["persons"].items() if detectors & set(node.get("detectors", detectors))
    }
    candidates = [
        _departure(f"{section}.{key}", node, config[section][key], sources)
        for section in SECTIONS
        for key, node in sections[section].items()
        if key in config[section]
    ]
    # What descriptors and runs set
    for name in described_by:
        candidates += [
            _departure(f"descriptors.{name}.{key}", descriptors[key], value, sources)
            for key, value in config["descriptors"][name].items()
        ]
    of_runs = ("clusters", "frames", "pretraining")
    nodes = {key: (section, node) for section in of_runs for key, node in sections[section].items()}
    for run in trained:
        for key, value in trainings[run].items():
            section, node = nodes.get(key, ("", {}))
            if section and value != config[section].get(key):  # else the section's entry covers it
                candidates.append(_departure(f"{run}.{key}", node, value, sources))
    return [departure for departure in candidates if departure is not None]


def in_words(all_departures: Iterable[Departure]) -> list[str]:
    """A line for each value and source: `la_idt.epochs, la_idt_64.epochs: 25 (authors' code)`."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in all_departures:
        groups.setdefault((one.key.rpartition(".")[2], str(one.value), one.source), []).append(one.key)
    return [f"{', '.join(keys)}: {value} ({source})" for (_, value, source), keys in groups.items()]


def _departure(key: str, node: dict[str, Any], value: Any, sources: list[dict[str, Any]]) -> Departure | None:
    if "source" not in node or "default" not in node or not node.get("influences_result", True):
        return None  # the keys without a source or a default name things
    source, default = node["source"], node["default"]
    if value == default and value in ("", []):
        return None  # nothing is set
    for entry in sources:
        if fnmatchcase(key, entry["key"]) and (value == entry["value"] or entry["source"].startswith("paper")):
            source, default = entry["source"], entry["value"]
            break
    if not source.startswith("paper"):
        return Departure(key, value, source)
    return None if value == default else Departure(key, value, f"{source}: {'another' if default == '' else default}")


def _descriptors(config: dict[str, Any], runs: Iterable[str]) -> list[str]:
    """The descriptors that these runs use, in the order of the config."""
    used = set()
    for run in runs:
        if run in IDT_RUNS:
            used.add(next(iter(config["descriptors"])))
        elif (values := run_values(config, run))["clusters"] in PRIOR:
            used.add(values["descriptors"])
    return [name for name in config["descriptors"] if name in used]


def with_ancestors(runs: Iterable[str], trainings: dict[str, dict[str, Any]]) -> list[str]:
    """The trained runs and the runs that they start from, each once, in the order of the config."""
    with_lineage = {name for run in runs for name in lineage(trainings, run)}
    return [run for run in trainings if run in with_lineage]
