"""The README: its commands run as printed, and its paths exist."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.ground.stage import StageError
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
# tests/slurm runs the section on clusters.
HERE = re.sub(r"## On a cluster\n.*?(?=\n## )", "", README, flags=re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", HERE, re.DOTALL)
    for line in block.splitlines()
]
PRINTED, WEIGHTS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)  # a config, and runs that it might have
# `make test-demo` runs `make demo` in a fresh clone. `make test` runs now. test_status.py and test_estimate.py run
# the commands of `make status` and `make estimate`.
ELSEWHERE = ("make demo", "make test", "make status", "make estimate", "make clean-outdated")


def _merged(config: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        **config,
        **{k: _merged(config[k], v) if isinstance(v, dict) and k in config else v for k, v in other.items()},
    }


def test_readme_commands_run(tmp_path: Path, tiny_config: dict[str, Any]) -> None:
    for name in ("Snakefile", "rules", "profiles", "envs", "docs"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=2, frames=22, width=128, height=96
    )
    generate_videos(tmp_path / "videos", settings)
    shutil.copy(tmp_path / "videos" / "walk" / "walk_bricks_00.mp4", tmp_path / "video.mp4")
    # The README's config with its names and runs, and with small sizes, so that it takes a minute.
    small = {key: tiny_config[key] for key in ("encoding", "clusters", "frames", "evaluation", "report")}
    small["pretraining"] = {
        key: value for key, value in tiny_config["pretraining"].items() if key not in ("dataset", "runs")
    }
    config = _merged(yaml.safe_load(PRINTED), small)
    config["evaluation"] |= {"datasets": ["mine"], "runs": ["la_idt", "idt"]}
    config["pretraining"]["runs"]["ir_warmup"]["epochs"] = 1
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in COMMANDS:
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
    assert (tmp_path / "trajectories.h5").exists() and (tmp_path / "trajectories.png").exists()


def test_readme_config_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = resolve(yaml.safe_load(PRINTED))
    assert run_values(config, "la_idt")["k"] == 50
    runs = yaml.safe_load(WEIGHTS)
    with pytest.raises(StageError, match="init"):  # no such file
        resolve(_merged(yaml.safe_load(PRINTED), {"pretraining": {"runs": runs}}))
    (tmp_path / "weights").mkdir()
    for run in runs.values():
        (tmp_path / run["init"]).touch()
    resolve(_merged(yaml.safe_load(PRINTED), {"pretraining": {"runs": runs}}))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(((?!http)[^)]+)\)", README))))
def test_readme_links_exist(name: str) -> None:
    assert (REPOSITORY / name).exists()


def test_readme_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z-]+%?):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"\bmake ([a-z-]+)", README)) - {"passes"}
    assert all(any(fnmatch(name, target.replace("%", "*")) for target in targets) for name in named)
