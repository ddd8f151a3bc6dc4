"""The README and the documentation: blocks parse, commands run as printed, and names exist."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.encoding.read_vectors import read_file
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations import document_commands, draw_stages
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.videos.layouts.layout import Layout

REPOSITORY = Path(__file__).parents[2]
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text()
    for path in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(REPOSITORY.glob("docs/*.md"))]
}
NAMES = list(PAGES)
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The pages whose commands are run here, in this order. tests/slurm runs those of docs/cluster.md, which the README
# repeats; tests/tables makes the tables of the paper.
RUN = ("README.md", "docs/own_videos.md", "docs/command_lines.md", "docs/stopping.md")
SMALL_CONFIG, CONFIG = "README.md", "docs/own_videos.md"
# `make test-demo` runs `make demo`, and so `make setup`, in a fresh clone. `make test` runs now. test_status.py and
# test_estimate.py run the commands of `make status` and `make estimate`.
ELSEWHERE = (
    *("make demo", "make setup", "make test", "make status", "make estimate", "make clean-outdated", "source "),
    *("snakemake table1", "snakemake --profile"),
)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in this language."""
    return [text for name, text in BLOCK.findall(PAGES[page]) if name == language]


def commands(page: str) -> list[str]:
    """The lines of the shell blocks of a page, without comments."""
    lines = [line.split("#")[0].strip() for text in blocks(page, "sh") for line in text.splitlines()]
    return [line for line in lines if line]


def _merged(config: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        **config,
        **{k: _merged(config[k], v) if isinstance(v, dict) and k in config else v for k, v in other.items()},
    }


@pytest.mark.parametrize("page", NAMES)
def test_blocks_parse(page: str) -> None:
    known = {"sh", "yaml", "python", "text", "bibtex", "mermaid", "{toctree}"}
    assert {name for name, _ in BLOCK.findall(PAGES[page])} <= known
    assert len(re.findall("^```", PAGES[page], re.MULTILINE)) == 2 * len(BLOCK.findall(PAGES[page]))
    for text in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    for text in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(text), dict)
    for text in blocks(page, "python"):
        # An entry of a dictionary is shown alone.
        ast.parse(f"{{\n{text}\n}}" if text.startswith("    ") else textwrap.dedent(text))


def test_readme_is_short() -> None:
    assert len(PAGES["README.md"].encode()) <= 7000


def test_readme_names_the_stages() -> None:
    [diagram] = blocks("README.md", "mermaid")
    stages = {path.stem for path in REPOSITORY.glob("rules/*.smk")} - {"common"}
    assert set(re.findall(r"\w+", diagram)) - {"flowchart", "LR"} == stages


def test_readme_diagram_is_that_of_the_rules() -> None:
    assert draw_stages.README.read_text() == draw_stages.readme_text(), "run `make schema`"


def test_readme_repeats_commands_of_cluster_page() -> None:
    printed = [command for command in commands("README.md") if "--profile" in command]
    assert printed and set(printed) <= set(commands("docs/cluster.md"))


def test_command_lines_are_those_of_the_parsers() -> None:
    assert document_commands.DOCUMENTATION.read_text() == document_commands.documentation_text(), "run `make schema`"


