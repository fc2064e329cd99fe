"""Polygons are drawn by the centres of pixels, the same in any window, as a plain even-odd test has it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import PixelGrid
from morphinfer.images.labels.polygons import Polygon, PolygonArray, fill, on_grid

HEIGHT, WIDTH = 9, 11
POINT = st.tuples(st.integers(-30, 130), st.integers(-30, 130))
RINGS = st.lists(st.lists(POINT, min_size=3, max_size=7), min_size=1, max_size=3)


def even_odd(rings, row, col):
    """The test of a point against each edge, W. R. Franklin's PNPOLY."""
    inside = False
    for ring in rings:
        for (r0, c0), (r1, c1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if (r0 > row) != (r1 > row) and col < (c1 - c0) * (row - r0) / (r1 - r0) + c0:
                inside = not inside
    return inside


@given(RINGS)
def test_a_pixel_is_filled_if_its_centre_is_inside(corners):
    # Corners at 0.1 of a pixel and a little more, so that no centre lies on an edge.
    rings = [np.array(ring) / 10 + 0.0123 for ring in corners]
    expected = [[even_odd(rings, r, c) for c in range(WIDTH)] for r in range(HEIGHT)]
    np.testing.assert_array_equal(fill(rings, 0, 0, (HEIGHT, WIDTH)), expected)


@given(RINGS, st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1))
def test_a_window_shows_a_part_of_the_whole(corners, row, col):
    polygons = [Polygon(k, (np.array(ring) / 10,)) for k, ring in enumerate(corners)]
    array = PolygonArray(polygons, (HEIGHT, WIDTH), 4)
    whole = array[slice(0, HEIGHT), slice(0, WIDTH)]
    np.testing.assert_array_equal(array[row:, col:], whole[row:, col:])


def test_neighbours_share_an_edge_without_gap_or_overlap():
    left = np.array([(-0.5, -0.5), (-0.5, 2.0), (3.5, 2.0), (3.5, -0.5)])
    right = left + np.array([0, 2.5])
    array = PolygonArray([Polygon(0, (left,)), Polygon(1, (right,))], (4, 5), 4)
    values, covered = array.draw((slice(0, 4), slice(0, 5)))
    assert values.tolist() == [[0, 0, 1, 1, 1]] * 4
    assert covered == 0


def test_holes_stay_unlabelled_and_overlaps_are_counted():
    outer = np.array([(-0.5, -0.5), (-0.5, 4.5), (4.5, 4.5), (4.5, -0.5)])
    hole = np.array([(0.5, 0.5), (0.5, 3.5), (3.5, 3.5), (3.5, 0.5)])
    dot = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])
    array = PolygonArray([Polygon(0, (outer, hole)), Polygon(1, (dot,))], (5, 5), 8)
    values, covered = array.draw((slice(0, 5), slice(0, 5)))
    assert (values[1:4, 1:4] == UNLABELLED).all()
    assert (values == 0).sum() == 15
    assert (values[0, 0], covered) == (1, 1)


def test_pixels_of_a_slide_are_brought_to_another_grid():
    frame, grid = PixelGrid((80, 80), 0.5, (10.0, 0.0)), PixelGrid((10, 10), 4.0, (10.0, 0.0))
    corners = on_grid(np.array([(0.0, 0.0), (8.0, 16.0)]), frame, grid)
    assert corners.tolist() == [[-0.5, -0.5], [1.5, 0.5]]
