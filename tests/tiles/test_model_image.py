"""The slide at the model's pixel size: everything stays where it is, whichever level is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.slides.levels import Level
from morphinfer.images.writing.downsampling import halve_by_mean
from morphinfer.tiles.model_image import ModelImage

sides = st.integers(1, 60)
sizes = st.floats(0.2, 3.0)


def ramp(height, width, step_um):
    """Intensity is the distance of the pixel's centre from the corner: down, plus 3 times right."""
    rows, cols = (np.arange(n, dtype=np.float32) + 0.5 for n in (height, width))
    return (rows[:, None] + 3 * cols) * np.float32(step_um)


def slide_of(image, size_um, levels=1):
    """A slide with a pyramid by 2 x 2 means."""
    slide = slide_from_array(image, size_um)
    kept = [slide.levels[0]]
    for k in range(1, levels):
        image = halve_by_mean(image)
        kept.append(Level(image, PixelGrid(image.shape, size_um * 2**k, (0.0, 0.0)), image.shape))
    return replace(slide, levels=tuple(kept))


def whole(image):
    return image.read(Window(0, 0, *image.shape))


@given(sides, sides, sizes, sizes, st.integers(1, 4))
def test_model_pixels_show_what_lies_at_their_place(height, width, size, wanted, levels):
    image = ModelImage.of(slide_of(ramp(height, width, size), size, levels), wanted)
    expected = ramp(*image.shape, wanted)
    margin = 2 * max(size * 2**levels, wanted)
    far = (np.arange(1, n + 1) * wanted + margin < m * size for n, m in
           zip(image.shape, (height, width), strict=True))  # fmt: skip
    near = (np.arange(n) * wanted > margin for n in image.shape)
    rows, cols = (a & b for a, b in zip(far, near, strict=True))
    inside = np.ix_(rows, cols)
    error_um = np.abs(whole(image)[inside] - expected[inside])
    assert (error_um <= 4 * 0.2 * image.slide.levels[image.level].pixel_size_um).all()


@given(sides, sides, sizes, sizes, st.integers(1, 4))
def test_the_model_image_covers_the_slide_whichever_level_is_read(h, w, size, wanted, levels):
    image = ModelImage.of(slide_of(np.zeros((h, w), np.uint8), size, levels), wanted)
    alone = ModelImage.of(slide_of(np.zeros((h, w), np.uint8), size), wanted)
    assert image.shape == alone.shape
    for positions, side in zip(image.shape, (h, w), strict=True):
        overhang_px = positions - side * size / wanted
        tolerance = 0.5 if abs(image.factor - 1) < 1e-9 else 1e-5
        assert -tolerance <= overhang_px < 1 + tolerance


def test_at_the_model_pixel_size_the_slide_is_read_as_it_is(noise):
    pixels = noise(21, 30)
    image = ModelImage.of(slide_of(pixels, 0.5), 0.5)
    assert (image.factor, image.shape) == (1.0, (21, 30))
    assert whole(image).dtype == np.uint16
    np.testing.assert_array_equal(whole(image), pixels)


def test_a_level_of_the_model_pixel_size_is_read_as_it_is(noise):
    slide = slide_of(noise(21, 30), 0.25, levels=3)
    image = ModelImage.of(slide, 0.5)
    assert (image.level, image.factor) == (1, 1.0)
    np.testing.assert_array_equal(whole(image), slide.levels[1].array)


