"""The outcome of a job, which it writes as JSON beside its log and `dtc status` reads.

A job writes its outcome when it starts, while it works (at most once per second) and when it ends. An outcome without
an end belongs to a job that is running or was killed.
"""

import dataclasses
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from idt_tools.whole_file import whole_file

WRITE_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """The state of a job.

    `status` is started, done, failed or stopped (by a signal). `reason` says why a job failed or stopped. `n_videos`,
    `n_done` and `failed` (id, status, reason) count the videos of a shard.
    """

    stage: str = ""
    status: str = "started"
    reason: str = ""
    started: str = ""  # ISO 8601, UTC
    ended: str = ""
    version: str = ""  # version of the package
    n_videos: int = 0
    n_done: int = 0
    failed: tuple[tuple[str, str, str], ...] = ()


def outcome_file(log: Path) -> Path:
    """Returns the path of the outcome of the job that writes this log."""
    return log.with_suffix(".json")


def read_outcome(log: Path) -> Outcome | None:
    """Returns the outcome of the job that writes this log; None if there is no readable one."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        values = json.loads(outcome_file(log).read_text())
        return Outcome(**{**values, "failed": tuple((str(a), str(b), str(c)) for a, b, c in values["failed"])})
    return None


class OutcomeHandler(logging.Handler):
    """Updates the outcome of a job. Log records bring numbers of videos as `extra={"outcome": {...}}`.

    An outcome that cannot be written (a full disk) does not stop the job; the log reports the disk.
    """

    def __init__(self, log: Path, stage: str) -> None:
        super().__init__()
        self.path = outcome_file(log)
        self.outcome = Outcome(stage, started=utc_now(), version=_package_version())
        self._write()

    def emit(self, record: logging.LogRecord) -> None:
        """Updates the numbers of videos from a log record."""
        if changes := getattr(record, "outcome", None):
            self.outcome = dataclasses.replace(self.outcome, **changes)
            if time.monotonic() - self._written >= WRITE_SECONDS:
                self._write()

    def end(self, status: str, reason: str = "") -> None:
        """Writes the final outcome."""
        self.outcome = dataclasses.replace(self.outcome, status=status, reason=reason, ended=utc_now())
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        text = json.dumps(dataclasses.asdict(self.outcome), indent=1)
        with suppress(OSError), whole_file(self.path) as file:
            file.write(text.encode())


def utc_now() -> str:
    """The present time in ISO 8601 with seconds. Such times compare as text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _package_version() -> str:
    try:
        return version("dense-trajectory-clustering")
    except PackageNotFoundError:  # run from a folder without an installation
        return ""
