"""Rows at unit length and their nearest neighbours."""

import numpy as np
import pytest

from workflow_scripts.ground import vectors
from workflow_scripts.ground.vectors import l2_normalised, nearest_rows


def test_l2_normalised_keeps_a_row_of_zeros() -> None:
    np.testing.assert_array_equal(l2_normalised(np.array([[3.0, 4], [0, 0]])), [[0.6, 0.8], [0, 0]])


def test_nearest_rows_excludes_each_row_itself_in_every_block_and_keeps_the_order_of_equal_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vectors, "QUERIES_AT_ONCE", 2)
    rows = np.eye(3)[[0, 1, 1, 1, 2]]
    indices, products = nearest_rows(rows, rows, 2, exclude_self=True)
    assert indices.tolist() == [[1, 2], [2, 3], [1, 3], [1, 2], [0, 1]]
    assert products.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1], [0, 0]]


def test_nearest_rows_returns_all_rows_if_there_are_fewer_than_k() -> None:
    rows = np.eye(2)
    assert nearest_rows(rows[:1], rows, 5)[0].tolist() == [[0, 1]]
    assert nearest_rows(rows[:0], rows, 5)[0].shape == (0, 2)
    assert nearest_rows(rows[:1], rows[:0], 5)[0].shape == (1, 0)
