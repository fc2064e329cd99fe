"""Windows past the image are reflections of it, however small the image and far the window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.geometry import Window
from morphinfer.tiles.gather import gather, gather_windows, needed_range, reflect_indices

short = settings(max_examples=50, deadline=None)
sizes = st.integers(1, 12)
FREE = (-np.inf, np.inf)


def image_of(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def raw(source, window, origin=(0, 0), shape=None):
    shape = source.shape if shape is None else shape
    return gather(source, origin, shape, window, low=0.0, high=1.0, clip=FREE)


@short
@given(size=sizes, start=st.integers(-60, 60), count=st.integers(1, 60))
def test_reflection_equals_symmetric_padding(size, start, count):
    padded = np.pad(np.arange(size), 150, mode="symmetric")
    expected = padded[150 + start : 150 + start + count]
    np.testing.assert_array_equal(reflect_indices(start, count, size), expected)


@short
@given(size=sizes, start=st.integers(-60, 60), count=st.integers(1, 60))
def test_needed_range_is_the_smallest_that_holds_the_reflection(size, start, count):
    touched = np.pad(np.arange(size), 150, mode="symmetric")[150 + start : 150 + start + count]
    assert needed_range(start, count, size) == (touched.min(), touched.max() + 1)


@short
@given(height=sizes, width=sizes, row=st.integers(-20, 20), col=st.integers(-20, 20),
       rows=st.integers(1, 30), cols=st.integers(1, 30))  # fmt: skip
def test_gather_equals_symmetric_padding_then_slicing(height, width, row, col, rows, cols):
    image = image_of(height, width)
    padded = np.pad(image, 60, mode="symmetric")
    expected = padded[60 + row : 60 + row + rows, 60 + col : 60 + col + cols]
    np.testing.assert_array_equal(raw(image, Window(row, col, rows, cols)), expected)


@short
@given(row=st.integers(-9, 25), col=st.integers(-9, 25), side=st.integers(1, 20))
def test_the_needed_part_of_the_image_suffices(row, col, side):
    image = image_of(17, 23)
    top, bottom = needed_range(row, side, 17)
    left, right = needed_range(col, side, 23)
    window = Window(row, col, side, side)
    part = raw(image[top:bottom, left:right], window, (top, left), (17, 23))
    np.testing.assert_array_equal(part, raw(image, window))


def test_a_window_that_fits_exactly_is_the_image():
    image = image_of(9, 14)
    np.testing.assert_array_equal(raw(image, Window(0, 0, 9, 14)), image)


def test_one_pixel_over_each_edge_repeats_the_edge():
    image = image_of(4, 5)
    expected = np.pad(image, 1, mode="edge")
    np.testing.assert_array_equal(raw(image, Window(-1, -1, 6, 7)), expected)


def test_a_slide_of_one_pixel_fills_any_window():
    image = np.array([[7]], np.uint8)
    np.testing.assert_array_equal(raw(image, Window(-40, 3, 90, 94)), np.full((90, 94), 7))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_intensities_are_scaled_and_clipped(dtype):
    image = np.array([[0, 10, 20, 30]], dtype)
    out = gather(image, (0, 0), (1, 4), Window(0, 0, 1, 4), low=10, high=20, clip=(-0.5, 1.5))
    np.testing.assert_allclose(out, [[-0.5, 0, 1, 1.5]], rtol=1e-6)


def test_not_a_number_stays_visible():
    image = np.array([[np.nan, 1.0]], np.float32)
    assert np.isnan(
        gather(image, (0, 0), (1, 2), Window(0, 0, 1, 2), low=0, high=1, clip=(0, 1))[0, 0]
    )


def test_the_result_is_written_where_the_caller_says():
    image, out = image_of(5, 5), np.zeros((5, 5), np.float32)
    same = gather(image, (0, 0), (5, 5), Window(0, 0, 5, 5), low=0, high=1, clip=FREE, out=out)
    assert same is out
    np.testing.assert_array_equal(out, image)


def test_a_transposed_image_is_read_right():
    image = image_of(6, 8).T
    np.testing.assert_array_equal(raw(image, Window(0, 0, 8, 6)), image)


def test_a_pixel_outside_the_block_is_refused():
    with pytest.raises(ValueError, match="needs rows 3 to 8 of a block of 8"):
        raw(image_of(8, 20), Window(3, 0, 6, 6), shape=(20, 20))


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": np.zeros((4, 4), np.float64)},
        {"source": np.zeros((4, 4, 1), np.uint8)},
        {"source": np.zeros((4, 4), np.dtype(np.uint16).newbyteorder())},
        {"low": 1.0},
        {"clip": (1.0, 0.0)},
        {"window": Window(0, 0, 0, 4)},
        {"image_shape": (0, 4)},
        {"out": np.zeros((4, 4), np.float64)},
        {"out": np.zeros((4, 3), np.float32)},
        {"out": np.zeros((4, 8), np.float32)[:, ::2]},
    ],
)
def test_wrong_arguments_are_refused(wrong):
    right = {
        "source": np.zeros((4, 4), np.uint8),
        "source_origin": (0, 0),
        "image_shape": (4, 4),
        "window": Window(0, 0, 4, 4),
        "low": 0.0,
        "high": 1.0,
        "clip": (0.0, 1.0),
    }
    with pytest.raises(ValueError, match=r"\d"):
        gather(**{**right, **wrong})


def test_patches_come_in_reading_order_as_a_batch():
    tile = np.arange(42, dtype=np.float32).reshape(6, 7)
    batch = gather_windows(tile, 4, 2, 1, 3)
    assert batch.shape == (3, 1, 4, 4)
    np.testing.assert_array_equal(batch[:, 0, 0, 0], [2, 14, 16])
    np.testing.assert_array_equal(batch[2, 0], tile[2:6, 2:6])


def test_a_tile_as_large_as_a_patch_has_one():
    tile = image_of(5, 5, dtype=np.float32)
    np.testing.assert_array_equal(gather_windows(tile, 5, 8, 0, 1)[0, 0], tile)


@pytest.mark.parametrize(
    ("patch", "stride", "first", "count"),
    [(4, 2, 3, 2), (4, 2, -1, 1), (8, 2, 0, 1), (4, 0, 0, 1), (0, 1, 0, 1), (4, 2, 2, -1)],
)
def test_patches_that_are_not_there_are_refused(patch, stride, first, count):
    with pytest.raises(ValueError, match=r"tile"):
        gather_windows(np.zeros((6, 7), np.float32), patch, stride, first, count)


def test_a_tile_of_another_type_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        gather_windows(np.zeros((6, 7), np.uint8), 4, 2, 0, 1)
