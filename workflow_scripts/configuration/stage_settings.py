"""The settings and the VERSION of a stage, as its rule passes them.

A rule passes the keys that differ from the defaults of the stage's settings dataclass. These defaults equal those of
the schema (a test checks this), so a new key with a default reruns nothing.
"""

import dataclasses
import json
from importlib import import_module
from typing import Any


def _settings_class(noun: str, name: str = "") -> Any:
    settings = import_module(f"workflow_scripts.{noun}.settings")
    return getattr(settings, name or f"{noun.capitalize()}Settings")


def changed_settings(noun: str, values: dict[str, Any], name: str = "") -> str:
    """JSON of those `values` that differ from the defaults of the noun's settings, for a stage's --settings.

    Keys that the settings do not have are left out: they are the rules' own (which files, which stage).
    """
    kind = _settings_class(noun, name)
    defaults = json.loads(json.dumps(dataclasses.asdict(kind())))
    different = {key: values[key] for key in sorted(defaults) if key in values and values[key] != defaults[key]}
    return json.dumps(json.loads(json.dumps(different)), sort_keys=True)  # YAML's keys may be numbers beside words


def stage_settings(noun: str, values: dict[str, Any], name: str = "") -> Any:
    """The settings that a stage of the noun is given by a rule: `values` over the defaults, other keys left out."""
    return _settings_class(noun, name)(**json.loads(changed_settings(noun, values, name)))


def versions(noun: str) -> dict[str, int]:
    """The VERSION of each stage of a noun."""
    return dict(import_module(f"workflow_scripts.{noun}.settings").VERSIONS)


def version(noun: str, stage: str) -> int:
    """The VERSION of a stage, raised when its result changes."""
    return versions(noun)[stage]
