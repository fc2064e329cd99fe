"""Two intensities a slide, which follow its brightness and neither its background nor its size."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.errors import SlideError
from morphinfer.images import open_slide
from morphinfer.images.arrays import slide_from_array
from morphinfer.tiles.blocks import BLOCK
from morphinfer.tiles.normalisation import SAMPLE_UM as UM
from morphinfer.tiles.normalisation import Normalisation, measure_intensity


def tissue(height=320, width=320, background=0.5, dim=1.0):
    """Dark slide whose right part is tissue: nuclei of 700 to 1300, 16 pixels apart, on 100."""
    rng = np.random.default_rng(5)
    image = rng.integers(8, 13, (height, width)).astype(np.float32)
    start = int(width * background) // BLOCK * BLOCK
    image[:, start:] += 90
    rows, cols = np.mgrid[2:height:8, start + 2 : width : 8]
    for row, col in zip(rows.ravel(), cols.ravel(), strict=True):
        image[row : row + 4, col : col + 4] = rng.uniform(700, 1300)
    return (image * dim).astype(np.uint16)


def measure(image, size=UM, **fields):
    return measure_intensity(slide_from_array(image, size), Normalisation(**fields), UM)


def test_the_dark_between_nuclei_becomes_0_and_bright_nuclei_become_1():
    found = measure(tissue())
    assert 95 < found.low < 105
    assert 1000 < found.high < 1300
    assert found.clip == (-0.5, 2.0)


def test_the_intensities_follow_the_brightness_of_the_slide():
    bright, dim = measure(tissue()), measure(tissue(dim=0.1))
    assert dim.low == pytest.approx(bright.low / 10, rel=0.15)
    assert dim.high == pytest.approx(bright.high / 10, rel=0.05)


@pytest.mark.parametrize("unit", [1 / 65535, 1 / 255, 20.0])
def test_the_unit_of_the_intensities_does_not_matter(unit):
    grey = measure(tissue())
    scaled = measure(tissue().astype(np.float32) * np.float32(unit))
    assert scaled.low == pytest.approx(grey.low * unit, rel=1e-4)
    assert scaled.high == pytest.approx(grey.high * unit, rel=1e-4)


def test_the_area_of_the_background_hardly_moves_the_intensities():
    little, much = measure(tissue(background=0.1)), measure(tissue(background=0.9))
    assert much.low == pytest.approx(little.low, rel=0.05)
    assert much.high == pytest.approx(little.high, rel=0.05)


def test_the_percentiles_are_those_of_the_card():
    image = tissue() * np.linspace(1, 2, 320)[:, None].astype(np.float32)
    usual, wide = measure(image), measure(image, low=5.0, high=99.0)
    assert wide.low < usual.low
    assert wide.high > usual.high


def test_fixed_intensities_are_taken_as_they_are():
    found = measure(np.zeros((4, 4), np.uint8), method="fixed", low=3, high=77, clip=(0, 1))
    assert (found.low, found.high, found.clip) == (3, 77, (0, 1))


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("shape", [(1, 1), (300, 300)])
def test_a_constant_slide_is_refused(value, shape):
    with pytest.raises(SlideError, match=f"constant, .*{value}; choose the nuclei with"):
        measure(np.full(shape, value, np.uint8))


def test_nan_is_refused():
    image = tissue().astype(np.float32)
    image[200, 100] = np.nan
    with pytest.raises(SlideError, match="not a finite number at row 200, column 100"):
        measure(image)


@pytest.mark.parametrize("shape", [(1, 2), (7, 9), (8, 8), (9, 257), (257, 3)])
def test_slides_smaller_than_a_block_or_of_odd_sizes_are_measured(noise, shape):
    found = measure(noise(*shape))
    assert found.low < found.high


def test_the_same_slide_at_another_resolution_gives_the_same_intensities():
    image = tissue()
    fine = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    assert measure(fine, UM / 2) == measure(image)


def test_a_slide_coarser_than_the_sample_is_measured_as_it_is(noise):
    image = noise(40, 40)
    assert measure(image, 10.0) == measure(image, UM)


# What must not move them


def framed(image, value=10, noise=0.0, times=4):
    """The image inside a frame of background, whole blocks from its corner."""
    height, width = image.shape
    rng = np.random.default_rng(3)
    frame = rng.normal(value, noise, (times * height, times * width)).clip(0).astype(image.dtype)
    frame[2 * height + 24 : 3 * height + 24, width + 40 : 2 * width + 40] = image
    return frame


def assert_close(found, expected, rel=0.02):
    span = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=rel * span)
    assert found.high == pytest.approx(expected.high, abs=rel * span)


@pytest.mark.parametrize(("value", "noise"), [(0, 0), (10, 3), (100, 60), (300, 300)])
def test_a_frame_around_the_slide_moves_nothing(value, noise):
    image = tissue(512, 512)
    assert_close(measure(framed(image, value, noise)), measure(image))


def test_little_tissue_on_a_large_slide_is_measured():
    image = tissue(128, 128, background=0)
    slide = np.zeros((2048, 2048), np.uint16)
    slide[1600:1728, 696:824] = image
    assert_close(measure(slide), measure(image))


@pytest.mark.parametrize("at", [(40, 30), (203, 250)])
def test_one_saturated_speck_moves_nothing(at):
    image = tissue(512, 512)
    speck = image.copy()
    speck[at[0] : at[0] + 10, at[1] : at[1] + 10] = 65535
    assert_close(measure(speck), measure(image), rel=0.005)


def test_coarser_levels_than_the_one_that_is_read_are_not_measured(make_slide):
    image = tissue(512, 512)
    nearest, mean = image[::4, ::4], image.reshape(128, 4, 128, 4).mean((1, 3)).astype(np.uint16)
    for number, coarse in enumerate([nearest, mean, np.zeros_like(nearest)]):
        path = make_slide(image, coarse, scales=[0.65, 2.6], name=f"{number}.zarr", chunk=128)
        found = measure_intensity(open_slide(path), Normalisation(), 0.65)
        assert found == measure_intensity(slide_from_array(image, 0.65), Normalisation(), 0.65)


@pytest.mark.parametrize("chunk", [100, 512, 1024])
def test_a_slide_that_is_read_in_part_is_measured_as_an_array_of_the_same_pixels(make_slide, chunk):
    image = np.tile(tissue(512, 512), (3, 3))
    found = measure_intensity(open_slide(make_slide(image, chunk=chunk)), Normalisation(), 0.5)
    assert found == measure_intensity(slide_from_array(image, 0.5), Normalisation(), 0.5)
