"""Pixel sizes and places of the levels, as the metadata state them."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from morphinfer.errors import SlideError
from morphinfer.images.opening import open_slide

VERSIONS = ["0.4", "0.5"]


def edit(path, change):
    """Change the block under 'multiscales' of an image."""
    group = zarr.open_group(str(path), mode="r+")
    attributes = dict(group.attrs)
    change(attributes.get("ome", attributes)["multiscales"][0])
    group.attrs.put(attributes)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("nanometer", 325), ("micrometer", 0.325), ("millimeter", 325e-6), ("angstrom", 3250)],
)
def test_the_pixel_size_is_in_micrometres(make_slide, noise, unit, scale):
    slide = open_slide(make_slide(noise(20, 20), unit=unit, scales=[scale]))
    assert slide.pixel_size_um == pytest.approx(0.325)


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_a_missing_pixel_size_is_refused_and_the_option_named(make_slide, noise, unit):
    path = make_slide(noise(20, 20), unit=unit)
    with pytest.raises(SlideError, match=r"no pixel size .*`pixel_size_um=0\.325`"):
        open_slide(path)


def test_a_stated_pixel_size_serves_an_image_that_has_none(make_slide, noise):
    path = make_slide(noise(40, 40), noise(20, 20), unit=None, scales=[1, 2])
    slide = open_slide(path, pixel_size_um=0.25)
    assert [level.pixel_size_um for level in slide.levels] == [0.25, 0.5]


def test_a_stated_pixel_size_rescales_levels_and_translations(make_slide, noise):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[0.5, 1.0], translations=[(10, 20), (10.25, 20.25)]
    )
    slide = open_slide(path, pixel_size_um=0.25)
    assert [level.pixel_size_um for level in slide.levels] == [0.25, 0.5]
    assert slide.grid.origin_um == pytest.approx((5, 10))
    assert slide.levels[1].grid.corner_um == pytest.approx(slide.grid.corner_um)


@pytest.mark.parametrize("size", [0, -1, 1e-4, 1001, float("nan")])
def test_a_stated_pixel_size_that_no_microscope_has_is_refused(make_slide, noise, size):
    path = make_slide(noise(20, 20))
    with pytest.raises(SlideError, match=r"between 0\.001 and 1000"):
        open_slide(path, pixel_size_um=size)


def test_a_pixel_size_in_metres_by_mistake_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20), unit="meter", scales=[0.325])
    with pytest.raises(SlideError, match="pixel size of 325000"):
        open_slide(path)


def test_pixels_that_are_not_square_are_refused(make_slide, noise):
    path = make_slide(noise(20, 20), outer=[{"type": "scale", "scale": [1, 1.5]}])
    with pytest.raises(SlideError, match=r"pixels of 0\.5 by 0\.75; they must be square"):
        open_slide(path)


@pytest.mark.parametrize("factor", [0, float("nan"), float("inf")])
def test_a_scale_that_is_no_size_asks_for_one_and_a_stated_one_suffices(make_slide, noise, factor):
    outer = [{"type": "scale", "scale": [1, factor]}]
    path = make_slide(noise(41, 40), noise(21, 20), outer=outer)
    with pytest.raises(SlideError, match=r"no pixel size \(scale .*`pixel_size_um"):
        open_slide(path)
    if factor == 0:
        slide = open_slide(path, pixel_size_um=0.65)
        assert [level.pixel_size_um for level in slide.levels] == [0.65, 1.3]


def test_an_image_without_a_scale_asks_for_one_and_a_stated_one_suffices(make_slide, noise):
    path = make_slide(noise(41, 40), noise(21, 20), noise(10, 10))
    edit(path, lambda block: [d.pop("coordinateTransformations") for d in block["datasets"]])
    with pytest.raises(SlideError, match=r"no pixel size \(no scale\)"):
        open_slide(path)
    slide = open_slide(path, pixel_size_um=0.65)
    assert [level.pixel_size_um for level in slide.levels] == [0.65, 1.3, 2.6]


@pytest.mark.parametrize("axis", [0, 1])
def test_mirrored_axes_are_named_and_refused(make_slide, noise, axis):
    factors = [-1 if axis == k else 1 for k in (0, 1)]
    path = make_slide(noise(20, 20), outer=[{"type": "scale", "scale": factors}])
    for stated in (None, 0.65):
        with pytest.raises(SlideError, match=f"axis {'yx'[axis]} is mirrored"):
            open_slide(path, pixel_size_um=stated)


@pytest.mark.parametrize("units", [("nanometer", "micrometer"), ("micrometer", "millimeter")])
def test_the_unit_of_each_axis_is_its_own(make_slide, noise, units):
    path = make_slide(noise(20, 20))

    def change(block):
        um = {"nanometer": 1e-3, "micrometer": 1, "millimeter": 1e3}
        for axis, unit in zip(block["axes"], units, strict=True):
            axis["unit"] = unit
        steps = block["datasets"][0]["coordinateTransformations"]
        steps[0]["scale"] = [0.65 / um[unit] for unit in units]
        steps.append({"type": "translation", "translation": [10 / um[unit] for unit in units]})

    edit(path, change)
    slide = open_slide(path)
    assert slide.pixel_size_um == pytest.approx(0.65)
    assert slide.grid.origin_um == pytest.approx((10, 10))


def test_an_axis_without_a_unit_asks_for_the_pixel_size(make_slide, noise):
    path = make_slide(noise(20, 20))
    edit(path, lambda block: block["axes"][1].pop("unit"))
    with pytest.raises(SlideError, match=r"no pixel size .*no unit"):
        open_slide(path)
    assert open_slide(path, pixel_size_um=0.3).pixel_size_um == 0.3


def test_a_translation_of_level_0_that_is_not_finite_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20), translations=[(0, float("inf"))])
    with pytest.raises(SlideError, match=r"a translation of .*must be finite"):
        open_slide(path)


# Coarser levels are believed where they agree with level 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"scales": [0.5, 2]}, "its scale contradicts its shape"),
        ({"scales": [0.5, 0.75]}, "its scale contradicts its shape"),
        ({"scales": [0.5, -1]}, "must be above 0"),
        ({"scales": [0.5, float("nan")]}, "must be above 0"),
        ({"translations": [(0, 0), (500, 0)]}, "its translation"),
        ({"translations": [None, (0, 1.6)]}, "its translation"),
        ({"translations": [(0, 0), (float("nan"), 0)]}, "its translation"),
    ],
)
def test_a_level_whose_metadata_contradict_level_0_is_left_out(make_slide, noise, fields, reason):
    slide = open_slide(make_slide(noise(80, 80), noise(40, 40), **fields))
    assert [level.path for level in slide.levels] == ["s0"]
    assert "level 's1' is left out" in slide.warnings[-1]
    assert reason in slide.warnings[-1]


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (np.zeros((40, 40), np.float64), "its data type is float64"),
        (np.zeros((40, 40), np.uint8), "its data type is uint8"),
        (np.zeros((0, 40), np.uint16), "is empty"),
    ],
)
def test_a_level_of_another_kind_is_left_out(make_slide, noise, level, reason):
    slide = open_slide(make_slide(noise(80, 80), level))
    assert len(slide.levels) == 1
    assert reason in slide.warnings[0]


@pytest.mark.parametrize("axes", ["cyx", "zyx"])
def test_a_level_of_other_planes_is_left_out(make_slide, noise, axes):
    path = make_slide(
        noise(4, 80, 80), noise(2, 40, 40), axes=axes, channels=["DAPI", "b", "c", "d"]
    )
    slide = open_slide(path)
    assert len(slide.levels) == 1
    assert f"it has 2 planes along {axes[0]}" in slide.warnings[0]


def test_a_level_without_a_scale_has_that_of_its_shape(make_slide, noise):
    path = make_slide(noise(90, 80), noise(30, 27))
    edit(path, lambda block: block["datasets"][1].pop("coordinateTransformations"))
    assert [level.pixel_size_um for level in open_slide(path).levels] == [0.5, 1.5]


@pytest.mark.parametrize("sides", [(41, 39), (40, 39), (41, 40)])
def test_sides_may_be_rounded_either_way(make_slide, noise, sides):
    assert not open_slide(make_slide(noise(81, 79), noise(*sides))).warnings


def test_scales_in_another_order_than_the_levels_ask_for_the_pixel_size(make_slide, noise):
    path = make_slide(noise(80, 80), noise(40, 40), scales=[1, 0.5])
    with pytest.raises(SlideError, match="fewer pixels than level 's0' and a smaller scale"):
        open_slide(path)
    assert open_slide(path, pixel_size_um=0.5).warnings


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_an_image_of_an_early_version_is_read_with_a_stated_size(make_slide, noise, version):
    images = noise(1, 1, 1, 40, 40), noise(1, 1, 1, 20, 20)
    path = make_slide(*images, axes="tczyx", version="0.4")

    def change(block):
        block["version"] = version
        block["axes"] = list("tczyx")
        if version < "0.3":
            del block["axes"]
        for dataset in block["datasets"]:
            del dataset["coordinateTransformations"]

    edit(path, change)
    with pytest.raises(
        SlideError, match=f"no pixel size .*NGFF {version} has none, 0.4 and 0.5 have"
    ):
        open_slide(path)
    slide = open_slide(path, pixel_size_um=0.5)
    assert [level.pixel_size_um for level in slide.levels] == [0.5, 1.0]
    assert (slide.version, slide.warnings) == ("0.4", ())


@pytest.mark.parametrize("version", VERSIONS)
def test_translations_of_levels_are_honoured(make_slide, noise, version):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[1, 2], translations=[(3, 4), (3, 4.5)],
        version=version,
    )  # fmt: skip
    slide = open_slide(path)
    assert slide.grid.origin_um == (3, 4)
    assert slide.grid.corner_um == (2.5, 3.5)
    assert slide.levels[1].grid.corner_um == (2, 3.5)


@pytest.mark.parametrize("translations", [None, [(0, 0), (0, 0)], [(7, 7), (7, 7)]])
def test_levels_that_tell_no_different_translations_share_their_corner(
    make_slide, noise, translations
):
    slide = open_slide(make_slide(noise(40, 40), noise(20, 20), translations=translations))
    assert len({level.grid.corner_um for level in slide.levels}) == 1


def test_without_a_translation_the_centre_of_the_first_pixel_is_the_origin(make_slide, noise):
    slide = open_slide(make_slide(noise(20, 20), scales=[0.5]))
    assert slide.grid.origin_um == (0, 0)
    assert slide.grid.corner_um == (-0.25, -0.25)


def test_transformations_of_the_multiscale_are_composed(make_slide, noise):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[1, 2], unit="millimeter",
        outer=[{"type": "scale", "scale": [5e-4, 5e-4]},
               {"type": "translation", "translation": [1, 2]}],
    )  # fmt: skip
    slide = open_slide(path)
    assert [level.pixel_size_um for level in slide.levels] == pytest.approx([0.5, 1])
    assert slide.grid.origin_um == pytest.approx((1000, 2000))


def test_the_coarsest_level_that_is_fine_enough_is_chosen(make_slide, noise):
    images = [noise(n, n) for n in (40, 20, 10)]
    slide = open_slide(make_slide(*images, scales=[0.25, 0.5, 1]))
    assert [slide.level_for(um) for um in (0.1, 0.25, 0.4999, 0.6, 1, 9)] == [0, 0, 1, 1, 2, 2]


def test_levels_listed_from_coarse_to_fine_are_ordered_with_a_warning(make_slide, noise):
    slide = open_slide(make_slide(noise(10, 10), noise(40, 40), scales=[1, 0.25]))
    assert [level.path for level in slide.levels] == ["s1", "s0"]
    assert slide.level_for(0.3) == 0
    assert "not listed from fine to coarse" in slide.warnings[0]


def test_a_level_knows_its_chunk_on_disk(make_slide, noise):
    assert open_slide(make_slide(noise(40, 40), chunk=8)).levels[0].chunk == (8, 8)
