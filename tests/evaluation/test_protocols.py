"""The protocols and their settings."""

import dataclasses

from workflow_scripts.evaluation.protocols import PROTOCOLS, settings_of
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.pretraining.settings import PretrainingSettings


def test_settings_of_all_protocols_cover_every_setting() -> None:
    keys = set(vars(EvaluationSettings()))
    of = {protocol: set(settings_of(protocol, vars(EvaluationSettings()))) for protocol in PROTOCOLS}
    assert set().union(*of.values()) == keys
    assert of["svm"] == {"svm_c"}
    assert of["finetune"] & of["linear"] == of["linear"] & of["knn"] == {"clips"}


def test_architecture_has_the_defaults_of_the_pretraining() -> None:
    pretraining = dataclasses.asdict(PretrainingSettings())
    assert all(pretraining[key] == value for key, value in dataclasses.asdict(Architecture()).items())
