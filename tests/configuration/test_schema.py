"""The config's schema and its documentation."""

from collections.abc import Iterator
from typing import Any

import jsonschema

from workflow_scripts.configuration.make_schema import DOCUMENTATION, SCHEMA, documentation_text, schema_text
from workflow_scripts.configuration.schema import config_schema, keys_of


def test_schema_text_and_documentation_text_are_in_their_files() -> None:
    hint = "a settings dataclass changed; run `make schema`"
    assert SCHEMA.read_text() == schema_text(), hint
    assert DOCUMENTATION.read_text() == documentation_text(), hint


def test_config_schema_explains_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(config_schema())

    def nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        entry = node.get("additionalProperties") or node.get("items") or {}
        for key, part in {**node.get("properties", {}), **entry.get("properties", {})}.items():
            if "$ref" not in part:
                yield f"{path}.{key}", part
                yield from nodes(part, f"{path}.{key}")

    keys = dict(nodes(config_schema(), "config"))
    assert len(keys) > 100
    for path, node in keys.items():
        assert node["description"].endswith("."), path
        assert "type" in node or "anyOf" in node or path == "config.report.sources.value", path
        source = node.get("source", "ours")
        assert source.startswith(("paper ", "reference [", "authors' code", "ours")), path


def test_keys_of_stages_have_a_source() -> None:
    for section in ("videos", "persons", "trajectories", "encoding", "clusters", "frames"):
        assert [key for key, node in keys_of(section).items() if "source" not in node] == []
    of_names = {"dataset", "runs", "datasets"}
    for section in ("pretraining", "evaluation"):
        assert {key for key, node in keys_of(section).items() if "source" not in node} <= of_names


def test_keys_of_sections_have_the_values_of_setting() -> None:
    persons = keys_of("persons")
    assert persons["hog_height"]["detectors"] == ["hog"] and "detectors" not in persons["stride"]
    assert persons["hog_height"]["minimum"] == 128 and persons["hog_height"]["unit"] == "pixels"
    assert keys_of("trajectories")["keep"]["influences_result"] is False
    assert (
        keys_of("datasets")["shards"]["default_key"] == "videos.shards"
        and "default" not in keys_of("datasets")["shards"]
    )
    pretraining = keys_of("pretraining")
    assert (pretraining["width"]["source"], pretraining["color"]["source"]) == ("paper 4.2", "paper 4.2")
    assert pretraining["lr_milestones"]["items"] == {"type": "integer"}


def test_keys_of_persons_name_the_detectors_that_boxes_allows() -> None:
    boxes = keys_of("descriptors")["boxes"]["enum"]
    named = {detector for node in keys_of("persons").values() for detector in node.get("detectors", [])}
    assert named == set(boxes) - {"none"}
