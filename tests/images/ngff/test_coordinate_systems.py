"""An image that SpatialData places in several coordinate systems is read in one of them."""

from __future__ import annotations

import json

import pytest

from morphinfer.errors import SlideError
from morphinfer.images.opening import open_slide

C = {"name": "c", "type": "channel"}


def system(name, unit="unit"):
    spatial = [{"name": axis, "type": "space", "unit": unit} for axis in "yx"]
    return {"name": name, "axes": [C, *spatial]}


def step(kind, numbers, output="global", unit="unit"):
    """A transformation as spatialdata writes it."""
    to = system(output, unit)
    return {"type": kind, kind: numbers, "input": system("cyx"), "output": to}


def identity(output="global", unit="unit"):
    return {k: v for k, v in step("identity", None, output, unit).items() if k != "identity"}


@pytest.fixture
def make(make_slide, noise):
    """An image of two levels with transformations to coordinate systems."""

    def make(*steps, version="0.5"):
        images = noise(1, 40, 30), noise(1, 20, 15)
        path = make_slide(
            *images, axes="cyx", scales=[1.0, 2.0], outer=list(steps), version=version, unit=None
        )
        name = "zarr.json" if version == "0.5" else ".zattrs"
        content = json.loads((path / name).read_text())
        if version == "0.5":
            content["attributes"]["ome"]["version"] = "0.5-dev-spatialdata"
            content["attributes"]["spatialdata_attrs"] = {"version": "0.3"}
        else:
            content["multiscales"][0]["version"] = "0.4-dev-spatialdata"
            content["spatialdata_attrs"] = {"version": "0.2"}
        (path / name).write_text(json.dumps(content))
        return path

    return make


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_pixel_size_and_place_are_those_of_the_system_in_micrometres(make, version):
    path = make(
        identity(),
        {
            **identity("aligned", "micrometer"),
            "type": "sequence",
            "transformations": [
                step("scale", [1.0, 0.25, 0.25]), step("translation", [0.0, 100.0, 50.0]),
            ],
        },
        version=version,
    )  # fmt: skip
    slide = open_slide(path)
    assert slide.pixel_size_um == 0.25
    assert slide.grid.origin_um == (100.0, 50.0)
    assert "that in 'aligned' is read" in " ".join(slide.warnings)


def test_the_global_system_is_preferred_among_those_in_micrometres(make):
    scales = [step("scale", [1.0, s, s], n, "micrometer") for s, n in ((2.0, "a"), (0.5, "global"))]
    slide = open_slide(make(*scales))
    assert slide.pixel_size_um == 0.5
    assert slide.warnings == ()


def test_an_affine_transformation_without_rotation_is_a_scale(make):
    matrix = [[1, 0, 0, 0], [0, 0.5, 0, 7], [0, 0, 0.5, 9]]
    slide = open_slide(make(step("affine", matrix, unit="micrometer")))
    assert (slide.pixel_size_um, slide.grid.origin_um) == (0.5, (7.0, 9.0))


def test_a_rotation_is_refused_by_name(make):
    matrix = [[1, 0, 0, 0], [0, 0.5, 0.1, 7], [0, -0.1, 0.5, 9]]
    with pytest.raises(
        SlideError,
        match=r"slide\.zarr: its transformation to 'global' is affine and rotates or shears \(x adds 0\.1",
    ):
        open_slide(make(step("affine", matrix, unit="micrometer")))


def test_a_transformation_of_another_type_is_refused_by_name(make):
    with pytest.raises(
        SlideError, match=r"zarr: its transformation to 'global' is of type 'byDimension'"
    ):
        open_slide(make({**identity(), "type": "byDimension"}))


def test_a_system_without_units_asks_for_the_pixel_size(make):
    path = make(step("scale", [1.0, 2.0, 2.0]))
    with pytest.raises(SlideError, match=r"no pixel size .*`pixel_size_um=0\.325`"):
        open_slide(path)
    slide = open_slide(path, pixel_size_um=0.5)
    assert slide.pixel_size_um == 0.5


def test_a_system_that_is_named_after_micrometres_is_believed_aloud(make):
    slide = open_slide(make(identity(), step("scale", [1.0, 0.5, 0.5], "microns")))
    assert slide.pixel_size_um == 0.5
    assert "'microns' has no units; it is taken to be in micrometres" in " ".join(slide.warnings)


@pytest.mark.parametrize("broken", [{"type": "scale"}, {"type": "scale", "scale": [1.0]}, {}])
def test_a_malformed_transformation_is_refused(make, broken):
    with pytest.raises(SlideError):
        open_slide(make({**broken, "output": system("global")}))


@pytest.mark.parametrize(
    ("kind", "numbers", "message"),
    [
        ("affine", [[1.0] * 4] * 2, "type 'affine' has 2 rows, but the axes c, y, x need 3"),
        ("affine", [[1.0] * 3] * 3, "type 'affine' has 3 columns, but the axes c, y, x need 4"),
        ("scale", [1.0, 2.0], "type 'scale' has 2 numbers, but the axes c, y, x need 3"),
    ],
)
def test_a_transformation_whose_size_does_not_fit_the_axes_is_named(make, kind, numbers, message):
    with pytest.raises(SlideError, match=message):
        open_slide(make(step(kind, numbers, unit="micrometer")))
