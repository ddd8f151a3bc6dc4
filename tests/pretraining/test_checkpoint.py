"""Checkpoints that are damaged or cannot be read, and signals."""

import logging
import os
import signal

import pytest
import torch
from processes import free_files

from idt_tools import ReadingFailed
from workflow_scripts.pretraining.checkpoint import SaveTimer, load_checkpoint, save_checkpoint


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save_checkpoint({"number": number, "weights": torch.full((1000,), float(number))}, tmp_path)
    return tmp_path


def test_load_checkpoint_reads_the_newest(folder):
    assert load_checkpoint(folder)["number"] == 2
    assert sorted(path.name for path in folder.iterdir()) == ["last.pt", "previous.pt"]
    assert load_checkpoint(folder / "nothing here") is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "gone"])
def test_load_checkpoint_damaged_uses_the_previous(folder, damage, caplog):
    last = folder / "last.pt"
    content = bytearray(last.read_bytes())
    middle = content.index(torch.full((8,), 2.0).numpy().tobytes())
    if damage == "truncated":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        last.write_bytes(b"")
    elif damage == "flipped":
        content[middle + 100] ^= 1
        last.write_bytes(content)
    else:
        last.unlink()
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(folder)["number"] == 1
    assert ("is damaged" in caplog.text) == (damage != "gone")


def test_load_checkpoint_two_damaged_returns_none(folder):
    for path in folder.iterdir():
        path.write_bytes(b"PK\x03\x04 not an archive")
    assert load_checkpoint(folder) is None


def test_load_checkpoint_too_many_open_files_raises(folder):
    """EMFILE at each place where the file is opened must not make the training start again."""
    reasons = []
    for n_free in range(4):
        try:
            with free_files(n_free):
                assert load_checkpoint(folder)["number"] == 2
        except ReadingFailed as error:
            reasons.append(error.reason)
    assert "Too many open files" in reasons and load_checkpoint(folder)["number"] == 2


@pytest.mark.parametrize(
    "words", ["Error code 12 (Cannot allocate memory)", "unable to mmap: Cannot allocate memory (12)"]
)
def test_load_checkpoint_out_of_memory_raises(folder, words, monkeypatch):
    def without_memory(*_, **__):
        raise RuntimeError(words)  # as torch does

    monkeypatch.setattr(torch, "load", without_memory)
    with pytest.raises(ReadingFailed, match=r"last\.pt: Cannot allocate memory"):
        load_checkpoint(folder)


def test_save_timer_ignored_signal_stays_ignored():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as with `nohup ... &`
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        timer = SaveTimer(600)
        os.kill(os.getpid(), signal.SIGINT)
        assert not timer.due()
        os.kill(os.getpid(), signal.SIGTERM)
        assert timer.due() and timer.stopped_by == signal.SIGTERM
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
