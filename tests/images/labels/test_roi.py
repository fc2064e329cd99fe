"""Regions of interest: files of polygons, their unit, and the pixels inside."""

from __future__ import annotations

import json

import numpy as np
import pytest

from morphinfer.errors import RoiError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.roi import open_roi

FRAME = PixelGrid((100, 100), 1.0, (0.0, 0.0))


def square(left, top, side):
    right, bottom = left + side, top + side
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def csv(points):
    return "".join(f"{x},{y}\n" for x, y in points)


@pytest.fixture
def roi_of(tmp_path):
    """Write a file and open it as a region of interest."""

    def write(text, frame=FRAME, name="r.csv", prefix=""):
        (tmp_path / name).write_text(text)
        return open_roi(f"{prefix}{tmp_path / name}", frame)

    return write


def test_a_polygon_contains_the_pixels_whose_centres_are_inside(roi_of):
    frame = PixelGrid((40, 60), 1.0, (0.0, 0.0))
    rows, cols = np.nonzero(roi_of(csv(square(8, 4, 12)), frame).mask(frame.cover(4.0)))
    assert (rows.min(), rows.max(), cols.min(), cols.max(), len(rows)) == (1, 3, 2, 4, 9)


@pytest.mark.parametrize("size", [0.1 * 3, 2.6, 1.3, 0.325 * 16, 0.1086 * 48, 1 / 3])
@pytest.mark.parametrize("times", [7, 8, 49])
def test_centres_on_the_edge_of_a_polygon_are_on_its_far_side_for_any_size(roi_of, size, times):
    frame = PixelGrid((100 * times,) * 2, size, (0.0, 0.0))
    for first in range(2, 90, 22):
        edge = (first + 0.5) * times
        mask = roi_of(csv(square(edge, edge, 7 * times)), frame).mask(frame.cover(size * times))
        expected = np.zeros((100, 100), bool)
        expected[first : first + 7, first : first + 7] = True
        np.testing.assert_array_equal(mask, expected)


def test_any_window_is_that_part_of_the_whole(roi_of):
    roi = roi_of("polygon,x,y\na,-5,10\na,60,-5\na,70,90\nb,80,80\nb,99,80\nb,90,120\n")
    grid = FRAME.cover(2.6)
    whole = roi.mask(grid)
    assert 0.2 < whole.mean() < 0.9
    for window in (Window(0, 0, 5, 39), Window(7, 11, 13, 5), Window(30, 30, 9, 9)):
        np.testing.assert_array_equal(roi.mask(grid, window), whole[window.slices])


def test_geojson_of_qupath_may_have_holes_and_several_features(roi_of):
    polygon = {"type": "Polygon", "coordinates": [square(10, 10, 40), square(20, 20, 10)]}
    multi = {"type": "MultiPolygon", "coordinates": [[square(40, 40, 20)], [square(80, 80, 10)]]}
    line = {"type": "LineString", "coordinates": [[0, 0], [9, 9]]}
    features = [
        {"type": "Feature", "id": "1", "properties": {"objectType": "annotation"}, "geometry": g}
        for g in (polygon, multi, line)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    mask = roi_of(text, name="roi.geojson").mask(FRAME)
    assert mask.sum() == 40**2 - 10**2 + 20**2 - 10**2 + 10**2
    assert not mask[25, 25]
    assert mask[45, 45]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("x,y\n1,2\n9,2\n9,8\n", "pixel"),
        ("1,2\n9,2\n9,8\n", "pixel"),
        ("y;x\n2;1\n2;9\n8;9\n", "pixel"),
        ("x_um,y_um\n1,2\n9,2\n9,8\n", "micrometer"),
        ("#Selection name: A\n#Area (µm^2): 24\nX,Y\n1,2\n9,2\n9,8\n", "micrometer"),
    ],
)
def test_a_csv_file_may_have_a_header_that_says_the_unit(roi_of, text, unit):
    roi = roi_of(text)
    assert roi.unit == unit
    assert roi.polygons[0][0].tolist() == [[2, 1], [2, 9], [8, 9]]


def test_micrometres_are_world_coordinates_of_the_slide(roi_of):
    frame = PixelGrid((100, 100), 0.5, (1000.0, 2000.0))
    text = csv(square(2005, 1010, 10))
    mask = roi_of(text, frame, prefix="um:").mask(frame)
    rows, cols = np.nonzero(mask)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (20, 39, 10, 29)
    with pytest.raises(RoiError, match=r"contain no part of the slide.*write um:r\.csv"):
        roi_of(text, frame)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.geojson", "{", "neither GeoJSON nor a CSV"),
        ("r.geojson", '{"type": "Point", "coordinates": [1, 2]}', "no Polygon or MultiPolygon"),
        ("r.csv", "x,y\n1,2\n3,4\n", "three or more corners"),
        ("r.csv", "a,b\nc,d\ne,f\n", "neither GeoJSON nor a CSV"),
        ("r.csv", "", "neither GeoJSON nor a CSV"),
        ("r.csv", "x,y\n1,2\nnan,4\n5,6\n", "not a finite number"),
        ("r.csv", "x,y\n9000,2\n9900,2\n9900,8\n", "contain no part of the slide"),
    ],
)
def test_files_without_a_usable_polygon_are_refused(roi_of, name, text, message):
    with pytest.raises(RoiError, match=message):
        roi_of(text, name=name)


def test_a_missing_file_is_refused():
    with pytest.raises(RoiError, match="no such file"):
        open_roi("none.geojson", FRAME)
