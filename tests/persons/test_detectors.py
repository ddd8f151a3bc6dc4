"""The table of detectors, and the errors of `make_detector`."""

from importlib.util import find_spec

import pytest

from workflow_scripts.configuration.schema import keys_of
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detectors import DETECTORS, make_detector
from workflow_scripts.persons.settings import PersonsSettings


@pytest.mark.skipif(find_spec("detectron2") is not None, reason="detectron2 is installed here")
def test_make_detector_without_detectron2() -> None:
    with pytest.raises(StageError, match=r"envs/persons\.yaml") as error:
        make_detector("detectron2", PersonsSettings())
    assert "\n" not in str(error.value)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed here")
def test_make_detector_without_torchvision() -> None:
    with pytest.raises(StageError, match=r"No module named 'torchvision'.*pip install torchvision") as error:
        make_detector("torchvision", PersonsSettings())
    assert "\n" not in str(error.value)


def test_make_detector_unknown_name() -> None:
    with pytest.raises(StageError, match=r"yolo.*hog"):
        make_detector("yolo", PersonsSettings())


def test_detectors_are_those_of_the_schema() -> None:
    assert set(keys_of("descriptors")["boxes"]["enum"]) == {"none", *DETECTORS}
