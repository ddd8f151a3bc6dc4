"""Makes the config's JSON schema from the settings dataclasses.

Beside the keywords of JSON Schema, a key has the values `source`, `unit`, `default_key` and `influences_result` of its
`setting`. A key of `persons` that not all detectors read has the names of its `detectors`.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from workflow_scripts.configuration.sections import CONFIG_KEYS_OF_RUNS, ConfigSettings
from workflow_scripts.persons.detectors import DETECTORS

_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


@functools.cache
def config_schema() -> dict[str, Any]:
    """Returns the schema of the config. Do not modify it: all callers get the same object."""
    schema = _class_schema(ConfigSettings)
    sections = schema["properties"]
    for key, node in sections["persons"]["properties"].items():
        if detectors := [name for name, entry in DETECTORS.items() if key in entry.keys]:
            node["detectors"] = detectors
    run = sections["pretraining"]["properties"]["runs"]["additionalProperties"]
    for section, keys in CONFIG_KEYS_OF_RUNS.items():
        for key in keys:
            run["properties"][key] = {"$ref": f"#/properties/{section}/properties/{key}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def keys_of(section: str) -> dict[str, dict[str, Any]]:
    """Returns the schema of each key of a section; for a section of named entries, of the keys of an entry."""
    node = config_schema()["properties"][section]
    return dict(node["properties"] if "properties" in node else node["additionalProperties"]["properties"])


def _class_schema(kind: type) -> dict[str, Any]:
    """Returns the schema of an object whose keys are those fields of `kind` that `setting` describes."""
    hints = get_type_hints(kind, include_extras=True)
    described = [field for field in dataclasses.fields(kind) if "meaning" in field.metadata]
    described.sort(key=lambda field: field.name not in kind.__annotations__)  # fields of base classes last
    required = [field.name for field in described if field.metadata["required"]]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {field.name: _field_schema(field, hints[field.name]) for field in described},
    }


def _field_schema(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    metadata = field.metadata
    node: dict[str, Any] = {"description": metadata["meaning"]}
    node |= {key: metadata[key] for key in ("unit", "source", "default_key") if metadata[key]}
    if not metadata["influences_result"]:
        node["influences_result"] = False
    node |= _type_schema(hint)
    for key, limit in metadata["limits"].items():
        node[key] = node[key] | limit if isinstance(node.get(key), dict) else limit
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is not None and not metadata["required"] and not metadata["default_key"]:
        node["default"] = default
    return dict(json.loads(json.dumps(node)))  # tuples become lists


def _type_schema(hint: Any) -> dict[str, Any]:
    """Returns the schema of a field's type. It is empty for Any and unions, which have limits instead."""
    if dataclasses.is_dataclass(hint):
        return _class_schema(hint) if isinstance(hint, type) else {}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:  # a mapping with the keys of this dataclass
        return _type_schema(arguments[1])
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin in (dict, Mapping):
        return {
            "type": "object",
            **({} if arguments[1] is Any else {"additionalProperties": _type_schema(arguments[1])}),
        }
    without_none = [argument for argument in arguments if argument is not type(None)]
    return _type_schema(without_none[0]) if len(without_none) == 1 and len(arguments) == 2 else {}
