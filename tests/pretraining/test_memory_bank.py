"""The rows of the memory bank."""

import torch

from workflow_scripts.pretraining.memory_bank import MemoryBank


def test_memory_bank_rows_have_unit_length_and_depend_on_ids():
    bank, other = MemoryBank(["a", "b", "c"], 8, seed=1), MemoryBank(["c", "d", "a"], 8, seed=1)
    torch.testing.assert_close(bank.rows.norm(dim=1), torch.ones(3))
    assert torch.equal(bank.rows[[0, 2]], other.rows[[2, 0]])
    assert not torch.equal(MemoryBank(["a"], 8, seed=2).rows, bank.rows[:1])


def test_update_changes_the_indexed_rows_only():
    bank = MemoryBank(["a", "b", "c"], 4, seed=0)
    before = bank.rows.clone()
    target = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    bank.update(torch.tensor([2, 0]), target, momentum=0.5)
    expected = 0.5 * before[[2, 0]] + 0.5 * target
    torch.testing.assert_close(bank.rows[[2, 0]], expected / expected.norm(dim=1, keepdim=True))
    assert torch.equal(bank.rows[1], before[1])


def test_copy_rows_joins_by_id():
    bank = MemoryBank(["a", "b", "c"], 4, seed=0)
    own = bank.rows[1].clone()
    rows = torch.eye(4)[:3]
    assert bank.copy_rows(rows, ["c", "x", "a"]) == ["b"]
    assert torch.equal(bank.rows, torch.stack([rows[2], own, rows[0]]))
