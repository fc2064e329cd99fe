"""Halving 2 x 2 pixels into one, against an oracle, and the shapes of the levels."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer.images.writing.downsampling import (
    SMALLEST_LEVEL,
    halve_by_mean,
    halve_by_mode,
    level_shapes,
)

small = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7)


def halved(image, reduce):
    """Oracle: one 2 x 2 block after the other; an odd last row or column counts twice."""
    height, width = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    blocks = [
        [reduce(even[i : i + 2, j : j + 2].ravel()) for j in range(0, width, 2)]
        for i in range(0, height, 2)
    ]
    return np.array(blocks)


def most_frequent(values):
    """The smallest of the values that are most frequent."""
    found, counts = np.unique(values, return_counts=True)
    return found[counts.argmax()]


def rounded_mean(values):
    """Mean rounded to the nearest whole number, halves up."""
    return int(np.floor(values.astype(float).mean() + 0.5))


@given(hnp.arrays(np.uint8, small, elements=st.integers(0, 3)))
def test_the_mode_is_the_smallest_of_the_most_frequent(labels):
    np.testing.assert_array_equal(halve_by_mode(labels), halved(labels, most_frequent))


@given(hnp.arrays(np.uint16, small, elements=st.integers(65530, 65535) | st.integers(0, 5)))
def test_the_mean_of_integers_is_rounded_and_never_overflows(image):
    mean = halve_by_mean(image)
    assert mean.dtype == np.uint16
    np.testing.assert_array_equal(mean, halved(image, rounded_mean))


@given(hnp.arrays(np.float32, small, elements=st.floats(-100, 100, width=32)))
def test_the_mean_of_floats_stays_float(image):
    mean = halve_by_mean(image)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, halved(image, np.mean), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("quad", "mode"),
    [
        ([0, 0, 1, 1], 0), ([3, 1, 3, 1], 1), ([2, 1, 3, 0], 0), ([1, 2, 2, 0], 2),
        ([3, 0, 3, 1], 3), ([5, 5, 5, 0], 5), ([255, 2, 255, 2], 2),
    ],
)  # fmt: skip
def test_ties_of_the_mode_go_to_the_smallest(quad, mode):
    assert halve_by_mode(np.array(quad, np.uint8).reshape(2, 2)) == mode


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_levels_halve_until_both_sides_are_small(height, width):
    shapes = level_shapes((height, width))
    assert shapes[0] == (height, width)
    assert max(shapes[-1]) <= SMALLEST_LEVEL
    assert all(max(s) > SMALLEST_LEVEL for s in shapes[:-1])
    for fine, coarse in pairwise(shapes):
        assert coarse == tuple(-(-n // 2) for n in fine)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float64"]
)
def test_the_mean_of_any_numbers_is_exact_or_rounded_up(dtype):
    limits = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype if dtype != "bool" else "uint8")
    low, high = (-(2.0**40), 2.0**50) if dtype == "float64" else (limits.min, limits.max)
    values = [0, 1] if dtype == "bool" else [low, high, high, 3, 0, low]
    image = np.array(values * 4, dtype).reshape(2, -1) if dtype != "bool" else np.eye(2, dtype=bool)
    quads = np.stack([image[i::2, j::2] for i in (0, 1) for j in (0, 1)]).reshape(4, -1)
    for found, quad in zip(halve_by_mean(image).ravel(), quads.T, strict=True):
        exact = sum(map(Fraction, quad.tolist())) / 4
        wanted = exact if dtype[0] == "f" else math.floor(exact + Fraction(1, 2))
        assert found == np.dtype(dtype).type(wanted)
