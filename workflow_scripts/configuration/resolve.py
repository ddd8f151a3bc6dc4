"""Reads the config, checks it against the schema and adds the defaults, before any work starts."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.configuration.references import check_references
from workflow_scripts.configuration.schema import config_schema
from workflow_scripts.evaluation.evaluations import all_evaluations
from workflow_scripts.evaluation.label_leakage import check_label_leakage
from workflow_scripts.ground.stage import StageError

DEMO = REPOSITORY / "config.yaml"

# Limits of a config: values (each alias of YAML counts as a copy), levels, and bytes of a file.
MAX_VALUES, MAX_DEPTH, MAX_FILE_BYTES = 100_000, 50, 10_000_000

# Patterns of the rules' wildcards: a name in the config, and a run's `subset` (as in the schema).
NAME = "[A-Za-z0-9_-]+"
SUBSET = r"[^/\x00-\x1f]+"

SUBSETS = (
    "must be all, a number, FOLDER, splitN, or one of the last two with :NUMBER; FOLDER has no / : { } and no control "
    "characters"
)

# Keys whose entries are named by numbers: the paper's accuracies by number of shots.
_BY_NUMBER = ("paper", "paper_of_supervised")


def read_config(files: list[Path]) -> dict[str, Any]:
    """Returns the resolved config of `files`; a later file overrides an earlier one. Without files: the demo's config.

    Raises StageError if a file cannot be read or a key is wrong; the error names it.
    """
    config: dict[str, Any] = {}
    for path in files or [DEMO]:
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise WorkflowError(f"it is longer than {MAX_FILE_BYTES} bytes")
            file_config = load_configfile(path)
            _check_extent(file_config)
            update_config(config, file_config)
        except RecursionError as error:
            raise StageError(f"config: {path} cannot be read: it is nested too deeply") from error
        except (OSError, WorkflowError) as error:
            raise StageError(f"config: {path} cannot be read: {error}") from error
    return resolve(config)


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a copy of `config`, checked and filled with the schema's defaults.

    Raises StageError if a key or value is wrong; the error names the key.
    """
    _check_extent(config)
    schema = config_schema()
    _check_keys(config)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        raise StageError("; ".join(map(_sentence, errors)))
    config = _with_defaults(schema, config)
    _name_descriptors(config)
    check_references(config)
    check_label_leakage(config, dict.fromkeys((one.run, one.dataset) for one in all_evaluations(config)))
    return config


def _check_extent(config: Any) -> None:
    """Raises StageError if the config has too many values or levels.

    All aliases of a YAML value are one object and take no memory. But visiting all values takes as long as for copies.
    """
    stack, n_values = [(config, 0)], 0
    while stack:
        value, depth = stack.pop()
        n_values += 1
        if n_values > MAX_VALUES or depth > MAX_DEPTH:
            raise StageError(
                f"config: it has more than {MAX_VALUES} values, or more than {MAX_DEPTH} levels. Each alias (*name) "
                "counts as a copy. Use fewer aliases"
            )
        if isinstance(value, Mapping):
            stack += [(part, depth + 1) for part in value.values()]
        elif isinstance(value, list | tuple):
            stack += [(part, depth + 1) for part in value]


def _check_keys(node: Any, where: str = "") -> None:
    """Raises StageError for a key that YAML does not read as text, such as `1:` or `on:`."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if not isinstance(key, str):
            raise StageError(f"config: {where}{key}: YAML does not read this name as text; put it in quotes")
        if key not in _BY_NUMBER:
            _check_keys(value, f"{where}{key}.")


def _with_defaults(schema: dict[str, Any], value: Any) -> Any:
    """Returns `value` with the defaults of `schema` for its missing keys. A run's keys have no defaults."""
    if not isinstance(value, dict):
        return value
    keys, entries = schema.get("properties", {}), schema.get("additionalProperties")
    filled = {}
    for key, part in keys.items():
        if key in value or "default" in part:
            filled[key] = _with_defaults(part, value.get(key, part.get("default")))
    for key in value.keys() - keys.keys():
        filled[key] = _with_defaults(entries if isinstance(entries, dict) else {}, value[key])
    return {key: filled[key] for key in [*keys, *value] if key in filled}


def _name_descriptors(config: dict[str, Any]) -> None:
    """Replaces the name of descriptors in `clusters` of a run by `clusters: idt, descriptors: NAME`."""
    for run in config["pretraining"]["runs"].values():
        if run.get("clusters") in config["descriptors"] and "descriptors" not in run:
            run |= {"clusters": "idt", "descriptors": run["clusters"]}


def _sentence(error: jsonschema.ValidationError) -> str:
    """Returns one sentence with the key's full name; for an unknown key, also the most similar key."""
    where = ".".join(map(str, error.absolute_path)).encode("unicode_escape").decode()
    node = cast(dict[str, Any], error.schema)
    if error.validator == "additionalProperties":
        known = list(node["properties"])
        sentences = []
        for key in cast(dict[str, Any], error.instance).keys() - set(known):
            matches = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {matches[0]}?" if matches else f"known are {', '.join(known)}"
            sentences.append(f"config: {where + '.' if where else ''}{key} is not a known key; {hint}")
        return "; ".join(sorted(sentences))
    if error.validator in ("pattern", "anyOf") and "description" in node:  # the message would show the pattern
        expectation = SUBSETS if where.endswith("subset") else f"is not of this kind: {node['description']}"
        return f"config: {where}: {error.instance!r} {expectation}"
    return f"config: {where or 'the top level'}: {error.message}"


def as_yaml(config: dict[str, Any]) -> str:
    """Returns the config as YAML; the keys keep their order."""
    return yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True)
