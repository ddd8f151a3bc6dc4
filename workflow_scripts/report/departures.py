"""Which of the values behind a table are not the paper's: where each is from, by the schema, and what it is here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_scripts.config import described

SECTIONS = ("trajectories", "encoding", "clusters", "frames", "pretraining", "evaluation")


@dataclass(frozen=True)
class Departure:
    """A key whose value the paper does not state, or states otherwise."""

    key: str  # section.key, or the run's name before the key
    value: Any
    source: str  # "paper 4.2: 200" where the paper states another value, else who states it: authors' code, ours, ...


def departures(config: dict[str, Any], runs: Iterable[str]) -> list[Departure]:
    """The departures of a resolved config and of these `runs` with those that they start from, by key.

    A key whose `source` in the schema begins with the paper departs where its value is not the schema's default, which
    is the paper's; any other departs always, or in a run where the run sets it.
    """
    found = []
    keys = described()
    for section in SECTIONS:
        for key, node in keys[section].items():
            if key in config[section] and (departure := _departure(f"{section}.{key}", node, config[section][key])):
                found.append(departure)
    trainings = config["pretraining"]["runs"]
    nodes = {**keys["clusters"], **keys["frames"], **keys["pretraining"]}
    for run in _with_ancestors(runs, trainings):
        for key, value in trainings[run].items():
            if departure := _departure(f"{run}.{key}", nodes.get(key, {}), value):
                found.append(departure)
    return found


def _departure(key: str, node: dict[str, Any], value: Any) -> Departure | None:
    said = re.search(r"source (.*)$", node.get("description", ""))
    if said is None or node.get("default", []) in ([], ""):  # the keys without a default name things
        return None
    if not said[1].startswith("paper"):
        return Departure(key, value, said[1])
    return Departure(key, value, f"{said[1]}: {node['default']}") if value != node["default"] else None


def _with_ancestors(runs: Iterable[str], trainings: dict[str, dict[str, Any]]) -> list[str]:
    """The trained runs and what they start from, each once, in the order of the config."""
    known: set[str] = set()
    for run in runs:
        while run in trainings and run not in known:
            known.add(run)
            run = str(trainings[run].get("init", ""))
    return [run for run in trainings if run in known]
