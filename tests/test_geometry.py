"""Tiles cover the label image once; patches lie around their positions; grids find each other's pixels."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.geometry import (
    TIE,
    PixelGrid,
    TileGrid,
    Window,
    ceil_div,
    patch_offset,
    receptive_window,
)

sides = st.integers(1, 60)
strides = st.sampled_from([1, 2, 3, 4, 8, 16])
axes = st.sampled_from([0, 1])
nanometres = st.integers(100, 20_000)
corners_nm = st.tuples(st.integers(-(10**7), 10**7), st.integers(-(10**7), 10**7))
AWKWARD_UM = [0.1 * 3, 2.6, 1.3, 0.325 * 16, 0.1086 * 48, 1 / 3]


@st.composite
def grids(draw):
    """Grids whose lengths are whole nanometres, as metadata have them."""
    row, col = draw(corners_nm)
    size = draw(nanometres) / 1000
    return PixelGrid((draw(sides), draw(sides)), size, (row / 1000, col / 1000))


def exactly(length_um):
    """The decimal number that a length was written as."""
    return Fraction(round(length_um * 1000), 1000)


def exact_places(grid, other, axis):
    """Where the centres of the other grid lie, in pixels of the grid, without rounding."""
    between = exactly(other.corner_um[axis]) - exactly(grid.corner_um[axis])
    size, step = exactly(grid.pixel_size_um), exactly(other.pixel_size_um)
    return [((k + Fraction(1, 2)) * step + between) / size for k in range(other.shape[axis])]


@given(grids(), grids(), axes)
def test_centres_are_located_as_exact_arithmetic_has_it(grid, other, axis):
    expected = [floor(place) for place in exact_places(grid, other, axis)]
    assert grid.locate(other, axis).tolist() == expected


sizes_um = st.floats(0.01, 100)
places_um = st.floats(-1e5, 1e5)


@given(sizes_um, sizes_um, places_um, places_um, st.integers(-(10**6), 10**6))
def test_a_position_is_never_farther_off_than_the_rule_for_ties(size, step, corner, other, pixel):
    grid, there = (
        PixelGrid((1, 1), size, (corner, 0.0)),
        PixelGrid((1, 1), step, (other, 0.0)),
    )
    from_corner = (pixel + Fraction(1, 2)) * Fraction(step) + Fraction(other) - Fraction(corner)
    place = from_corner / Fraction(size)
    (found,) = grid.locate(there, 0, np.array([pixel])).tolist()
    assert floor(place) <= found <= floor(place + 2 * Fraction(TIE))


@given(grids(), grids(), axes)
def test_located_pixels_never_fall(grid, other, axis):
    assert (np.diff(grid.locate(other, axis)) >= 0).all()


@given(grids(), axes)
def test_a_grid_is_located_on_itself_pixel_by_pixel(grid, axis):
    np.testing.assert_array_equal(grid.locate(grid, axis), np.arange(grid.shape[axis]))


@given(grids(), grids(), axes, corners_nm)
def test_moving_both_grids_moves_no_pixel(grid, other, axis, by_nm):
    def moved(a):
        row, col = (
            float(exactly(c) + Fraction(nm, 1000)) for c, nm in zip(a.corner_um, by_nm, strict=True)
        )
        return PixelGrid(a.shape, a.pixel_size_um, (row, col))

    np.testing.assert_array_equal(moved(grid).locate(moved(other), axis), grid.locate(other, axis))


@given(grids(), grids(), axes, st.sampled_from([1e-3, 0.1, 0.65, 3, 1000]))
def test_another_unit_of_length_moves_no_pixel(grid, other, axis, factor):
    def scaled(a):
        row, col = (c * factor for c in a.corner_um)
        return PixelGrid(a.shape, a.pixel_size_um * factor, (row, col))

    np.testing.assert_array_equal(
        scaled(grid).locate(scaled(other), axis), grid.locate(other, axis)
    )


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_centre_on_a_border_belongs_to_the_second_pixel_whatever_the_size(size, times):
    coarse = PixelGrid((500, 500), size * times, (0.0, 0.0))
    expected = np.arange(500) * times + times // 2
    for fine in (coarse.refined(times), PixelGrid((500 * times,) * 2, size, (0.0, 0.0))):
        np.testing.assert_array_equal(fine.locate(coarse, axis=0), expected)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_the_pixels_of_a_refined_grid_lie_in_those_that_they_divide(size, times):
    grid = PixelGrid((300, 200), size, (17.3, -size / 2))
    fine = grid.refined(times)
    assert fine.extent_um == pytest.approx(grid.extent_um)
    for axis in (0, 1):
        expected = np.repeat(np.arange(grid.shape[axis]), times)
        np.testing.assert_array_equal(grid.locate(fine, axis), expected)


@given(grids(), grids())
def test_a_window_holds_the_pixels_whose_centres_lie_on_the_other_grid(grid, other):
    window = grid.window(other)
    for axis, (start, count) in enumerate(
        ((window.row, window.height), (window.col, window.width))
    ):
        places = exact_places(other, grid, axis)
        inside = [k for k, place in enumerate(places) if 0 <= place < other.shape[axis]]
        assert list(range(start, start + count)) == inside


@given(grids(), grids(), sides, sides, st.integers(1, 9))
def test_the_window_of_a_part_is_the_part_of_the_window(grid, other, row, col, height):
    part = Window(row, col, height, 5)
    inside, whole = (np.zeros((80, 80), bool) for _ in range(2))
    larger = PixelGrid((80, 80), grid.pixel_size_um, grid.corner_um)
    inside[larger.window(other, part).slices] = True
    whole[part.slices] = True
    outside = np.ones((80, 80), bool)
    outside[larger.window(other).slices] = False
    np.testing.assert_array_equal(inside, whole & ~outside)


@given(grids(), nanometres)
def test_a_cover_reaches_the_far_edges_and_its_last_pixel_is_needed(grid, size_nm):
    cover = grid.cover(size_nm / 1000)
    assert cover.corner_um == grid.corner_um
    for axis in (0, 1):
        side = grid.shape[axis] * exactly(grid.pixel_size_um)
        whole = cover.shape[axis] * exactly(cover.pixel_size_um)
        assert 0 <= whole - side < exactly(cover.pixel_size_um)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [2, 3, 8])
def test_a_grid_of_whole_pixels_is_covered_without_one_more(size, times):
    assert PixelGrid((40 * times, 7 * times), size, (0.0, 0.0)).cover(size * times).shape == (40, 7)


@given(grids())
def test_the_origin_is_half_a_pixel_inside_the_corner(grid):
    top, left, _, _ = grid.extent_um
    half = grid.pixel_size_um / 2
    assert grid.origin_um == pytest.approx((top + half, left + half))


@given(sides, sides, st.integers(1, 20))
def test_tiles_cover_each_position_exactly_once(height, width, tile):
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
    for positions, side in ((grid.height, h), (grid.width, w)):
        assert 0 <= positions * stride - side < stride


def test_a_tile_smaller_than_a_stride_is_one_position():
    assert TileGrid.over((100, 100), 16, 8).tile == 1


@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_ceil_div_is_the_smallest_quotient_that_is_enough(numerator, denominator):
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@given(st.integers(1, 200), strides, st.integers(0, 50))
def test_a_patch_is_centred_on_its_position_or_lies_half_a_pixel_before(patch, stride, position):
    centre_of_position = (position + 0.5) * stride
    centre_of_patch = position * stride + patch_offset(patch, stride) + patch / 2
    assert centre_of_position - centre_of_patch == (0.5 if (patch - stride) % 2 else 0)


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
