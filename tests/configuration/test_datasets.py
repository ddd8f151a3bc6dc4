"""The entries of datasets."""

from pathlib import Path

import pytest
from small_config import config_with

from workflow_scripts.configuration.datasets import dataset_values
from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.ground.stage import StageError


def test_dataset_values_names_a_missing_root(tmp_path: Path) -> None:
    config = resolve(config_with("datasets.a.root", str(tmp_path / "none")))
    with pytest.raises(StageError, match=r"datasets\.a\.root: the folder .*none does not exist"):
        dataset_values(config, "a", "")


def test_dataset_values_says_where_to_give_an_empty_root() -> None:
    config = resolve(config_with("datasets.a", {"layout": "folder", "root": ""}))
    with pytest.raises(StageError, match=r"datasets\.a\.root is empty; give the folder"):
        dataset_values(config, "a", "")


def test_dataset_values_finds_a_manifest_in_the_folder_of_the_snakefile(tmp_path: Path) -> None:
    entry = {"layout": "manifest", "root": str(tmp_path), "manifest": "list.csv"}
    config = resolve(config_with("datasets.a", entry))
    with pytest.raises(StageError, match=r"datasets\.a\.manifest: no file list\.csv"):
        dataset_values(config, "a", str(tmp_path / "beside"))
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "list.csv").write_text("path\n")
    assert "beside" in dataset_values(config, "a", str(tmp_path / "beside"))["manifest"]
