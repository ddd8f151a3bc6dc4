"""The curves of a training, for people who watch it: `history.csv`, and the events of TensorBoard in the same folder.

A row is appended soon after the start, at the end of each epoch, and every ROW_SECONDS within it. All its values
describe the epoch so far. A resumed training first drops the rows after its checkpoint, because it will make these
steps again. Then it writes the events of the remaining rows again. `purge_step` does not suffice, because the loader
that TensorBoard uses by default ignores it. So the events always show the rows of the file. Without the package
tensorboard there are no events.
"""

import logging
import math
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.outcome import utc_now
from workflow_scripts.ground.stage import cannot_write

log = logging.getLogger(__name__)

DISPLAY_SECONDS = 1.0  # between updates of the displayed loss, each of which synchronises with the device
ROW_SECONDS = 10.0  # between rows within an epoch
FILE_NAME = "history.csv"
EVENTS_SUFFIX = ".history"  # of the names of our event files

# The columns that TensorBoard shows, by the name of their group there. docs/monitoring.md explains them.
PLOTTED = {
    "learning": ("loss", "validation_loss", "lr", "gradient_norm"),
    "quality": ("accuracy", "knn", "validation", "nmi_before", "nmi_labels"),
    "speed": ("clips_per_second", "waiting_share", "gpu_memory", "remaining"),
}
COLUMNS = ("training", "time", "epoch", "step", "clips", *sum(PLOTTED.values(), ()), "seconds", "waiting")

Row = Mapping[str, float | None]


def speed(clips: int, seconds: float, waiting: float) -> dict[str, float]:
    """The columns about the speed of an epoch so far.

    Args:
        clips: The clips of the epoch so far.
        seconds: The time that they took.
        waiting: The part of this time in which the network waited for clips.
    """
    times = {"seconds": seconds, "waiting": waiting}
    return times | {"clips_per_second": clips / max(seconds, 1e-9), "waiting_share": waiting / max(seconds, 1e-9)}


class Curves:
    """The curves of one training, in `folder`. Raises StageError if they cannot be written.

    Args:
        folder: The folder of the files.
        training: Identifies the training. Rows of another one are deleted.
        step: Steps of the training that are done. Rows after them are deleted.
        n_steps: Steps of the whole training.
    """

    def __init__(self, folder: Path, training: str, step: int, n_steps: int) -> None:
        self._path, self._training, self._first_step, self._n_steps = folder / FILE_NAME, training, step, n_steps
        self._opened, self._written = time.monotonic(), -math.inf
        rows = [row for row in read_rows(self._path) if row.get("training") == training and int(row["step"]) <= step]
        write_text(self._path, "".join(map(_line, [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows])))
        self._events = _Events(folder)
        self._events.add(rows)

    def due(self) -> bool:
        """Whether it is time for a row within an epoch."""
        return time.monotonic() - self._written >= ROW_SECONDS

    def add(self, row: Row) -> None:
        """Appends a row with values of COLUMNS: step, the number of steps that are done, and others."""
        self._written = time.monotonic()
        step = int(row["step"] or 0)
        seconds_per_step = (self._written - self._opened) / max(1, step - self._first_step)
        remaining = seconds_per_step * (self._n_steps - step)
        values = {**row, "training": self._training, "time": utc_now(), "remaining": round(remaining, 1)}
        texts = {name: "" if value is None else str(value) for name, value in values.items()}
        try:
            with open(self._path, "a") as file:
                file.write(_line(texts))
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._events.add([texts])


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a history.csv as text by column, without a last one that is not complete; [] without the file."""
    try:
        lines = path.read_text(errors="replace").split("\n")
    except FileNotFoundError:
        return []
    header = lines[0].split(",")
    rows = [line.split(",") for line in lines[1:-1]]
    return [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]


def newest_values(path: Path) -> dict[str, str]:
    """The newest value of each column of a history.csv that has one. Some columns have values only at epochs' ends."""
    newest: dict[str, str] = {}
    for row in read_rows(path):
        newest |= {name: value for name, value in row.items() if value}
    return newest


def _line(row: Mapping[str, str]) -> str:
    return ",".join(row.get(name, "") for name in COLUMNS) + "\n"


class _Events:
    """The events of TensorBoard in `folder`, in place of those of earlier processes."""

    def __init__(self, folder: Path) -> None:
        for path in folder.glob(f"events.out.tfevents.*{EVENTS_SUFFIX}"):
            path.unlink()
        self._writer: Any = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            log.debug("no events for TensorBoard (%s); `pip install '.[watch]'` installs it", error)
            return
        self._writer, self._event, self._summary = (
            EventFileWriter(folder, filename_suffix=EVENTS_SUFFIX),
            Event,
            Summary,
        )
        # A TensorBoard that is running forgets the deleted events.
        self._writer.add_event(Event(session_log=SessionLog(status=SessionLog.START), step=0, wall_time=time.time()))

    def add(self, rows: list[dict[str, str]]) -> None:
        """Adds the plotted values of rows, and writes them at once, so that a kill loses nothing."""
        if self._writer is None:
            return
        for row in rows:
            values = [
                self._summary.Value(tag=f"{group}/{name}", simple_value=float(row[name]))
                for group, names in PLOTTED.items()
                for name in names
                if row.get(name)
            ]
            seconds = datetime.fromisoformat(row["time"]).timestamp()
            event = self._event(step=int(row["step"]), wall_time=seconds, summary=self._summary(value=values))
            self._writer.add_event(event)
        self._writer.flush()
