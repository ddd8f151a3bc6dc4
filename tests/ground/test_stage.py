"""The command line of a stage."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from workflow_scripts.ground.stage import command_line


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Restores logging, which `command_line` configures for the process."""
    root, ours = logging.getLogger(), logging.getLogger("workflow_scripts")
    state = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = state


@dataclass(frozen=True)
class _Settings:
    k: int = 6000
    drops: tuple[int, ...] = (160, 190)


def _run(arguments: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}

    def stage(
        frames: list[Path],
        output: Path,
        settings: _Settings,
        init: Path | None = None,
        color: bool = False,
        lr: float = 0.1,
    ) -> None:
        values.update(locals())

    command_line(stage, arguments)
    return values


def test_command_line_gives_arguments_the_types_of_the_signature() -> None:
    values = _run([*"--frames a.h5 b.h5 --output o --color --lr 1e-2".split(), "--settings", '{"k": 8}'])
    assert values["frames"] == [Path("a.h5"), Path("b.h5")] and values["output"] == Path("o")
    assert (values["color"], values["lr"], values["init"]) == (True, 0.01, None)
    assert values["settings"] == _Settings(k=8)
    values = _run("--frames --output o --init m.pt".split())
    assert values["frames"] == [] and values["init"] == Path("m.pt") and values["settings"] == _Settings()


def test_command_line_logs_a_name_that_is_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stage(output: Path) -> None:
        logging.info("left out: %s", "caf\udce9.avi")

    command_line(stage, ["--output", "o", "--log", str(tmp_path / "stage.log")])
    assert (tmp_path / "stage.log").read_text(encoding="utf-8") == "left out: caf\\udce9.avi\n"
    assert "cannot be written" not in capsys.readouterr().err


def test_command_line_names_an_unknown_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        _run(["--output", "o", "--settings", json.dumps({"kk": 1})])
    assert raised.value.code == 1
    assert "kk" in capsys.readouterr().err
