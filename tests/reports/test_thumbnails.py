"""Nuclei are read at the pixels of any grid, and a slide without a pyramid is read whole only once."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.geometry import PixelGrid
from morphinfer.images.arrays import slide_from_array
from morphinfer.reports import thumbnails
from morphinfer.reports.thumbnails import Nuclei, read_area

IMAGE = np.random.default_rng(0).integers(0, 1000, (48, 80), np.uint16)


def means(factor):
    rows, cols = (side // factor for side in IMAGE.shape)
    return IMAGE.reshape(rows, factor, cols, factor).mean(axis=(1, 3))


def test_a_part_is_the_means_over_its_pixels():
    slide = slide_from_array(IMAGE, 0.5)
    part = PixelGrid((5, 6), 2.0, (8.0, 12.0))
    np.testing.assert_allclose(read_area(slide, part), means(4)[4:9, 6:12])


def test_a_finer_grid_repeats_pixels_and_one_beside_the_slide_its_edge():
    slide = slide_from_array(IMAGE, 0.5)
    fine = read_area(slide, PixelGrid((4, 4), 0.25, (0.0, 0.0)))
    np.testing.assert_array_equal(fine, np.kron(IMAGE[:2, :2], np.ones((2, 2))))
    beside = read_area(slide, PixelGrid((2, 1), 0.5, (-0.5, -0.5)))
    np.testing.assert_array_equal(beside, IMAGE[[0, 0], :1])


def test_values_that_are_not_finite_are_0():
    image = IMAGE.astype(np.float32)
    image[3, 3] = np.nan
    assert read_area(slide_from_array(image, 0.5), PixelGrid((1, 1), 0.5, (1.5, 1.5))) == 0


@pytest.mark.parametrize("size_um", [0.5, 1.0, 2.0, 4.0])
def test_a_coarse_copy_gives_the_same_means_and_the_slide_is_not_read_again(
    size_um, monkeypatch, caplog
):
    monkeypatch.setattr(thumbnails, "MOST_PIXELS", 300)
    nuclei = Nuclei.of(slide_from_array(IMAGE, 0.5))
    assert nuclei.coarse is not None
    assert nuclei.coarse.pixel_size_um == 2.0
    assert "all of it is read" in caplog.text
    factor = round(size_um / 0.5)
    grid = nuclei.slide.grid.cover(size_um)
    if factor >= 4:
        nuclei = Nuclei(slide_from_array(np.zeros_like(IMAGE), 0.5), nuclei.coarse)
    np.testing.assert_allclose(nuclei.read(grid), means(factor), rtol=1e-5)


def test_a_small_slide_needs_no_copy():
    assert Nuclei.of(slide_from_array(IMAGE, 0.5)).coarse is None
