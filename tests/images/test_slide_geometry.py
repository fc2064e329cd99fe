"""Pixel sizes and places of the levels, as the metadata state them."""

from __future__ import annotations

import pytest

from morphinfer.errors import SlideError
from morphinfer.images.slide import open_slide

VERSIONS = ["0.4", "0.5"]


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


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(make_slide, noise, factor):
    path = make_slide(noise(20, 20), outer=[{"type": "scale", "scale": [1, factor]}])
    with pytest.raises(SlideError, match="above 0 and finite"):
        open_slide(path)


def test_a_coarse_level_of_scale_zero_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20), noise(10, 10), scales=[0.5, 0])
    with pytest.raises(SlideError, match="above 0 and finite"):
        open_slide(path)


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


def test_levels_listed_from_coarse_to_fine_are_chosen_alike(make_slide, noise):
    slide = open_slide(make_slide(noise(10, 10), noise(40, 40), scales=[1, 0.25]))
    assert slide.level_for(0.3) == 1


def test_a_level_knows_its_chunk_on_disk(make_slide, noise):
    assert open_slide(make_slide(noise(40, 40), chunk=8)).levels[0].chunk == (8, 8)
