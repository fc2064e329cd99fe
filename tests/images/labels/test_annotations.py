"""A GeoJSON file of QuPath is a reference: polygons with a class, in pixels of the slide."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import runner

from morphinfer import Options, segment
from morphinfer.cli.evaluate import evaluate as command
from morphinfer.errors import AlignmentError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import open_annotations
from morphinfer.scoring import evaluate
from networks import save_set

FRAME = PixelGrid((40, 80), 0.5, (3.0, 0.0))
GRID = PixelGrid((5, 10), 4.0, (3.0, 0.0))


def square(x, y, width, height):
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]


def feature(rings, name="Tumor", kind="Polygon", **classification):
    shown = {**({"name": name} if name else {}), **classification} or None
    properties = {"objectType": "annotation", **({"classification": shown} if shown else {})}
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": rings},
            "properties": properties}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def make(*features, content=None, name="a.geojson"):
        path = tmp_path / name
        content = (
            {"type": "FeatureCollection", "features": features} if content is None else content
        )
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return make


def drawn(path):
    image = open_annotations(path, FRAME, GRID)
    return image.read(Window(0, 0, *GRID.shape))


def test_polygons_with_holes_become_classes_and_the_rest_is_unlabelled(write):
    path = write(
        feature([square(0, 0, 40, 40), square(8, 8, 8, 8)], color=[200, 0, 0]),
        feature([[square(48, 0, 8, 8)], [square(64, 0, 16, 40)]], "Stroma", "MultiPolygon"),
    )
    image = open_annotations(path, FRAME, GRID)
    values = drawn(path)
    assert [(c.name, c.role) for c in image.classes] == [("Tumor", "target"), ("Stroma", "target")]
    assert image.classes[0].colour == "#c80000"
    assert values.tolist()[:2] == [
        [0, 0, 0, 0, 0, 255, 1, 255, 1, 1],
        [0, 255, 0, 0, 0, 255, 255, 255, 1, 1],
    ]
    assert image.warnings == ()


@pytest.mark.parametrize("content", ["list", "feature"])
def test_a_list_of_features_or_one_alone_is_read(write, content):
    one = feature([square(0, 0, 80, 40)])
    assert (drawn(write(content=[one] if content == "list" else one)) == 0).all()


def test_the_class_may_be_a_plain_property(write):
    plain = feature([square(0, 0, 80, 40)], None)
    plain["properties"]["class"] = "tissue"
    assert open_annotations(write(plain), FRAME, GRID).classes[0].role == "tissue"


def test_the_names_of_a_derived_class_are_joined_as_qupath_does(write):
    path = write(feature([square(0, 0, 80, 40)], None, names=["Tumor", "Positive"]))
    assert [c.name for c in open_annotations(path, FRAME, GRID).classes] == ["Tumor: Positive"]


@pytest.mark.parametrize(("kind", "empty"), [("Polygon", []), ("MultiPolygon", [[]])])
def test_a_polygon_without_points_is_left_out(write, kind, empty):
    path = write(feature(empty, kind=kind), feature([square(0, 0, 80, 40)]))
    assert (drawn(path) == 0).all()
    assert open_annotations(path, FRAME, GRID).warnings == (
        f"{path}: 1 feature(s) without an area, left out",
    )


def test_what_is_left_out_and_what_overlaps_is_said(write, caplog):
    path = write(
        feature([square(0, 0, 16, 8)]), feature([square(8, 0, 16, 8)], "Stroma"),
        feature([square(0, 0, 8, 8)], None), feature([0, 0], "Tumor", "Point"),
        feature([square(400, 0, 8, 8)]),
    )  # fmt: skip
    warnings = open_annotations(path, FRAME, GRID).warnings
    assert warnings == (
        f"{path}: 1 feature(s) without a class, 1 feature(s) of type Point, left out",
        f"{path}: 33% of the corners lie off the slide of 40 x 80 pixels; coordinates must be pixels of its "
        "level 0",
        f"{path}: polygons of different classes overlap in 1 pixels, where the later one counts",
    )
    assert list(warnings) == [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "not valid JSON"), ("[]", "no polygon with a class (it is empty)"),
        ({"type": "Topology"}, "is malformed"), ({"a": 1}, "is malformed"), ("3", "is malformed"),
        ([feature([square(0, 0, 8, 8)], None)], "1 feature(s) without a class"),
        ([feature([[[0, 0], [1, 1]]])], "a ring of 2 points"),
        ([feature([[[0, 0], ["x", 1], [2, 2]]])], "is malformed"),
        ([feature([square(9000, 9000, 8, 8)])], "all polygons lie off the slide of 40 x 80 pixels"),
        ([feature([square(0, 0, 8, 8)], f"c{i}") for i in range(256)], "more than 255 classes"),
    ],
)  # fmt: skip
def test_what_is_no_annotation_of_the_slide_is_refused(write, content, part):
    with pytest.raises(AlignmentError) as problem:
        open_annotations(write(content=content), FRAME, GRID)
    assert part in str(problem.value)
    assert "a.geojson: " in str(problem.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SlideError, match="cannot be read"):
        open_annotations(tmp_path / "a.geojson", FRAME, GRID)


def test_a_run_is_scored_against_annotations_then_and_later(tmp_path, make_slide, write):
    image = np.random.default_rng(0).integers(0, 255, (96, 128), np.uint8)
    slide = make_slide(image, scales=[0.65], translations=[(50.0, 7.0)])
    models = save_set(tmp_path / "models", (46,))
    classes = ("background", "tissue", "GeneA", "GeneB")
    path = write(*[feature([square(32 * k, 0, 32, 96)], name) for k, name in enumerate(classes)])
    options = Options(provider="cpu", threads=1)
    result = segment(slide, models=models, out=tmp_path / "l.zarr", options=options, reference=path)
    expected = np.repeat(np.arange(4, dtype=np.uint8), 4)[None].repeat(12, axis=0)
    labels = result.labels.read(Window(0, 0, 12, 16))
    assert result.summary["pixels_compared"] == 192
    for k in range(4):
        assert result.summary["confusion"][k][k] == ((labels == k) & (expected == k)).sum()
    later = evaluate(tmp_path / "l.zarr", path)
    np.testing.assert_array_equal(later.confusion, result.summary["confusion"])
    printed = runner().invoke(command, [str(tmp_path / "l.zarr"), str(path), "--json"])
    assert json.loads(printed.stdout)["reference"] == str(path)


def test_labels_that_do_not_say_of_which_slide_they_are_are_refused(make_slide, write):
    block = {"properties": [{"label-value": 0, "class": "Tumor"}]}
    labels = make_slide(np.zeros((8, 8), np.uint8), more={"image-label": block})
    with pytest.raises(AlignmentError, match="no run record that says of which"):
        evaluate(labels, write(feature([square(0, 0, 8, 8)])))
