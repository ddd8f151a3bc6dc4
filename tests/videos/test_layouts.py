"""The table of layouts."""

from workflow_scripts.configuration.schema import config_schema
from workflow_scripts.videos.layouts import LAYOUTS, OFFICIAL


def test_layouts_are_those_of_the_schema() -> None:
    dataset = config_schema()["properties"]["datasets"]["additionalProperties"]
    assert dataset["properties"]["layout"]["enum"] == list(LAYOUTS)


def test_official_layouts_have_annotations() -> None:
    assert OFFICIAL == ("ucf101", "hmdb51", "kinetics")
    assert all(LAYOUTS[name].source == "annotations" for name in OFFICIAL)
