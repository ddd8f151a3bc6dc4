"""Checkpoints that stay readable if the process is killed at any moment.

A checkpoint is written to a temporary file, synced and renamed to `last.pt`. The checkpoint before it stays as
`previous.pt`. Files of torch are zip archives with a checksum per entry. If `last.pt` is truncated or damaged, reading
it fails and `previous.pt` is used.
"""

import logging
import math
import os
import signal
import threading
import time
import types
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.ground.artifacts import replacing
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.torch_file import read_torch
from workflow_scripts.ground.work_keys import file_stamp

log = logging.getLogger(__name__)


def save(state: dict[str, Any], path: Path) -> None:
    """Writes `state` (tensors, numbers, strings, lists, dicts) to `path`. An incomplete file never has this name."""
    with replacing(path) as file:
        torch.save(state, file)


def save_checkpoint(state: dict[str, Any], folder: Path) -> None:
    """Writes `state` as the newest checkpoint of `folder` and keeps the one before it."""
    last = folder / "last.pt"
    with replacing(last) as file:
        torch.save(state, file)
        file.raise_error()
        if last.exists():  # after the write, so that last.pt is missing only for an instant
            os.replace(last, folder / "previous.pt")


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint of `folder`, on the CPU; None if there is none.

    Raises ReadingFailed if the system cannot read a file at the moment, because the file may be undamaged.
    """
    for path in (folder / "last.pt", folder / "previous.pt"):
        if not file_stamp(path):
            continue
        try:
            state: dict[str, Any] = read_torch(path)
            return state
        except StageError as error:
            log.warning("the checkpoint %s is damaged and is not used: %s", path, error)
    return None


class SaveTimer:
    """Decides when a checkpoint is due: every `minutes`, and at once after SIGTERM or SIGINT (Ctrl-C).

    `stopped_by` is the number of the first such signal, and 0 before it. Only one of several processes `leads`. In the
    others no checkpoint is due and both signals are ignored, because they end when the leading process ends. A signal
    that the process was started to ignore stays ignored (`nohup ... &` ignores SIGINT).
    """

    def __init__(self, minutes: float, *, leads: bool = True) -> None:
        self._seconds = 60 * minutes if leads else math.inf
        self._saved_at = time.monotonic()
        self.stopped_by = 0
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._stop if leads else signal.SIG_IGN)

    def _stop(self, number: int, frame: types.FrameType | None) -> None:
        self.stopped_by = self.stopped_by or number  # torchrun sends Ctrl-C again

    def due(self) -> bool:
        return self.stopped_by > 0 or time.monotonic() - self._saved_at >= self._seconds

    def saved(self) -> None:
        self._saved_at = time.monotonic()
