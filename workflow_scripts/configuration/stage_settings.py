"""The settings and the VERSION of a stage, as its rule passes them.

A rule passes only the keys that differ from the defaults of the stage's settings, so a new key with a default reruns
nothing.
"""

import dataclasses
import json
from importlib import import_module
from typing import Any


def _settings_class(noun: str, name: str = "") -> Any:
    settings = import_module(f"workflow_scripts.{noun}.settings")
    return getattr(settings, name or f"{noun.capitalize()}Settings")


def changed_settings(noun: str, values: dict[str, Any], name: str = "") -> str:
    """Returns the `values` that differ from the defaults of a settings class, as JSON for a stage's --settings.

    Args:
        noun: The package of the settings.
        values: Values by key. Keys that the settings do not have are left out, because only rules read them.
        name: The settings class; by default the one named after the noun.
    """
    kind = _settings_class(noun, name)
    defaults = json.loads(json.dumps(dataclasses.asdict(kind())))
    different = {key: values[key] for key in sorted(defaults) if key in values and values[key] != defaults[key]}
    return json.dumps(json.loads(json.dumps(different)), sort_keys=True)  # YAML may mix numbers and words as keys


def stage_settings(noun: str, values: dict[str, Any], name: str = "") -> Any:
    """Returns the settings that a rule passes to a stage; for the arguments see `changed_settings`."""
    return _settings_class(noun, name)(**json.loads(changed_settings(noun, values, name)))


def versions(noun: str) -> dict[str, int]:
    """Returns the VERSION of each stage of a noun."""
    return dict(import_module(f"workflow_scripts.{noun}.settings").VERSIONS)


def version(noun: str, stage: str) -> int:
    return versions(noun)[stage]
