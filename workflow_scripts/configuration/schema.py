"""The config's JSON schema, made of the settings dataclasses.

Beside what JSON Schema knows, a key has `source`, `unit`, `default_key`, `detectors` and `influences_result` where
`setting` was given them.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from workflow_scripts.configuration.sections import CONFIG_KEYS_OF_RUNS, ConfigSettings

_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


@functools.cache
def config_schema() -> dict[str, Any]:
    """The schema of the whole config. Do not change it: all callers share it."""
    schema = _of_class(ConfigSettings)
    sections = schema["properties"]
    run = sections["pretraining"]["properties"]["runs"]["additionalProperties"]
    for section, keys in CONFIG_KEYS_OF_RUNS.items():
        for key in keys:
            run["properties"][key] = {"$ref": f"#/properties/{section}/properties/{key}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def keys_of(section: str) -> dict[str, dict[str, Any]]:
    """The keys of a section of the config, and how the schema describes each. Of `descriptors`, those of an entry."""
    node = config_schema()["properties"][section]
    return dict(node["properties"] if "properties" in node else node["additionalProperties"]["properties"])


def _of_class(kind: type) -> dict[str, Any]:
    """The schema of an object whose keys are the fields of `kind` that `setting` describes."""
    hints = get_type_hints(kind, include_extras=True)
    described = [field for field in dataclasses.fields(kind) if "meaning" in field.metadata]
    described.sort(key=lambda field: field.name not in kind.__annotations__)  # those of a base class last
    required = [field.name for field in described if field.metadata["required"]]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {field.name: _of_field(field, hints[field.name]) for field in described},
    }


def _of_field(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    facts = field.metadata
    node: dict[str, Any] = {"description": facts["meaning"]}
    node |= {key: facts[key] for key in ("unit", "source", "default_key", "detectors") if facts[key]}
    if not facts["influences_result"]:
        node["influences_result"] = False
    node |= _of_type(hint)
    for key, limit in facts["limits"].items():
        node[key] = node[key] | limit if isinstance(node.get(key), dict) else limit
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is not None and not facts["required"] and not facts["default_key"]:
        node["default"] = default
    return dict(json.loads(json.dumps(node)))  # tuples become lists


def _of_type(hint: Any) -> dict[str, Any]:
    """The schema of a field's type. Any and unions say nothing: their limits do."""
    if dataclasses.is_dataclass(hint):
        return _of_class(hint) if isinstance(hint, type) else {}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:  # a mapping with the keys of this dataclass
        return _of_type(arguments[1])
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin in (dict, Mapping):
        return {"type": "object", **({} if arguments[1] is Any else {"additionalProperties": _of_type(arguments[1])})}
    without_none = [argument for argument in arguments if argument is not type(None)]
    return _of_type(without_none[0]) if len(without_none) == 1 and len(arguments) == 2 else {}
