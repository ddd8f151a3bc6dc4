"""The count sketch equals its dense matrix and preserves inner products on average."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idt_tools.count_sketch import count_sketch, draw_sketch


def test_count_sketch_is_the_product_with_the_sparse_matrix() -> None:
    draw = np.random.default_rng(0)
    places, signs = draw_sketch(300, 20, draw)
    matrix = np.zeros((20, 300))
    matrix[places, np.arange(300)] = signs
    vectors = draw.normal(size=(3, 4, 300))
    np.testing.assert_allclose(count_sketch(vectors, places, signs, 20), vectors @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(count_sketch(vectors[0, 0], places, signs, 20), matrix @ vectors[0, 0], atol=1e-12)


def test_draw_sketch_is_uniform_and_seeded() -> None:
    places, signs = draw_sketch(200_000, 2000, np.random.default_rng(5))
    assert places.min() == 0 and places.max() == 1999
    assert set(signs.tolist()) == {-1, 1} and abs(signs.mean()) < 0.01
    assert np.bincount(places).min() > 50 and np.bincount(places).max() < 160
    again = draw_sketch(200_000, 2000, np.random.default_rng(5))
    np.testing.assert_array_equal(again[0], places)
    np.testing.assert_array_equal(again[1], signs)


@given(seed=st.integers(0, 2**32 - 1), a=st.floats(-10, 10), b=st.floats(-10, 10))
def test_count_sketch_is_linear(seed: int, a: float, b: float) -> None:
    draw = np.random.default_rng(seed)
    sketch = (*draw_sketch(50, 8, draw), 8)
    x, y = draw.normal(size=(2, 50))
    np.testing.assert_allclose(
        count_sketch(a * x + b * y, *sketch), a * count_sketch(x, *sketch) + b * count_sketch(y, *sketch), atol=1e-10
    )


def test_count_sketch_keeps_inner_products_in_expectation() -> None:
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(2, 400))
    dimension, repeats = 100, 2000
    products = []
    for _ in range(repeats):
        places, signs = draw_sketch(400, dimension, draw)
        of_x, of_y = count_sketch(np.stack([x, y]), places, signs, dimension)
        products.append(of_x @ of_y)
    variance = (x @ x * (y @ y) + (x @ y) ** 2) / dimension
    assert np.var(products) < 1.2 * variance
    assert abs(np.mean(products) - x @ y) < 4 * np.sqrt(variance / repeats)


def test_count_sketch_refuses_a_wrong_length_or_dimension() -> None:
    places, signs = draw_sketch(10, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="takes 10 entries"):
        count_sketch(np.zeros(9), places, signs, 4)
    with pytest.raises(ValueError, match="needs at least 1 entry"):
        draw_sketch(10, 0, np.random.default_rng(0))
