"""Tiles cover the label image once; patches lie around their cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.geometry import TileGrid, Window, ceil_div, patch_offset, receptive_window

sides = st.integers(1, 60)
strides = st.sampled_from([1, 2, 3, 4, 8, 16])


@given(sides, sides, st.integers(1, 20))
def test_tiles_cover_each_cell_exactly_once(height, width, tile):
    seen = np.zeros((height, width), int)
    for band in TileGrid(height, width, tile).bands():
        for window in band:
            seen[window.slices] += 1
    assert (seen == 1).all()


@given(sides, sides, st.integers(1, 20))
def test_no_tile_reaches_past_the_label_image(height, width, tile):
    windows = [w for band in TileGrid(height, width, tile).bands() for w in band]
    assert all(w.row_stop <= height and w.col_stop <= width for w in windows)
    assert all(w.height > 0 and w.width > 0 for w in windows)


@given(sides, sides, st.integers(1, 20))
def test_the_length_of_a_grid_is_its_number_of_tiles(height, width, tile):
    grid = TileGrid(height, width, tile)
    assert len(grid) == sum(len(band) for band in grid.bands())


@given(sides, sides, st.integers(1, 20))
def test_the_tiles_of_a_band_have_the_same_rows_and_run_from_left_to_right(height, width, tile):
    for band in TileGrid(height, width, tile).bands():
        assert {(w.row, w.height) for w in band} == {(band[0].row, band[0].height)}
        assert [w.col for w in band] == list(range(0, width, tile))


def test_a_label_image_of_whole_tiles_has_no_narrow_tile():
    windows = [w for band in TileGrid(8, 12, 4).bands() for w in band]
    assert {(w.height, w.width) for w in windows} == {(4, 4)}
    assert len(windows) == 6


def test_a_label_image_smaller_than_a_tile_is_one_tile():
    assert list(TileGrid(3, 2, 64).bands()) == [[Window(0, 0, 3, 2)]]


@given(sides, sides, strides, st.integers(1, 4096))
def test_cells_cover_the_slide_and_the_last_overhangs_by_less_than_a_stride(h, w, stride, tile_px):
    grid = TileGrid.over((h, w), stride, tile_px)
    for cells, side in ((grid.height, h), (grid.width, w)):
        assert 0 <= cells * stride - side < stride


def test_a_tile_smaller_than_a_stride_is_one_cell():
    assert TileGrid.over((100, 100), 16, 8).tile == 1


@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_ceil_div_is_the_smallest_quotient_that_is_enough(numerator, denominator):
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@given(st.integers(1, 200), strides, st.integers(0, 50))
def test_a_patch_is_centred_on_its_cell_or_lies_half_a_pixel_before(patch, stride, cell):
    centre_of_cell = (cell + 0.5) * stride
    centre_of_patch = cell * stride + patch_offset(patch, stride) + patch / 2
    assert centre_of_cell - centre_of_patch == (0.5 if (patch - stride) % 2 else 0)


@given(
    st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9),
    st.integers(1, 200), strides,
)  # fmt: skip
def test_a_receptive_window_is_the_hull_of_its_patches(row, col, height, width, patch, stride):
    seen = receptive_window(Window(row, col, height, width), patch, stride)
    first = receptive_window(Window(row, col, 1, 1), patch, stride)
    last = receptive_window(Window(row + height - 1, col + width - 1, 1, 1), patch, stride)
    assert (first.height, first.width) == (patch, patch)
    assert (seen.row, seen.col) == (first.row, first.col)
    assert (seen.row_stop, seen.col_stop) == (last.row_stop, last.col_stop)


def test_the_slices_of_a_window_select_it():
    image = np.arange(20).reshape(4, 5)
    np.testing.assert_array_equal(image[Window(1, 2, 2, 3).slices], [[7, 8, 9], [12, 13, 14]])


@pytest.mark.parametrize("patch", [46, 62, 94, 126, 158])
def test_the_patch_sizes_of_the_design_have_a_centre_on_the_lattice(patch):
    assert (patch - 8) % 2 == 0
