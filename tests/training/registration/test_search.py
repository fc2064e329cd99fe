"""Whether misplaced spots are noticed, and the cause named: by nuclei, or by the texture of the tissue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from region_section import PIXEL_UM, SHAPE, make_section

from morphinfer.geometry import PixelGrid
from morphinfer.images.arrays import slide_from_array
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.tissue import read_on_grid
from morphinfer_training.registration.check import check_registration
from morphinfer_training.registration.search import Place, compare_places
from morphinfer_training.registration.verdict import registration_findings
from morphinfer_training.spots.orientation import ORIENTATIONS

GRID = ReferenceGrid.over(PixelGrid(SHAPE, PIXEL_UM, (0.0, 0.0)), 2.6)


@pytest.fixture(scope="module")
def section():
    image, spots = make_section()
    return read_on_grid(slide_from_array(image, PIXEL_UM), GRID.pixels), spots


@pytest.fixture(scope="module")
def scattered(section):
    """The same densities of genes, but no spot in its nucleus."""
    image, spots = section
    rng = np.random.default_rng(4)
    moved = (v + rng.normal(0, 20, len(spots)) for v in (spots.row, spots.col))
    row, col = moved
    inside = (row > 0) & (row < SHAPE[0] - 1) & (col > 0) & (col < SHAPE[1] - 1)
    return image, replace(spots, row=row, col=col).where(inside)


def findings(image, spots, chosen="given"):
    registration = check_registration(image, spots, GRID, chosen)
    comparison = compare_places(image, spots, GRID, chosen)
    return registration_findings(registration, comparison, PIXEL_UM, "s.csv")


def test_spots_on_their_nuclei_are_right_without_a_word(section):
    comparison = compare_places(*section, GRID, "given")
    assert (comparison.verdict, comparison.evidence) == ("right", "nuclei")
    assert comparison.ratio > 5
    assert findings(*section) == (None, None)


@pytest.mark.parametrize("by_um", [(60.0, 0.0), (-8.0, 0.0), (30.0, -45.0)])
def test_a_shift_is_measured(section, by_um):
    image, spots = section
    right, down = (um / PIXEL_UM for um in by_um)
    moved = replace(spots, row=spots.row + down, col=spots.col + right)
    comparison = compare_places(image, moved, GRID, "given")
    assert comparison.verdict == "wrong"
    assert comparison.best.orientation == "given"
    assert np.allclose(comparison.best.shift, (-right, -down), atol=1.5)
    assert "shifted by" in findings(image, moved)[0]


def test_a_shift_of_a_third_of_a_nucleus_is_none(section):
    image, spots = section
    moved = replace(spots, col=spots.col + 2 / PIXEL_UM)
    assert compare_places(image, moved, GRID, "given").verdict == "right"


@pytest.mark.parametrize("orientation", ["swapped", "rows-flipped", "swapped-rows-flipped"])
def test_after_turning_and_shifting_back_the_spots_are_right(section, orientation):
    image, spots = section
    inverse = "swapped-cols-flipped" if orientation == "swapped-rows-flipped" else orientation
    shape = SHAPE[::-1] if orientation.startswith("swapped") else SHAPE
    wrong = spots.oriented(inverse, shape)
    wrong = replace(wrong, row=wrong.row + 40, col=wrong.col - 25)
    best = compare_places(image, wrong, GRID, "given").best
    assert best.orientation == orientation
    assert np.allclose(best.shift, (25, -40), atol=1.5)
    mended = replace(wrong, row=wrong.row + best.shift[1], col=wrong.col + best.shift[0])
    assert compare_places(image, mended, GRID, orientation).verdict == "right"


def test_micrometres_taken_as_pixels_are_named(section):
    image, spots = section
    wrong = replace(spots, row=spots.row * PIXEL_UM, col=spots.col * PIXEL_UM)
    refused, _ = findings(image, wrong)
    assert "they cover 0.65 of the extent that they should, micrometres taken as pixels" in refused
    assert "give `unit='micrometer'`" in refused


def test_pixels_taken_as_micrometres_are_named_although_most_are_off_the_slide(section):
    image, spots = section
    wrong = replace(spots, row=spots.row / PIXEL_UM, col=spots.col / PIXEL_UM)
    assert "give `unit='pixel'`" in findings(image, wrong)[0]


def test_spots_far_off_the_slide_are_found(section):
    image, spots = section
    wrong = replace(spots, row=spots.row - 160_000, col=spots.col + 5_000)
    best = compare_places(image, wrong, GRID, "given").best
    assert np.allclose(best.shift, (-5_000, 160_000), atol=1.5)


def test_without_nuclei_texture_decides(scattered):
    comparison = compare_places(*scattered, GRID, "given")
    assert (comparison.verdict, comparison.evidence) == ("right", "texture")
    assert "would not be noticed" in findings(*scattered)[1]


@pytest.mark.parametrize(
    "orientation", [o for o in ORIENTATIONS if o not in ("given", "rows-flipped")]
)
def test_without_nuclei_a_wrong_orientation_is_found_by_texture(scattered, orientation):
    image, spots = scattered
    inverse = {"swapped-rows-flipped": "swapped-cols-flipped",
               "swapped-cols-flipped": "swapped-rows-flipped"}.get(orientation, orientation)  # fmt: skip
    shape = SHAPE[::-1] if orientation.startswith("swapped") else SHAPE
    comparison = compare_places(image, spots.oriented(inverse, shape), GRID, "given")
    assert comparison.verdict == "wrong"
    assert comparison.best == Place(orientation)


def test_spots_that_are_scattered_at_random_are_neither_right_nor_wrong(section):
    image, spots = section
    rng = np.random.default_rng(6)
    row, col = rng.uniform(0, SHAPE[0], len(spots)), rng.uniform(0, SHAPE[1], len(spots))
    comparison = compare_places(image, replace(spots, row=row, col=col), GRID, "given")
    assert comparison.verdict == "unknown"
    refused, warned = findings(image, replace(spots, row=row, col=col))
    assert refused is None
    assert "the image under the spots is like the image beside them" in warned


def test_few_spots_are_not_tested(section):
    image, spots = section
    few = spots.where(np.arange(len(spots)) < 20)
    assert compare_places(image, few, GRID, "given") is None