def test_documented_commands_run(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    for name in ("Snakefile", "rules", "profiles", "envs", "docs"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=2, frames=22, width=128, height=96
    )
    generate_videos(tmp_path / "videos", settings)
    shutil.copy(tmp_path / "videos" / "walk" / "walk_bricks_00.mp4", tmp_path / "video.mp4")
    # The config of CONFIG with its names and runs, and with small sizes, so that it takes a minute.
    small = {key: tiny_config[key] for key in ("encoding", "clusters", "frames", "evaluation", "report")}
    small["pretraining"] = {
        key: value for key, value in tiny_config["pretraining"].items() if key not in ("dataset", "runs")
    }
    config = _merged(yaml.safe_load(blocks(CONFIG, "yaml")[0]), small)
    config["evaluation"] |= {"datasets": ["mine"], "runs": ["la_idt", "idt"]}
    config["pretraining"]["runs"]["ir_warmup"]["epochs"] = 1
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in dict.fromkeys(command for page in RUN for command in commands(page)):
        if command.startswith(ELSEWHERE):
            continue
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert (tmp_path / "results" / "report" / "index.html").exists()
    reading = "\n".join(blocks("docs/python_api.md", "python"))
    subprocess.run([sys.executable, "-c", reading + "assert len(first)"], cwd=tmp_path, check=True)
    assert (tmp_path / "trajectories.h5").exists() and (tmp_path / "trajectories.png").exists()


@pytest.mark.parametrize(("page", "k"), [(SMALL_CONFIG, 10), (CONFIG, 50)])
def test_printed_configs_are_valid(page: str, k: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = resolve(yaml.safe_load(blocks(page, "yaml")[0]))
    assert run_values(config, "la_idt")["k"] == k


def test_printed_weights_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = yaml.safe_load(blocks(CONFIG, "yaml")[0])
    runs = yaml.safe_load(blocks("docs/datasets.md", "yaml")[-1])
    with pytest.raises(StageError, match="init"):  # no such file
        resolve(_merged(printed, {"pretraining": {"runs": runs}}))
    (tmp_path / "weights").mkdir()
    for run in runs.values():
        (tmp_path / run["init"]).touch()
    resolve(_merged(printed, {"pretraining": {"runs": runs}}))


def test_printed_vectors_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = GeneratedSettings(motions=("walk", "jump"), scenes=("beach",), per_pair=2, frames=6, width=96, height=80)
    generate_videos(Path("videos"), settings)
    [program] = blocks("docs/datasets.md", "python")
    exec(program, {})
    [printed] = [text for text in blocks("docs/datasets.md", "yaml") if "vectors" in text]
    config = resolve(_merged(yaml.safe_load(blocks(CONFIG, "yaml")[0]), yaml.safe_load(printed)))
    vectors = read_file(Path(config["descriptors"]["flow"]["vectors"]))
    assert vectors.rows.shape == (4, 72) and all(Path("videos", name).is_file() for name in vectors.names)
    assert (vectors.rows >= 0).all() and vectors.rows.any(axis=1).all()
    assert run_values(config, "la_flow")["descriptors"] == "flow"


def test_printed_layout_and_detector_work(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for text in blocks("docs/extending.md", "python"):
        if "def read(" in text or "class Nobody" in text:
            exec(text, names)
    (tmp_path / "walk_01.mp4").touch()
    [video] = names["read"](tmp_path, "").videos
    assert (video.path, video.label) == ("walk_01.mp4", "walk")
    Layout("a test", names["read"])
    detector = names["Nobody"](PersonsSettings())
    assert detector.parameters and [len(boxes) for boxes in detector.detect([None, None])] == [0, 0]


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_to_headings_and_files(page: str) -> None:
    text = BLOCK.sub("", PAGES[page])
    for link in re.findall(r"\]\(((?!http)[^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}, link


@pytest.mark.parametrize("page", NAMES)
def test_named_make_targets_exist(page: str) -> None:
    targets = re.findall(r"^([a-z-]+%?):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    code = " ".join(re.findall(r"`[^`\n]+`", PAGES[page]) + blocks(page, "sh") + blocks(page, "text"))
    named = set(re.findall(r"\bmake ([a-z_-]+)", code))
    assert all(any(fnmatch(name, target.replace("%", "*")) for target in targets) for name in named), named


def test_site_has_every_page() -> None:
    listed = re.findall(r"^(?:[\w ]+<)?(\w+)>?$", "\n".join(blocks("docs/index.md", "{toctree}")), re.MULTILINE)
    pages = [*REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("docs/*.ipynb")]
    assert sorted(listed) == sorted(path.stem for path in pages if path.stem != "index")
