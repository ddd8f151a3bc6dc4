"""The conda environments and constraints.txt name the same versions."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("envs/*.yaml")), ids=lambda path: path.name)
def test_environments_have_the_versions_of_the_constraints(path: Path) -> None:
    pins = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().lower().split())
    packages = next(
        entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)
    )
    named = dict(package.lower().split("==") for package in packages if "==" in package)
    assert named == {name: pins[name] for name in named}


def test_constraints_pin_every_dependency() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    lists = re.findall(r"(?:dependencies|pipeline|cpu|gpu|test|watch|docs) = \[(.*?)\]", text, re.DOTALL)
    names = {re.split(r"[<>=]", name)[0].lower() for part in lists for name in re.findall(r'"([^"]+)"', part)}
    pins = {line.split("==")[0].lower() for line in (REPOSITORY / "constraints.txt").read_text().split()}
    assert len(names) > 15 and names - {"dense-trajectory-clustering[pipeline]"} <= pins


def test_make_docs_installs_the_extra_docs() -> None:
    extra = re.search(r"^docs = \[(.*)\]", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    installed = re.search(r"^DOCS_PACKAGES := (.*)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert extra and installed and installed[1].split() == re.findall(r'"([^"]+)"', extra[1])


def test_environments_have_one_build_of_faiss() -> None:
    """Both packages install the module `faiss`, and the later one overwrites a part of the earlier one."""
    builds = {path.name: re.findall(r"faiss-\w+", path.read_text()) for path in REPOSITORY.glob("envs/*.yaml")}
    assert builds == {"pipeline.yaml": ["faiss-cpu"], "gpu.yaml": ["faiss-gpu"], "persons.yaml": []}
