"""Polygons of a label map share their borders, and have the areas of the classes."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.errors import OutputError
from morphinfer.exports import borders
from morphinfer.exports.coverage import cover

shapely = pytest.importorskip("shapely")
RING = np.pad(np.pad(np.zeros((2, 3), np.uint8), 2, constant_values=1), 1)


def areas(coverage):
    return np.bincount(coverage.values, shapely.area(coverage.polygons), 256)


def noise(seed):
    """A map of up to 11 x 11 positions in which borders meet everywhere."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, rng.integers(1, 12, 2), np.uint8)


def waves(side):
    """Areas of four classes with curved borders."""
    row, col = np.indices((side, side)) / 7
    height = np.sin(row) + np.cos(col * 0.8) + np.sin((row + col) / 3)
    return np.digitize(height, (-1, 0, 1.2)).astype(np.uint8)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0, 1.5]))
def test_any_map_becomes_a_valid_coverage(seed, smooth, tolerance):
    values = noise(seed)
    coverage = cover(values, tolerance, smooth=smooth)
    assert shapely.coverage_is_valid(coverage.polygons)
    assert shapely.is_valid(coverage.polygons).all()
    assert shapely.area(coverage.polygons).sum() == pytest.approx(values.size)


@given(st.integers(0, 2**32 - 1))
def test_polygons_have_the_positions_of_their_class_and_no_others(seed):
    values = noise(seed)
    coverage = cover(values)
    assert (areas(coverage) == np.bincount(values.ravel(), minlength=256)).all()
    rows, cols = np.indices(values.shape).reshape(2, -1)
    for polygon, value in zip(coverage.polygons, coverage.values, strict=True):
        inside = shapely.contains_xy(polygon, cols + 0.5, rows + 0.5)
        assert set(values.ravel()[inside]) == {value}


def test_a_hole_is_a_hole_and_what_is_in_it_a_polygon():
    coverage = cover(RING)
    assert sorted(zip(coverage.values, shapely.area(coverage.polygons), strict=True)) == [
        (0, 6), (0, 30), (1, 36),
    ]  # fmt: skip
    assert shapely.get_num_interior_rings(coverage.polygons).sum() == 2


def test_neighbours_share_their_border_after_simplification():
    exact, coverage = cover(waves(64)), cover(waves(64), 1)
    points = shapely.get_num_coordinates
    assert points(coverage.polygons).sum() < 0.6 * points(exact.polygons).sum()
    assert shapely.coverage_is_valid(coverage.polygons)
    borders = shapely.union_all(shapely.boundary(coverage.polygons))
    twice = shapely.length(coverage.polygons).sum() + 4 * 64
    assert twice == pytest.approx(2 * shapely.length(borders))


def test_smoothing_takes_steps_away_and_keeps_areas():
    values = waves(128)
    exact, smooth = cover(values), cover(values, smooth=True)
    before, after = areas(exact), areas(smooth)
    assert (np.abs(after - before) <= 0.005 * before).all()
    assert (after != before).any()
    lengths = [shapely.length(each.polygons).sum() for each in (exact, smooth)]
    assert lengths[1] < 0.9 * lengths[0]


def test_smoothing_leaves_a_class_of_few_positions_as_it_is():
    values = np.zeros((20, 20), np.uint8)
    values[5, 5] = 1
    coverage = cover(values, smooth=True)
    assert areas(coverage)[1] == pytest.approx(1, abs=0.005)


def test_bands_leave_no_trace(monkeypatch):
    whole = cover(waves(32)).polygons
    monkeypatch.setattr(borders, "BAND", 5)
    assert (cover(waves(32)).polygons == whole).all()


def test_without_shapely_the_extra_is_named(monkeypatch):
    load = builtins.__import__

    def absent(name, *rest, **named):
        if name == "shapely":
            raise ImportError(name)
        return load(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(OutputError, match=r'pip install "morphinfer\[export\]"'):
        cover(RING)
