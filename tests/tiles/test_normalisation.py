"""Two intensities a slide, which follow its brightness and neither its background nor its size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.tiles import normalisation as normalising
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import BLOCK, Normalisation, measure_intensity, otsu_threshold

UM = normalising.SAMPLE_UM


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
    return measure_intensity(slide_from_array(image, size), Normalisation(**fields))


def variance_between(values, threshold):
    low, high = values[values < threshold], values[values >= threshold]
    return len(low) * len(high) * (low.mean() - high.mean()) ** 2


@given(hnp.arrays(np.float64, st.integers(2, 40), elements=st.integers(0, 50).map(float)))
@example(np.array([0.0, 9.0, 12.0, 21.0]))
def test_otsus_threshold_separates_as_well_as_any_other(values):
    assume(len(np.unique(values)) > 1)
    chosen = variance_between(values, otsu_threshold(values, bins=5000))
    best = max(variance_between(values, t) for t in np.unique(values)[1:])
    assert chosen == pytest.approx(best, rel=1e-2)


def test_otsus_threshold_of_equal_values_is_that_value():
    assert otsu_threshold(np.full(9, 3.5)) == 3.5


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


# Which windows are read


def windows_of(shape, size, limit):
    image = ModelImage.of(slide_from_array(np.zeros(shape, np.uint8), size), UM)
    return image, normalising.sample_windows(image, limit)


def test_a_slide_that_is_little_to_read_is_read_whole():
    image, windows = windows_of((700, 300), UM, 10**6)
    seen = np.zeros(image.shape, int)
    for window in windows:
        seen[window.slices] += 1
    assert (seen == 1).all()


def test_of_a_slide_that_is_much_to_read_some_windows_are_read():
    _, windows = windows_of((2560, 2560), UM, 10**6)
    pixels = sum(w.height * w.width for w in windows)
    assert 5 * 10**5 < pixels <= 10**6 * 1.1


@pytest.mark.parametrize("part", [2, 5, 10, 20])
@pytest.mark.parametrize("columns", [5, 8, 10, 13, 20])
def test_the_windows_that_are_read_lie_all_over_the_slide(columns, part):
    shape = (10 * normalising.SAMPLE_SIDE, columns * normalising.SAMPLE_SIDE)
    _, windows = windows_of(shape, UM, shape[0] * shape[1] // part)
    assert len(windows) == 10 * columns // part
    assert len({w.row for w in windows}) >= min(10, len(windows)) / 3
    assert len({w.col for w in windows}) >= min(columns, len(windows)) / 3


def test_of_a_slide_of_very_fine_pixels_at_least_one_window_is_read():
    _, windows = windows_of((640, 640), UM / 64, 100)
    assert windows == [Window(0, 0, 10, 10)]
