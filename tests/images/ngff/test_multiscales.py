"""NGFF metadata: what is read out of them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.errors import SlideError
from morphinfer.images.ngff.multiscales import parse_multiscale, um_per_unit


def scale(*factors):
    return {"type": "scale", "scale": list(factors)}


def translation(*shifts):
    return {"type": "translation", "translation": list(shifts)}


def block(*steps, **more):
    return {
        "axes": [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"],
        "datasets": [{"path": "0", "coordinateTransformations": list(steps) or [scale(1, 1)]}],
        **more,
    }


def parse(content):
    return parse_multiscale({"multiscales": [content]}, "slide.zarr")


def test_attributes_at_the_top_are_0_4_and_under_ome_0_5():
    content = {"multiscales": [block()]}
    assert parse_multiscale(content, "s").version == "0.4"
    assert parse_multiscale({"ome": content}, "s").version == "0.5"


def test_scale_and_translation_of_a_dataset_are_read():
    dataset = parse(block(scale(2, 3), translation(5, 7))).datasets[0]
    assert dataset.scale == (2, 3)
    assert dataset.translation == (5, 7)


def test_without_a_translation_there_is_none():
    assert parse(block(scale(2, 3))).datasets[0].translation is None


def test_transformations_of_the_multiscale_follow_those_of_the_dataset():
    outer = [scale(10, 100), translation(1, 2)]
    content = block(scale(2, 3), translation(5, 7), coordinateTransformations=outer)
    dataset = parse(content).datasets[0]
    assert dataset.scale == (20, 300)
    assert dataset.translation == (51, 702)


floats = st.floats(0.01, 100)


@given(st.lists(st.tuples(floats, floats), max_size=2), st.tuples(floats, floats), floats, floats)
def test_composed_transformations_move_a_point_as_they_do_one_by_one(scales, shift, row, col):
    outer = [scale(a, b) for a, b in scales] + [translation(*shift)]
    dataset = parse(block(scale(2, 3), coordinateTransformations=outer)).datasets[0]
    at = (row * 2, col * 3)
    for a, b in scales:
        at = (at[0] * a, at[1] * b)
    at = (at[0] + shift[0], at[1] + shift[1])
    move = dataset.translation
    composed = (row * dataset.scale[0] + move[0], col * dataset.scale[1] + move[1])
    assert composed == pytest.approx(at)


def test_a_translation_before_its_scale_is_taken_in_the_unit_of_the_axes_with_a_warning():
    meta = parse(block(translation(50, 60), scale(2, 3)))
    assert meta.datasets[0].translation == (50, 60)
    assert ["listed before the scales" in text for text in meta.warnings] == [True]


def test_translations_before_scales_are_pixels_where_only_so_the_levels_lie_at_one_place():
    datasets = [
        {"path": str(k), "coordinateTransformations": [translation(t, t), scale(s, s)]}
        for k, (t, s) in enumerate([(100, 1), (50, 2), (25, 4)])
    ]
    meta = parse(block() | {"datasets": datasets})
    assert {d.translation for d in meta.datasets} == {(100, 100)}
    assert "taken in pixels" in meta.warnings[0]


@pytest.mark.parametrize("kind", ["affine", "rotation", "mapAxis", "byDimension", "warp", 7, None])
@pytest.mark.parametrize("outer", [False, True])
def test_other_transformations_are_named_and_refused(kind, outer):
    steps = [{"type": kind, "affine": [[1, 0, 0], [0, 1, 0]]}]
    content = block(coordinateTransformations=steps) if outer else block(scale(1, 1), *steps)
    text = f"^slide.zarr: a coordinate transformation of type {kind!r}; supported are scale"
    with pytest.raises(SlideError, match=text):
        parse(content)


@pytest.mark.parametrize("kind", ["scale", "translation"])
def test_a_transformation_in_a_file_is_refused(kind):
    with pytest.raises(SlideError, match=f"the {kind} of its pixels lies in a file"):
        parse(block(scale(1, 1), {"type": kind, "path": "transform/0"}))


@pytest.mark.parametrize("steps", [None, [], [{"type": "identity"}], [translation(1, 2)]])
def test_a_level_may_lack_its_scale(steps):
    assert (
        parse(block() | {"datasets": [{"path": "0", "coordinateTransformations": steps}]})
        .datasets[0]
        .scale
        is None
    )


@pytest.mark.parametrize("version", ["0.6", "0.6.dev3", "0.7", "1.0", "latest", 3])
@pytest.mark.parametrize("inside", [False, True])
def test_a_version_that_is_not_supported_is_named(version, inside):
    content = {"multiscales": [block(version=version)]}
    attributes = {"ome": {"version": version, **content}} if inside else content
    with pytest.raises(SlideError, match=f"^s: is NGFF {version}; supported are 0.4 and 0.5"):
        parse_multiscale(attributes, "s")


def test_coordinate_systems_and_scenes_are_those_of_0_6():
    content = block()
    content["coordinateSystems"] = [{"name": "intrinsic", "axes": content.pop("axes")}]
    for ome in ({"version": "0.6.dev3", "scene": {}}, {"multiscales": [content]}):
        with pytest.raises(SlideError, match=r"is NGFF .*0\.6"):
            parse_multiscale({"ome": ome}, "s")


@pytest.mark.parametrize("version", ["0.1", "0.2", None])
def test_an_image_without_axes_has_the_five_of_early_versions(version):
    meta = parse({"datasets": [{"path": "0"}], "version": version})
    assert (meta.axes, meta.datasets[0].scale) == (tuple("tczyx"), None)


def test_a_version_at_the_place_of_another_is_read_with_a_warning():
    meta = parse_multiscale({"ome": {"version": "0.4", "multiscales": [block()]}}, "s")
    assert meta.version == "0.5"
    assert "states NGFF 0.4" in meta.warnings[0]


def test_the_first_of_two_images_is_read_and_named():
    blocks = [block(name="raw"), block(name="deconvolved")]
    assert (
        "2 images under 'multiscales'; the first ('raw')"
        in parse_multiscale({"multiscales": blocks}, "s").warnings[0]
    )


def test_numbers_that_are_no_json_are_named_with_their_place():
    omero = {"channels": [{"window": {"start": float("nan")}}]}
    meta = parse_multiscale({"multiscales": [block()], "omero": omero}, "s")
    assert "NaN or infinity at omero/channels/0/window/start" in meta.warnings[0]


@pytest.mark.parametrize("unit", [{}, [0], 7, True])
def test_a_unit_that_is_no_name_is_none(unit):
    meta = parse(block() | {"axes": [{"name": a, "unit": unit} for a in "yx"]})
    assert um_per_unit(meta.units[0]) is None


def test_axes_named_by_plain_strings_are_read_without_units():
    meta = parse(block() | {"axes": ["Y", "x"]})
    assert meta.axes == ("y", "x")
    assert meta.units == (None, None)


def test_channel_labels_are_read_and_numbered_where_they_lack():
    omero = {"channels": [{"label": "DAPI"}, {}]}
    content = {"multiscales": [block()], "omero": omero}
    assert parse_multiscale(content, "s").channels == ("DAPI", "1")


def test_an_omero_block_of_null_has_no_channels():
    assert parse_multiscale({"multiscales": [block()], "omero": None}, "s").channels == ()


@pytest.mark.parametrize("attributes", [{}, {"ome": {}}, {"multiscales": []}, {"ome": "0.5"}])
def test_attributes_without_an_image_are_refused(attributes):
    with pytest.raises(SlideError, match="no OME-Zarr image here"):
        parse_multiscale(attributes, "slide.zarr")


@pytest.mark.parametrize(
    "damaged",
    [
        {"axes": None},
        {"axes": [{"type": "space"}] * 2},
        {"datasets": None},
        {"datasets": [{"path": 0}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [scale(10**400, 1)]}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [scale(1, 1, 1)]}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [scale("wide", 1)]}]},
        {"datasets": [{"path": "0", "coordinateTransformations": [{"scale": [1, 1]}]}]},
    ],
)
def test_malformed_metadata_are_refused(damaged):
    with pytest.raises(SlideError, match="not NGFF"):
        parse(block() | damaged)


def test_a_multiscales_block_that_is_no_list_is_refused():
    with pytest.raises(SlideError, match="not NGFF"):
        parse_multiscale({"multiscales": {"0": block()}}, "slide.zarr")


@pytest.mark.parametrize("axes", ["zx", "yxw", "yyx", "y"])
def test_axes_that_are_no_image_are_refused(axes):
    steps = [scale(*[1] * len(axes))]
    with pytest.raises(SlideError, match="needs y and x"):
        parse(block(*steps) | {"axes": list(axes)})


def test_an_image_without_levels_is_refused():
    with pytest.raises(SlideError, match=r"0 level\(s\)"):
        parse(block() | {"datasets": []})


def test_a_plate_is_refused_and_an_image_in_it_named():
    plate = {"wells": [{"path": "B/3"}], "rows": [], "columns": []}
    with pytest.raises(SlideError, match=r"a plate of many images.*p\.zarr/B/3/0"):
        parse_multiscale({"ome": {"plate": plate}}, "p.zarr")


def test_a_well_is_refused_and_an_image_in_it_named():
    with pytest.raises(SlideError, match=r"a well of many images.*p\.zarr/A/1/7"):
        parse_multiscale({"well": {"images": [{"path": "7"}]}}, "p.zarr/A/1")


def test_an_empty_plate_is_refused():
    with pytest.raises(SlideError, match="a plate of many images"):
        parse_multiscale({"plate": {}}, "p.zarr")


@pytest.mark.parametrize(
    ("spellings", "um"),
    [
        (("nm", "nanometer", "Nanometers", "nanometre"), 1e-3),
        (("um", "\u00b5m", "\u03bcm", "micron", "microns", "micrometer", "Micrometres", " UM "), 1),
        (("mm", "millimeters"), 1e3),
        (("pixel", "pixels", "px", "", "s", None), None),
    ],
)
def test_units_of_length_are_known_in_the_spellings_of_writers(spellings, um):
    assert {um_per_unit(unit) for unit in spellings} == {um}
