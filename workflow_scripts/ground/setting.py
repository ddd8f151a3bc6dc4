"""How a settings dataclass describes its fields: `setting` writes the default, meaning, limits and source of one key.

The config's schema and docs/configuration.md are made of these descriptions (`make schema`).
"""

import copy
from collections.abc import Sequence
from dataclasses import field
from typing import Any, TypedDict, Unpack


class Limits(TypedDict, total=False):
    """Which values a key may have, in the words of JSON Schema; the type is that of the field."""

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
    detectors: Sequence[str] = (),
    influences_result: bool = True,
    **limits: Unpack[Limits],
) -> Any:
    """A field of a settings dataclass that is a key of the config.

    Args:
        default: The value where the config gives none. None: the config may leave the key out.
        meaning: One or two sentences for the user, without default, unit, limits and source.
        source: Who states the default: "paper 4.2", "reference [46]", "authors' code" or "ours". Several are separated
            by commas, the first counts. A default whose source begins with "paper" is the paper's value. Empty for keys
            that only name things.
        unit: The unit of the value.
        required: Whether a config must give the key.
        default_key: The key of the config whose value is the default.
        detectors: The detectors of persons that the key concerns. None named: all.
        influences_result: Whether another value can change a result.
        **limits: Which values the key may have.
    """
    metadata = {
        "meaning": meaning,
        "source": source,
        "unit": unit,
        "required": required,
        "default_key": default_key,
        "detectors": list(detectors),
        "influences_result": influences_result,
        "limits": limits,
    }
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)
