"""The rules pass each value of a config unchanged to a stage, and no shell interprets it."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from small_config import config_with

from workflow_scripts.configuration.resolve import SUBSET, resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.configuration.stage_settings import changed_settings, stage_settings, versions
from workflow_scripts.ground.stage import StageError, make_parser

REPOSITORY = Path(__file__).parents[2]
RULES = sorted((REPOSITORY / "rules").glob("*.smk"))
HOSTILE = ["a b", "'", '"', "zz;touch X;echo", "$(touch X)", "`touch X`", "--help", "-x", "a&b", "*", "\\", "#"]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_quote_every_value_in_a_shell_command(path: Path) -> None:
    """Exceptions: numbers, the launcher of a profile, and the words that `stage_inputs` quotes."""
    for rule in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)[1:]:
        unquoted = {"threads", "resources.launcher", *(["params.files"] if "files=stage_inputs" in rule else [])}
        _, _, command = rule.partition("shell:")
        values = set(re.findall(r"\{([^}]+)\}", command))
        assert {value for value in values if not value.endswith(":q")} <= unquoted, rule.splitlines()[0]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_pass_free_strings_with_an_equals_sign(path: Path) -> None:
    for name in ("dataset", "run", "subset", "detector"):
        assert f"--{name} {{" not in path.read_text()


@pytest.mark.parametrize("value", [*HOSTILE, "{x}", "a\nb"])
@pytest.mark.parametrize(
    "where",
    ["pretraining.subset", "report.title", "persons.model", "persons.weights", "datasets.a.root", "datasets.a.include"],
)
def test_changed_settings_pass_hostile_strings_through_a_shell(where: str, value: str) -> None:
    try:
        config = resolve(config_with(where, value))
    except StageError as error:
        assert where == "pretraining.subset" and str(error).startswith("config: ") and "\n" not in str(error)
        return
    *_, last = where.split(".")
    noun = "videos" if where.startswith("datasets") else where.split(".")[0]
    if where == "pretraining.subset":
        assert re.fullmatch(SUBSET, value)
        return
    values = config["datasets"]["a"] if noun == "videos" else config[noun]
    text = changed_settings(noun, values, "DatasetSettings" if noun == "videos" else "")
    done = subprocess.run(["bash", "-c", f"printf %s {shlex.quote(text)}"], capture_output=True, text=True, check=True)
    assert getattr(stage_settings(noun, values, "DatasetSettings" if noun == "videos" else ""), last) == value
    assert done.stdout == text


@pytest.mark.parametrize("name", ["{x}", "<b>", "1:", "", "a b", "a\n", 1, True, "a/b", "$(x)"])
@pytest.mark.parametrize("where", ["datasets", "descriptors", "pretraining.runs", "report.tables"])
def test_resolve_refuses_names_that_snakemake_cannot_take(where: str, name: object) -> None:
    with pytest.raises(StageError) as raised:
        resolve(config_with(where, {name: {}}))
    assert f"config: {where}" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("table", ["all", "videos", "pretraining", "class"])
def test_resolve_refuses_a_table_with_the_name_of_a_rule(table: str) -> None:
    with pytest.raises(StageError, match=f"report.tables.{table}: {table} is the name of a rule"):
        resolve(config_with("report.tables", {table: {"title": "t", "rows": [{"method": "m"}]}}))


@pytest.mark.parametrize(("where", "value"), [("seed", 10**30), ("pretraining.seeds", [10**30])])
def test_resolve_refuses_a_seed_of_thirty_digits(where: str, value: object) -> None:
    with pytest.raises(StageError, match="is greater than the maximum of 4294967295"):
        resolve(config_with(where, value))


@pytest.mark.parametrize("name", ["all", "-x", "seed0"])
def test_resolve_accepts_odd_names(name: str) -> None:
    runs = {name: {"objective": "instance"}}
    assert run_values(resolve(config_with("pretraining.runs", runs)), name)["objective"] == "instance"


def _stages() -> Iterator[tuple[str, str, Path]]:
    """Yields name and text of each rule that runs a stage, and the file of the stage."""
    for path in RULES:
        for rule in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)[1:]:
            if module := re.search(r"(workflow_scripts(?:\.\w+)+)", rule.partition("shell:")[2]):
                yield rule.partition(":")[0], rule, REPOSITORY / f"{module[1].replace('.', '/')}.py"


STAGES = list(_stages())


@pytest.mark.parametrize(("rule", "file"), [stage[1:] for stage in STAGES], ids=[stage[0] for stage in STAGES])
def test_named_inputs_of_a_rule_are_options_of_its_stage(rule: str, file: Path) -> None:
    (name,) = re.findall(r"command_line\((\w+)", file.read_text())
    module = import_module(".".join(file.relative_to(REPOSITORY).with_suffix("").parts))
    options = set(re.findall(r"--[\w-]+", make_parser(getattr(module, name)).format_help()))
    inputs = re.findall(r"^        (\w+)=", rule.partition("input:")[2].partition("output:")[0], re.MULTILINE)
    assert {f"--{name.replace('_', '-')}" for name in inputs} <= options


@pytest.mark.parametrize(("rule", "file"), [stage[1:] for stage in STAGES], ids=[stage[0] for stage in STAGES])
def test_rules_depend_on_the_version_of_their_stage(rule: str, file: Path) -> None:
    """A rule does not depend on the versions of other stages of its noun."""
    noun, stage = file.relative_to(REPOSITORY / "workflow_scripts").parts[0], file.stem
    assert stage in versions(noun)
    of_noun = [name for where, name in re.findall(r'version\("(\w+)", "(\w+)"\)', rule) if where == noun]
    assert of_noun == [stage]
