"""Writes the config's schema and its documentation from the settings dataclasses: `make schema`.

python -m workflow_scripts.configuration.make_schema
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.configuration.schema import config_schema
from workflow_scripts.ground.artifacts import write_text

SCHEMA = REPOSITORY / "rules" / "schemas" / "config.schema.yaml"
DOCUMENTATION = REPOSITORY / "docs" / "configuration.md"

KINDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
}
KINDS_IN_LIST = {"integer": "whole numbers", "number": "numbers", "string": "texts", "object": "mappings"}
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

INTRODUCTION = """# Configuration

`make schema` writes this page and `rules/schemas/config.schema.yaml` from the settings dataclasses
(`workflow_scripts/*/settings.py` and `workflow_scripts/configuration/sections.py`); change those, not these files.

A config file gives only the values that differ from the defaults. The defaults are the paper's values where the paper
gives them. An unknown key aborts the run; the error names it. The column *source* names the source of a default: the
paper (with its section), a reference of the paper (with its number), the authors' code, or this project (ours).
"""


def schema_text() -> str:
    """Returns the text of the schema's file."""
    return "# Written by `make schema` from the settings dataclasses: change those, not this file.\n" + yaml.safe_dump(
        config_schema(), sort_keys=False, allow_unicode=True, width=120
    )


def documentation_text() -> str:
    """Returns the text of docs/configuration.md: a table per section."""
    sections = config_schema()["properties"]
    single = {key: node for key, node in sections.items() if not _keys(node)}
    parts = [INTRODUCTION, "## Keys outside the sections", _table(single, [])]
    for name, node in sections.items():
        if name not in single:
            parts += _section(name, node, "##")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _keys(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the keys of a section, or of the entries of a mapping or list; none for a plain value."""
    return dict(_object(node).get("properties", {}))


def _object(node: dict[str, Any]) -> dict[str, Any]:
    """Returns the node of a section, or of an entry of a mapping or list."""
    return node if "properties" in node else node.get("additionalProperties") or node.get("items") or {}


def _section(path: str, node: dict[str, Any], heading: str) -> list[str]:
    """Returns the paragraphs about a section, or about a key that has keys itself."""
    keys = _keys(node)
    plain = {key: part for key, part in keys.items() if "$ref" not in part}
    parts = [f"{heading} {path}"]
    if heading == "##":  # other descriptions are in the table of the section
        parts.append(node["description"])
    if "properties" not in node:
        parts.append("Keys of an entry:")
    parts.append(_table(plain, _object(node).get("required", [])))
    if len(plain) < len(keys):
        parts.append(_inherited_keys(part for part in keys.values() if "$ref" in part))
    for key, part in plain.items():
        if _keys(part):
            parts += _section(f"{path}.{key}", part, "###")
    return parts


def _inherited_keys(nodes: Iterable[dict[str, Any]]) -> str:
    """Returns a sentence that names the keys of other sections that an entry can set."""
    sections: dict[str, list[str]] = {}
    for node in nodes:
        _, _, section, _, key = node["$ref"].split("/")  # #/properties/SECTION/properties/KEY
        sections.setdefault(section, []).append(f"`{key}`")
    listed = "; ".join(f"of `{section}` {', '.join(keys)}" for section, keys in sections.items())
    return f"An entry can also override these keys: {listed}."


def _table(keys: dict[str, dict[str, Any]], required: Sequence[str]) -> str:
    lines = [["key", "meaning", "values", "default", "source"], ["---"] * 5]
    for key, node in keys.items():
        default = "required" if key in required else _default(node)
        lines.append([f"`{key}`", _meaning(node), _values(node), default, node.get("source", "")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _meaning(node: dict[str, Any]) -> str:
    sentences = [node["description"]]
    if "detectors" in node:
        sentences.append(f"Only with boxes: {' or '.join(node['detectors'])}.")
    if not node.get("influences_result", True):
        sentences.append("It does not influence results.")
    return " ".join(sentences)


def _values(node: dict[str, Any]) -> str:
    """Returns choices or type, limits and unit of a value."""
    kinds = [kind for part in node.get("anyOf", [node]) if (kind := _kind(part))]
    return ", ".join([" or ".join(kinds) or "any", *([node["unit"]] if "unit" in node else [])])


def _kind(node: dict[str, Any]) -> str:
    """Returns choices, or type and limits, of a value; empty if the schema names neither."""
    items = node.get("items", {})
    if choices := node.get("enum") or items.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "type" not in node:
        return ""
    kind = KINDS[node["type"]]
    kind += f" of {KINDS_IN_LIST[items['type']]}" if items.get("type") in KINDS_IN_LIST else ""
    limits = [
        f"{sign} {items.get(limit, node.get(limit))}"
        for limit, sign in SIGNS.items()
        if limit in node or limit in items
    ]
    return ", ".join([kind, *limits])


def _default(node: dict[str, Any]) -> str:
    if "default_key" in node:
        return f"that of `{node['default_key']}`"
    return f"`{json.dumps(node['default'])}`" if "default" in node else ""


def main() -> None:
    """Writes both files."""
    write_text(SCHEMA, schema_text())
    write_text(DOCUMENTATION, documentation_text())


if __name__ == "__main__":
    main()
