"""How a slide looks: four statistics of its tissue, on synthetic nuclei and on degraded copies."""

from __future__ import annotations

import numpy as np
import pytest
from appearing import blur, blurred, section

from morphinfer.images.arrays import slide_from_array
from morphinfer.tiles.appearance import (
    STATISTICS,
    describe,
    halve,
    measure_appearance,
    shows_tissue,
    window_statistics,
)
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import Normalisation, measure_intensity

UM = 0.65


def medians(image, um=UM):
    slide = slide_from_array(image, um)
    appearance = measure_appearance(
        ModelImage.of(slide, UM), measure_intensity(slide, Normalisation(), UM)
    )
    return {name: getattr(appearance, name)[1] for name in STATISTICS}


@pytest.fixture(scope="module")
def image():
    return section()


def test_the_statistics_of_two_sections_of_a_kind_agree(image):
    one, other = medians(image), medians(section(seed=1))
    for name in STATISTICS:
        assert one[name] == pytest.approx(other[name], rel=0.15)


def test_they_are_the_same_at_any_brightness_and_black_level(image):
    same = medians((image.astype(np.float32) * 31 + 900).astype(np.uint16))
    for name, value in medians(image).items():
        assert same[name] == pytest.approx(value, rel=0.02)


def test_dark_nuclei_have_a_negative_skewness(image):
    assert medians(image)["skewness"] > 1
    assert medians(255 - image)["skewness"] < -1


def test_blur_lowers_grain_and_makes_details_coarser(image):
    before, after = medians(image), medians(blurred(image, 4))
    assert after["grain"] < before["grain"]
    assert after["detail_um"] > 1.2 * before["detail_um"]


def test_white_noise_has_a_grain_of_four(image):
    noise = np.random.default_rng(0).integers(0, 255, (640, 640)).astype(np.uint8)
    assert medians(noise)["grain"] == pytest.approx(4, rel=0.05)
    assert abs(medians(noise)["skewness"]) < 0.3


def test_a_pixel_size_stated_twice_too_large_doubles_the_details(image):
    assert medians(image, 2 * UM)["detail_um"] == pytest.approx(
        2 * medians(image)["detail_um"], rel=0.25
    )


def test_peaks_count_nuclei_by_area():
    image = np.zeros((200, 200), np.float32)
    image[10::20, 10::20] = 1.0
    image = blur(image, 2.5).astype(np.float32)
    peaks = window_statistics(image / image.max(), UM)[STATISTICS.index("peaks")]
    assert peaks == pytest.approx(1e4 / (20 * UM) ** 2, rel=0.15)


def test_a_flat_window_shows_no_tissue_and_a_section_does():
    assert not shows_tissue(np.full((192, 192), 0.2, np.float32), UM)
    assert shows_tissue(section(192).astype(np.float32) / 100, UM)


@pytest.mark.parametrize("shape", [(80, 4000), (300, 300)])
def test_a_small_image_is_not_described(shape):
    rng = np.random.default_rng(0)
    image = rng.random(shape, np.float32)
    assert describe(lambda window: image[window.slices], shape, UM) is None


def test_an_image_with_hardly_any_tissue_is_not_described():
    image = np.zeros((3000, 3000), np.float32)
    image[:150, :150] = section(150) / 100
    assert describe(lambda window: image[window.slices], image.shape, UM) is None


def test_sparse_tissue_is_sought_until_enough_is_seen(image):
    large = np.zeros((1800, 1800), np.float32)
    large[200:712, 300:812] = image / 100
    assert describe(lambda window: large[window.slices], large.shape, UM) is not None


@pytest.mark.parametrize("size_um", [UM * (1 + 1e-15), UM * (1 - 1e-15)])
def test_rounding_of_the_pixel_size_changes_nothing(image, size_um):
    pixels = image.astype(np.float32) / 100
    np.testing.assert_allclose(window_statistics(pixels, size_um), window_statistics(pixels, UM))


def test_a_flat_slide_is_not_described():
    slide = slide_from_array(np.full((640, 640), 7, np.uint8), UM)
    intensity = measure_intensity(slide, Normalisation(), UM, may_be_empty=True)
    assert measure_appearance(ModelImage.of(slide, UM), intensity) is None


def test_halving_means_two_by_two():
    image = np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_array_equal(halve(image), [[3, 5]])
