"""Rounding to half precision."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from idt_tools.half_precision import half


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=30), elements=st.floats(width=32)))
def test_half_rounds_as_numpy_does(numbers: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = numbers.astype(np.float16)
    rounded = half(numbers)
    assert rounded.shape == expected.shape and rounded.dtype == np.float16
    np.testing.assert_array_equal(rounded, expected)
    assert np.array_equal(np.signbit(rounded), np.signbit(expected)) or np.isnan(numbers).any()


def test_half_of_halves_and_of_the_numbers_midway_between_them() -> None:
    halves = np.arange(2**15, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32)
    midway = (halves[1:] + halves[:-1]) / 2
    for numbers in (halves, midway, np.nextafter(midway, np.float32(0)), np.nextafter(midway, np.float32(1e9))):
        np.testing.assert_array_equal(half(numbers[None]), numbers[None].astype(np.float16))
        np.testing.assert_array_equal(half(-numbers[:, None]), -numbers[:, None].astype(np.float16))
