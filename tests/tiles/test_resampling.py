"""Levels are averaged down, interpolated up, or copied, with the same bits for any tiling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.geometry import Window
from morphinfer.tiles.resampling import Axis, model_shape, resample, source_window

short = settings(max_examples=50, deadline=None)
factors = st.one_of(st.floats(0.1, 6), st.integers(1, 5).map(float))
offsets = st.one_of(st.floats(-2, 2), st.integers(-2, 2).map(float))


def level_of(*shape, dtype=np.uint16):
    return (
        np.random.default_rng(1)
        .integers(0, 60000 if dtype == np.uint16 else 250, shape)
        .astype(dtype)
    )


def whole(level, factor, offset=(0.0, 0.0)):
    return piece(level, Window(0, 0, *model_shape(level.shape, factor)), factor, offset)


def piece(level, window, factor, offset=(0.0, 0.0)):
    need = source_window(window, factor, offset, level.shape)
    block = level[need.slices]
    return resample(block, (need.row, need.col), level.shape, window, factor, offset)


def area_matrix(count, factor, offset, size):
    """Share of each level pixel in each model pixel, by overlap of intervals."""
    matrix = np.zeros((count, size))
    for i in range(count):
        for k in range(size):
            begin, end = max(i * factor + offset, k), min((i + 1) * factor + offset, k + 1)
            matrix[i, k] = max(0.0, end - begin)
        if not matrix[i].any():
            matrix[i, 0 if i * factor + offset < 0 else -1] = 1
    return matrix / matrix.sum(axis=1, keepdims=True)


@short
@given(height=st.integers(1, 40), width=st.integers(1, 40), factor=factors, row=offsets,
       col=offsets, data=st.data())  # fmt: skip
def test_any_piece_has_the_bits_of_the_whole(height, width, factor, row, col, data):
    level = level_of(height, width)
    full = whole(level, factor, (row, col))
    top = data.draw(st.integers(0, full.shape[0] - 1))
    left = data.draw(st.integers(0, full.shape[1] - 1))
    rows = data.draw(st.integers(1, full.shape[0] - top))
    cols = data.draw(st.integers(1, full.shape[1] - left))
    window = Window(top, left, rows, cols)
    np.testing.assert_array_equal(piece(level, window, factor, (row, col)), full[window.slices])


@short
@given(size=st.integers(1, 30), factor=st.floats(1, 6), offset=offsets)
def test_coarser_pixels_are_means_over_their_area(size, factor, offset):
    level = level_of(size, 7).astype(np.float32)
    out = whole(level, factor, (offset, 0.0))
    down = area_matrix(out.shape[0], factor, offset, size)
    across = area_matrix(out.shape[1], factor, 0.0, 7)
    np.testing.assert_allclose(out, down @ level @ across.T, rtol=2e-3)


@short
@given(size=st.integers(1, 30), factor=st.floats(0.1, 0.99), offset=st.floats(-2, 2))
def test_finer_pixels_are_interpolated_between_centres(size, factor, offset):
    level = level_of(size, 1).astype(np.float32)
    out = whole(level, factor, (offset, 0.0))
    centres = (np.arange(out.shape[0]) + 0.5) * factor + offset
    expected = np.interp(centres, np.arange(size) + 0.5, level[:, 0])
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_factor_one_copies_exactly(dtype):
    level = level_of(13, 9, dtype=dtype)
    np.testing.assert_array_equal(whole(level, 1.0), level)


def test_factor_one_with_a_whole_offset_copies_the_shifted_pixels():
    level = level_of(13, 9)
    out = piece(level, Window(0, 0, 11, 6), 1.0, (2.0, 3.0))
    np.testing.assert_array_equal(out, level[2:, 3:])


def test_a_factor_that_only_rounding_keeps_from_two_is_two():
    level = level_of(20, 20)
    np.testing.assert_array_equal(whole(level, 0.65 / 0.325 + 3e-7), whole(level, 2.0))
    means = level.reshape(10, 2, 10, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(whole(level, 2.0), means, rtol=1e-6)


def test_an_offset_of_half_a_pixel_averages_neighbours():
    level = np.array([[0, 10, 20, 30]], np.uint8)
    out = piece(level, Window(0, 0, 1, 4), 1.0, (0.0, 0.5))
    np.testing.assert_array_equal(out, [[5, 15, 25, 30]])


def test_the_last_pixel_is_the_mean_of_what_lies_on_the_level():
    level = np.array([[1, 3, 9]], np.uint8)
    np.testing.assert_array_equal(whole(level, 2.0), [[2, 9]])


def test_fractions_of_pixels_count():
    level = np.array([[0, 6, 12]], np.float32)
    np.testing.assert_allclose(whole(level, 1.5), [[2, 10]], rtol=1e-6)


@pytest.mark.parametrize("factor", [0.3, 1.0, 7.7])
def test_a_level_of_one_pixel_stays_constant(factor):
    out = whole(np.array([[42]], np.uint8), factor)
    np.testing.assert_array_equal(out, np.full(out.shape, 42))


@pytest.mark.parametrize(
    ("side", "factor", "expected"),
    [(10, 2.0, 5), (11, 2.0, 6), (1, 9.0, 1), (10, 0.5, 20), (9, 0.9, 10), (10, 2.0000001, 5)],
)
def test_the_model_image_covers_the_level(side, factor, expected):
    assert model_shape((side, 1), factor)[0] == expected


@given(
    st.floats(0.03, 60),
    st.floats(-300, 300),
    st.integers(1, 5000),
    st.integers(0, 3000),
    st.integers(1, 90),
)
def test_the_pixels_asked_for_are_those_with_weights(factor, offset, size, start, count):
    axis = Axis.of(factor, offset, size)
    first, weights = axis.weights(start, count)
    assert axis.source(start, count) == (first[0], first[-1] - first[0] + weights.shape[1])


def test_only_the_pixels_that_are_needed_are_asked_for():
    assert source_window(Window(3, 4, 2, 2), 2.0, (0.0, 0.0), (50, 50)) == Window(6, 8, 4, 4)


def test_a_block_that_lacks_a_pixel_is_refused():
    with pytest.raises(ValueError, match="read a larger block"):
        resample(level_of(5, 10), (0, 0), (10, 10), Window(0, 0, 3, 5), 2.0, (0.0, 0.0))


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_without_sense_is_refused(factor):
    with pytest.raises(ValueError, match="factor"):
        source_window(Window(0, 0, 1, 1), factor, (0.0, 0.0), (5, 5))


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="0 model pixels"):
        source_window(Window(0, 0, 0, 1), 2.0, (0.0, 0.0), (5, 5))
