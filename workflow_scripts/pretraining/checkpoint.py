"""Checkpoints that a kill at any moment cannot spoil.

A checkpoint is written whole to a temporary name, synced and renamed to `last.pt`; the one before stays as
`previous.pt`. Torch's files are zip archives with a checksum for each entry, so a truncated or damaged one is found
when it is read, and the previous one is used instead.
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
    """Writes `state` (tensors, numbers, strings, lists, dicts) to `path`, whole or not at all."""
    with replacing(path) as file:
        torch.save(state, file)


def save_checkpoint(state: dict[str, Any], folder: Path) -> None:
    """Makes `state` the newest checkpoint of `folder` and keeps the one before."""
    last = folder / "last.pt"
    with replacing(last) as file:
        torch.save(state, file)
        file.raise_error()
        if last.exists():  # only now, so that there is hardly a moment without a last.pt
            os.replace(last, folder / "previous.pt")


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint of `folder`, on the CPU; None where there is none.

    Raises ReadingFailed where the system cannot read one just now: it may be whole, and is not given up.
    """
    for path in (folder / "last.pt", folder / "previous.pt"):
        if not file_stamp(path):
            continue
        try:
            state: dict[str, Any] = read_torch(path)
            return state
        except StageError as error:
            log.warning("checkpoint %s is damaged (%s) and is not used", path, error)
    return None


class SaveTimer:
    """Says when a checkpoint is due: every `minutes`, and at once after SIGTERM or SIGINT (Ctrl-C).

    `stopped_by` is the number of that signal, 0 before. Of several processes only one `leads`. The others are never
    due and ignore both signals: they end when it does. A signal that the process was started to ignore (`nohup ... &`
    ignores SIGINT) stays ignored.
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
        self.stopped_by = self.stopped_by or number  # the first: torchrun repeats the terminal's Ctrl-C

    def due(self) -> bool:
        return self.stopped_by > 0 or time.monotonic() - self._saved_at >= self._seconds

    def saved(self) -> None:
        self._saved_at = time.monotonic()
