"""The outcome of a job beside its log: done, failed, stopped, killed, and the videos of a shard."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.ground.outcome import Outcome, OutcomeHandler, outcome_file, read_outcome
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result

STAGE = """
import os, signal
from pathlib import Path
from workflow_scripts.ground.stage import StageError, command_line
def make(output: Path) -> None:
    {body}
command_line(make)
"""


@pytest.mark.parametrize(
    ("body", "code", "status", "reason"),
    [
        ("pass", 0, "done", ""),
        ("raise StageError('a.h5 is empty; run it again')", 1, "failed", "a.h5 is empty; run it again"),
        ("raise KeyError('v')", 2, "failed", "KeyError: 'v'; the traceback is in "),
        ("os.kill(os.getpid(), signal.SIGTERM); signal.pause()", 143, "stopped", "interrupted; "),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "started", ""),
    ],
)
def test_outcome_and_log_of_a_job_that_ended_or_was_killed(
    tmp_path: Path, body: str, code: int, status: str, reason: str
) -> None:
    log = tmp_path / "logs" / "stage.log"
    command = [sys.executable, "-c", STAGE.format(body=body), "--output", "o", "--log", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    outcome = read_outcome(log)
    assert outcome is not None and (outcome.stage, outcome.status) == ("make", status), done.stderr
    assert outcome.reason.startswith(reason) and "\n" not in outcome.reason
    assert outcome.started and (outcome.ended != "") == (status != "started")
    assert done.returncode == code and "Traceback" not in done.stderr
    if status == "failed":
        assert done.stderr.startswith(f"error: {reason}") and f"error: {reason}" in log.read_text()
    assert ("Traceback" in log.read_text()) == (code == 2)


@pytest.mark.parametrize("n_computed", [0, 2, 3])
def test_outcome_of_a_shard_counts_its_videos(tmp_path: Path, n_computed: int) -> None:
    def compute(name: str) -> Result:
        if "abc".index(name) >= n_computed:
            raise OSError("No space left on device")
        return Result("corrupted", "it is truncated") if name == "b" else Result()

    handler = OutcomeHandler(tmp_path / "frames.log", "frames")
    logger = logging.getLogger("workflow_scripts")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        list(process_shard(tmp_path / "store", dict.fromkeys("abc", "key"), compute, stage="frames"))
    except OSError:
        assert n_computed < 3
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    handler.end("done")
    outcome = read_outcome(tmp_path / "frames.log")
    assert outcome is not None and outcome.n_videos == 3
    assert outcome.n_done <= n_computed and (n_computed < 3 or outcome.n_done == 3)
    assert outcome.failed == ((("b", "corrupted", "it is truncated"),) if n_computed == 3 else ())


@pytest.mark.parametrize("text", [None, "", "[]", '{"status": "done"}', '{"failed": [], "kind": 1}'])
def test_read_outcome_of_an_unreadable_file_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        outcome_file(tmp_path / "a.log").write_text(text)
    assert read_outcome(tmp_path / "a.log") is None
    assert Outcome().status == "started"
