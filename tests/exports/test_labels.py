"""An exported label image lies on its slide, and is what QuPath documents."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from commands import refused

from morphinfer.exports import export_labels
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import open_annotations, open_labels
from morphinfer.images.writing.multiscale import create_image

shapely = pytest.importorskip("shapely")
pytest_plugins = ["commands", "label_images"]

VALUES = np.array([[0, 0, 1, 1], [0, 2, 1, 1], [255, 2, 2, 3]], np.uint8)
SCHEMA = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": {
            "type": "object",
            "required": ["type", "geometry", "properties"],
            "properties": {
                "type": {"const": "Feature"},
                "geometry": {"type": "object", "properties": {
                    "type": {"const": "Polygon"},
                    "coordinates": {"type": "array", "minItems": 1, "items": {
                        "type": "array", "minItems": 4, "items": {
                            "type": "array", "minItems": 2, "maxItems": 2,
                            "items": {"type": "number"}}}}}},
                "properties": {"type": "object", "required": ["objectType", "classification"],
                    "properties": {
                        "objectType": {"const": "annotation"},
                        "classification": {"type": "object", "required": ["name", "color"],
                            "properties": {
                                "name": {"type": "string"},
                                "color": {"type": "array", "minItems": 3, "maxItems": 3, "items": {
                                    "type": "integer", "minimum": 0, "maximum": 255}}}}}}}}},
    },
}  # fmt: skip
"""What the type adapters of QuPath read."""


@pytest.fixture
def slide_of(tmp_path):
    """Write an empty slide of 0.5 um pixels whose corner lies at (3, 7) um."""
    path = tmp_path / "slide_placed.zarr"
    grid = PixelGrid((24, 32), 0.5, (3.0, 7.0))
    with create_image(
        path, shape=grid.shape, dtype="uint8", pixel_size_um=0.5, origin_um=grid.origin_um
    ) as image:
        image.write(np.ones(grid.shape, np.uint8))
    return path, grid


@pytest.fixture
def labels(make):
    return make(VALUES, 4.0, (3.0, 7.0))


def features(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        f["properties"]["classification"]["name"]: shapely.geometry.shape(f["geometry"])
        for f in content["features"]
    }


def test_coordinates_are_pixels_of_the_slide_from_its_corner(slide_of, labels, tmp_path):
    out = tmp_path / "l.geojson"
    export_labels(open_labels(labels), out, "geojson", slide=slide_of[0])
    drawn = features(out)
    assert set(drawn) == {"tissue", "Slc17a7", "Lamp5"}
    assert drawn["tissue"].equals(shapely.box(16, 0, 32, 16))
    assert drawn["Lamp5"].equals(shapely.box(24, 16, 32, 24))


def test_the_file_has_the_form_that_qupath_reads(slide_of, labels, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    out = tmp_path / "l.geojson"
    export_labels(open_labels(labels), out, "geojson", slide=slide_of[0])
    jsonschema.validate(json.loads(out.read_text(encoding="utf-8")), SCHEMA)


def test_a_corner_of_its_own_is_honoured(slide_of, make, tmp_path):
    out = tmp_path / "l.geojson"
    path = make([[1]], 4.0, (5.0, 6.0))
    export_labels(open_labels(path), out, "geojson", slide=slide_of[0])
    assert features(out)["tissue"].equals(shapely.box(-2, 4, 6, 12))


def test_what_is_written_is_read_as_the_same_labels(slide_of, labels, tmp_path):
    out = tmp_path / "l.geojson"
    export_labels(open_labels(labels), out, "geojson", slide=slide_of[0], all_classes=True)
    image = open_labels(labels)
    again = open_annotations(out, slide_of[1], image.image.grid)
    names = [c.name for c in again.classes]
    values = again.read(Window(0, 0, *VALUES.shape))
    order = np.array([[c.name for c in image.classes].index(n) for n in names] + [0] * 252)
    order[255] = 255
    assert (order[values] == VALUES).all()
    assert {c.name: c.colour for c in again.classes} == {c.name: c.colour for c in image.classes}


def test_gz_holds_the_same_text_and_no_time(slide_of, labels, tmp_path):
    for name in ("l.geojson", "l.geojson.gz", "m.geojson.gz"):
        export_labels(open_labels(labels), tmp_path / name, "geojson", slide=slide_of[0])
    packed = (tmp_path / "l.geojson.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "l.geojson").read_bytes()
    assert packed == (tmp_path / "m.geojson.gz").read_bytes()


def test_a_table_has_number_area_and_centroid(slide_of, labels, tmp_path):
    out = tmp_path / "l.csv"
    written = export_labels(open_labels(labels), out, "csv", slide=slide_of[0])
    assert out.read_text().splitlines() == [
        "class,polygons,area_um2,centroid_x_px,centroid_y_px",
        "tissue,1,64,24.000,8.000",
        "Slc17a7,1,48,14.667,17.333",
        "Lamp5,1,16,28.000,20.000",
    ]
    assert written["classes"]["Slc17a7"] == {"polygons": 1, "area_um2": 48.0}


def test_shapes_are_geoparquet(slide_of, labels, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "l.parquet"
    export_labels(open_labels(labels), out, "shapes", slide=slide_of[0])
    table = parquet.read_table(out)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert (geo["primary_column"], geo["columns"]["geometry"]["encoding"]) == ("geometry", "WKB")
    rows = {row["class"]: shapely.from_wkb(row["geometry"]) for row in table.to_pylist()}
    assert rows["tissue"].equals(shapely.box(16, 0, 32, 16))


def test_a_segmented_slide_is_exported_beside_its_labels(call, slide, models, tmp_path):
    words = ("segment", slide, "--models", models, "--out", "l.zarr", "--tile", "64")
    assert call(*words, "-q", "--provider", "cpu")[0] == 0
    code, out, err = call(
        "export", "l.zarr", "--all-classes", "--json", "--smooth", "--tolerance", "2"
    )
    assert (code, err) == (0, "")
    written = json.loads(out)
    assert (written["out"], written["smooth"], written["tolerance_um"]) == ("l.geojson", True, 2)
    polygons = json.loads((tmp_path / "l.geojson").read_text())["features"]
    assert len(polygons) == written["polygons"] > 0
    refused(call("export", "l.zarr"), "l.geojson", "--overwrite")
    (tmp_path / slide).rename(tmp_path / "moved.zarr")
    refused(call("export", "l.zarr", "--to", "csv"), "--slide")
    assert call("export", "l.zarr", "--to", "csv", "--slide", "moved.zarr")[0] == 0


def test_what_is_no_label_image_and_labels_of_no_slide_are_refused(call, slide, make):
    refused(call("export", slide), "not a label image")
    refused(call("export", str(make(VALUES))), "--slide")
    refused(call("export", str(make(VALUES)), "--tolerance", "nan"), "nan")
