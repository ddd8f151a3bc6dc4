"""Checkpoints: whole or not there, and never trusted when damaged."""

import logging

import pytest
import torch

from workflow_scripts.pretraining.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save_checkpoint({"number": number, "weights": torch.full((1000,), float(number))}, tmp_path)
    return tmp_path


def test_newest_is_read_and_the_one_before_is_kept(folder):
    assert load_checkpoint(folder)["number"] == 2
    assert sorted(path.name for path in folder.iterdir()) == ["last.pt", "previous.pt"]
    assert load_checkpoint(folder / "nothing here") is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "gone"])
def test_damaged_checkpoint_gives_way_to_the_previous_one(folder, damage, caplog):
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


def test_two_damaged_checkpoints_mean_a_new_start(folder):
    for path in folder.iterdir():
        path.write_bytes(b"PK\x03\x04 not an archive")
    assert load_checkpoint(folder) is None
