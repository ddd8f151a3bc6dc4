"""Describes the fields of settings dataclasses: default, meaning, limits and source of each key.

`make schema` writes the config's schema and docs/configuration.md from these descriptions.
"""

import copy
from collections.abc import Sequence
from dataclasses import field
from typing import Any, TypedDict, Unpack


class Limits(TypedDict, total=False):
    """Keywords of JSON Schema that limit the values of a key."""

    minimum: float
    exclusiveMinimum: float
    maximum: float
    exclusiveMaximum: float
    enum: Sequence[Any]
    pattern: str
    minItems: int
    uniqueItems: bool
    minProperties: int
    items: dict[str, Any]
    propertyNames: dict[str, Any]
    additionalProperties: dict[str, Any]
    anyOf: Sequence[dict[str, Any]]


def setting(
    default: Any,
    meaning: str,
    *,
    source: str = "",
    unit: str = "",
    required: bool = False,
    default_key: str = "",
    influences_result: bool = True,
    **limits: Unpack[Limits],
) -> Any:
    """A field of a settings dataclass that is a key of the config.

    Args:
        default: The value if the config does not give one. None: the config may leave the key out.
        meaning: One or two sentences for the user, without default, unit, limits and source.
        source: Who states the default: "paper 4.2", "reference [46]", "authors' code" or "ours". Commas separate
            several sources; the first one decides. A default whose source begins with "paper" is the paper's value.
            Empty for keys that only name something.
        unit: The unit of the value.
        required: Whether a config must give the key.
        default_key: The key of the config whose value is the default.
        influences_result: Whether another value can change a result.
        **limits: Which values the key may have.
    """
    metadata = {
        "meaning": meaning,
        "source": source,
        "unit": unit,
        "required": required,
        "default_key": default_key,
        "influences_result": influences_result,
        "limits": limits,
    }
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)
