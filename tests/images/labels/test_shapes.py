"""Shapes of a SpatialData store are a reference of the images in it, where its transformations place them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import zarr

from morphinfer.errors import AlignmentError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import open_annotations
from morphinfer.images.labels.shapes import is_shapes

pa = pytest.importorskip("pyarrow", reason="the extra 'shapes' is not installed")
pq = pytest.importorskip("pyarrow.parquet")

FRAME = PixelGrid((40, 80), 0.5, (3.0, 0.0))
GRID = PixelGrid((5, 10), 4.0, (3.0, 0.0))
AXES = [{"name": "x"}, {"name": "y"}]


def to_global(**step):
    return {
        "input": {"name": "xy", "axes": AXES},
        "output": {"name": "global", "axes": AXES},
        **step,
    }


def polygon(*rings, order="<", more=(), code=3):
    """Well-known binary of a polygon, with further coordinates of each point."""
    size = 2 + len(more)
    parts = [struct.pack(f"{order}BII", order == "<", code, len(rings))]
    for ring in rings:
        parts.append(struct.pack(f"{order}I", len(ring)))
        parts += [struct.pack(f"{order}{size}d", *point, *more) for point in ring]
    return b"".join(parts)


def multi(*polygons):
    return struct.pack("<BII", 1, 6, len(polygons)) + b"".join(polygons)


def square(x, y, width, height):
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]


@pytest.fixture
def store(tmp_path, make_slide):
    """Write a store of an image and of shapes; returns the paths of both."""

    def make(columns, own=None, image=None, name="regions"):
        slide = make_slide(
            np.zeros((40, 80), np.uint8), scales=[1.0], unit=None, name="s.zarr/images/dapi",
            outer=[image or {"type": "identity"}],
        )  # fmt: skip
        group = zarr.open_group(str(tmp_path / "s.zarr/shapes" / name), mode="w")
        group.attrs["coordinateTransformations"] = [own or to_global(type="identity")]
        file = tmp_path / "s.zarr/shapes" / name / "shapes.parquet"
        pq.write_table(pa.table(columns), file)
        return file.parent, slide

    return make


def drawn(pair):
    path, slide = pair
    image = open_annotations(path, FRAME, GRID, slide)
    return [c.name for c in image.classes], image.read(Window(0, 0, *GRID.shape))


LEFT = polygon(square(0, 0, 40, 40), square(8, 8, 8, 8))


def test_polygons_become_classes_by_a_column_of_text(store):
    two = multi(polygon(square(48, 0, 8, 8)), polygon(square(64, 0, 16, 40), order=">"))
    pair = store({"geometry": [LEFT, two], "area": [1.0, 2.0], "kind": ["tumour", "stroma"]})
    names, values = drawn(pair)
    assert names == ["tumour", "stroma"]
    assert values.tolist()[:2] == [
        [0, 0, 0, 0, 0, 255, 1, 255, 1, 1],
        [0, 255, 0, 0, 0, 255, 255, 255, 1, 1],
    ]
    assert is_shapes(pair[0])
    assert is_shapes(pair[0] / "shapes.parquet")


def test_without_a_column_of_text_the_element_is_the_class(store):
    assert drawn(store({"geometry": [LEFT]}, name="tumour"))[0] == ["tumour"]


def test_circles_are_drawn(store):
    point = struct.pack("<BI2d", 1, 1, 40.0, 20.0)
    _, values = drawn(store({"geometry": [point], "radius": [16.0]}))
    assert (values == 0).sum() == 12


@pytest.mark.parametrize(
    "extra", [{"more": (5.0,), "code": 1003}, {"more": (5.0,), "code": 0x80000003}]
)
def test_heights_of_points_are_left_out(store, extra):
    _, values = drawn(store({"geometry": [polygon(square(0, 0, 8, 8), **extra)]}))
    assert (values == 0).sum() == 1


@pytest.mark.parametrize(
    ("own", "image"),
    [
        (to_global(type="scale", scale=[2.0, 2.0]), None),
        (None, {"type": "scale", "scale": [0.5, 0.5]}),
        (to_global(type="sequence", transformations=[
            {"type": "scale", "scale": [2.0, 2.0], "input": {"axes": AXES}},
            {"type": "translation", "translation": [10.0, 6.0], "input": {"axes": AXES}},
        ]), {"type": "translation", "translation": [6.0, 10.0]}),
        (to_global(type="affine", affine=[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), None),
        ({"type": "affine", "affine": [[0.0, 2.0, 0.0], [2.0, 0.0, 0.0]],
          "input": {"axes": AXES[::-1]}, "output": {"name": "global", "axes": AXES[::-1]}}, "swapped"),
    ],
)  # fmt: skip
def test_shapes_lie_where_the_transformations_of_both_place_them(store, own, image):
    ring = square(4, 0, 8, 4) if image != "swapped" else square(0, 4, 4, 8)
    _, values = drawn(
        store({"geometry": [polygon(ring)]}, own, None if image == "swapped" else image)
    )
    assert np.argwhere(values == 0).tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize(
    ("columns", "own", "part"),
    [
        ({"geometry": [LEFT], "a": ["x"], "b": ["y"]}, None, "its columns of text are a, b"),
        ({"outline": [LEFT]}, None, "no column 'geometry'"),
        ({"geometry": [LEFT[:30]]}, None, "no polygons in WKB"),
        (
            {"geometry": [struct.pack("<BI2d", 1, 1, 4.0, 2.0)]},
            None,
            "1 feature(s) without an area",
        ),
        (
            {"geometry": [LEFT]},
            to_global(type="byDimension"),
            "type 'byDimension' is not supported",
        ),
        (
            {"geometry": [LEFT]},
            {"type": "identity", "output": {"name": "other"}},
            "not to 'global'",
        ),
        ({"geometry": [LEFT]}, to_global(type="scale", scale=[1.0]), "is malformed"),
        (
            {"geometry": [polygon(square(1, 1, 8, 8))]},
            to_global(type="scale", scale=[1000.0, 1000.0]),
            "lie off the slide",
        ),
    ],
)
def test_what_cannot_be_placed_is_refused(store, columns, own, part):
    path, slide = store(columns, own)
    with pytest.raises(AlignmentError) as problem:
        open_annotations(path, FRAME, GRID, slide)
    assert part in str(problem.value)


def test_a_slide_of_another_store_is_refused(store, make_slide):
    path, _ = store({"geometry": [LEFT]})
    other = make_slide(np.zeros((40, 80), np.uint8), name="t.zarr")
    with pytest.raises(AlignmentError, match="is not in it; export them as GeoJSON"):
        open_annotations(path, FRAME, GRID, other)


def test_a_damaged_file_is_refused(store):
    path, slide = store({"geometry": [LEFT]})
    (path / "shapes.parquet").write_bytes(b"PAR1")
    with pytest.raises(SlideError, match="cannot be read"):
        open_annotations(path, FRAME, GRID, slide)