def test_the_coarsest_level_that_is_fine_enough_is_averaged_down(noise):
    slide = slide_of(noise(24, 32), 0.25, levels=2)
    image = ModelImage.of(slide, 1.0)
    assert (image.level, image.factor) == (1, 2.0)
    means = slide.levels[1].array.reshape(6, 2, 8, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(whole(image), means, rtol=1e-6)


def test_a_slide_coarser_than_the_model_is_interpolated_from_level_0():
    image = ModelImage.of(slide_of(np.array([[0, 8]], np.uint8), 1.0, levels=2), 0.5)
    assert (image.level, image.factor, image.shape) == (0, 0.5, (2, 4))
    np.testing.assert_allclose(whole(image), [[0, 2, 6, 8]] * 2)


def test_a_pixel_size_of_few_digits_does_not_resample_a_small_slide(noise):
    pixels = noise(50, 60)
    np.testing.assert_array_equal(whole(ModelImage.of(slide_of(pixels, 0.3250001), 0.325)), pixels)


def test_a_small_difference_of_pixel_sizes_does_not_add_up_over_a_large_slide():
    size, wanted, length = 0.3248, 0.325, 6000
    pixels = np.arange(length, dtype=np.float32)[None] + 0.5
    image = ModelImage.of(slide_of(pixels, size), wanted)
    last = image.shape[1] - 20
    seen_at_um = image.read(Window(0, last, 1, 1))[0, 0] * size
    assert seen_at_um == pytest.approx((last + 0.5) * wanted, abs=0.5 * wanted)


def test_a_level_that_begins_elsewhere_is_put_in_its_place():
    """Every second pixel was taken, so that level 1 begins half a pixel of level 0 further out."""
    pixels = ramp(40, 40, 1.0)
    slide = slide_from_array(pixels, 1.0)
    taken = pixels[::2, ::2]
    level = Level(taken, PixelGrid(taken.shape, 2.0, (-0.5, -0.5)), taken.shape)
    image = ModelImage.of(replace(slide, levels=(slide.levels[0], level)), 4.0)
    assert (image.level, image.offset) == (1, (0.25, 0.25))
    np.testing.assert_allclose(whole(image)[:-1, :-1], ramp(10, 10, 4.0)[:-1, :-1], rtol=1e-5)


def test_a_level_smaller_than_the_slide_is_continued_by_its_last_pixels(noise):
    pixels = noise(5, 5)
    cut = pixels[:4, :4].reshape(2, 2, 2, 2).mean(axis=(1, 3)).astype(np.uint16)
    slide = slide_from_array(pixels, 0.5)
    level = Level(cut, PixelGrid(cut.shape, 1.0, (0.0, 0.0)), cut.shape, verified=True)
    image = ModelImage.of(replace(slide, levels=(slide.levels[0], level)), 1.0)
    assert image.shape == (3, 3)
    np.testing.assert_array_equal(whole(image), np.pad(cut, ((0, 1), (0, 1)), mode="edge"))


def test_a_level_padded_past_the_slide_is_cut(noise):
    slide = slide_from_array(noise(4, 4), 0.5)
    padded = noise(8, 8)
    level = Level(padded, PixelGrid(padded.shape, 1.0, (0.0, 0.0)), padded.shape, verified=True)
    image = ModelImage.of(replace(slide, levels=(slide.levels[0], level)), 1.0)
    np.testing.assert_array_equal(whole(image), padded[:2, :2])


@given(sides, sides, sizes, sizes, st.data())
def test_a_window_is_read_to_the_bit_as_in_the_whole(height, width, size, wanted, data):
    pixels = np.random.default_rng(height).integers(0, 999, (height, width)).astype(np.uint16)
    image = ModelImage.of(slide_of(pixels, size, levels=2), wanted)
    row, col = (data.draw(st.integers(0, n - 1)) for n in image.shape)
    window = Window(
        row, col,
        data.draw(st.integers(1, image.shape[0] - row)),
        data.draw(st.integers(1, image.shape[1] - col)),
    )  # fmt: skip
    np.testing.assert_array_equal(image.read(window), whole(image)[window.slices])


@given(sides, sides, sizes, sizes, st.data())
def test_a_window_made_of_a_larger_block_is_the_same_to_the_bit(height, width, size, wanted, data):
    pixels = np.random.default_rng(width).integers(0, 999, (height, width)).astype(np.uint16)
    image = ModelImage.of(slide_of(pixels, size, levels=2), wanted)
    level = image.slide.levels[image.level].array
    starts = [data.draw(st.integers(0, n - 1)) for n in image.shape]
    stops = [data.draw(st.integers(a + 1, n)) for a, n in zip(starts, image.shape, strict=True)]
    needed = [
        image.source_range(k, *ends) for k, ends in enumerate(zip(starts, stops, strict=True))
    ]
    corner = tuple(data.draw(st.integers(0, first)) for first, _ in needed)
    ends = [
        data.draw(st.integers(last, n)) for (_, last), n in zip(needed, level.shape, strict=True)
    ]
    block = level[corner[0] : ends[0], corner[1] : ends[1]]
    window = Window(*starts, stops[0] - starts[0], stops[1] - starts[1])
    made, origin = image.from_block(block, corner, window)
    top, left = window.row - origin[0], window.col - origin[1]
    np.testing.assert_array_equal(
        made[top : top + window.height, left : left + window.width], whole(image)[window.slices]
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_refused_with_its_place(value):
    pixels = np.zeros((20, 20), np.float32)
    pixels[7, 9] = value
    image = ModelImage.of(slide_of(pixels, 0.5), 0.5)
    with pytest.raises(SlideError, match=r"row 7, column 9 .*replace NaN and infinity"):
        image.read(Window(5, 5, 10, 10))


def test_a_slide_far_coarser_than_the_model_is_refused():
    with pytest.raises(SlideError, match="at most 32 times"):
        ModelImage.of(slide_of(np.zeros((9, 9), np.uint8), 325.0), 0.65)
