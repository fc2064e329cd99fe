from dataclasses import replace

import numpy as np
import pytest
from region_section import PIXEL_UM, SHAPE, make_section

from morphinfer.geometry import PixelGrid
from morphinfer.images.arrays import slide_from_array
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.tissue import read_on_grid
from morphinfer_training.registration.check import check_registration
from morphinfer_training.spots.orientation import ORIENTATIONS

GRID = ReferenceGrid.over(PixelGrid(SHAPE, PIXEL_UM, (0.0, 0.0)), 2.6)
INVERSE = {
    "swapped-rows-flipped": "swapped-cols-flipped",
    "swapped-cols-flipped": "swapped-rows-flipped",
}


@pytest.fixture(scope="module")
def section():
    image, spots = make_section()
    return read_on_grid(slide_from_array(image, PIXEL_UM), GRID.pixels), spots


def misplaced(spots, orientation):
    """Spots that match the image after the orientation ``orientation``."""
    inverse = INVERSE.get(orientation, orientation)
    shape = SHAPE[::-1] if orientation.startswith("swapped") else SHAPE
    return spots.oriented(inverse, shape)


def test_only_the_right_orientation_has_a_contrast(section):
    registration = check_registration(*section, GRID)
    assert registration.given.contrast > 0.2
    assert registration.visible
    assert not registration.another_is_right
    assert all(abs(c.significance) < 4 for c in registration.others.values())


@pytest.mark.parametrize("orientation", [name for name in ORIENTATIONS if name != "given"])
def test_every_wrong_orientation_is_detected_and_the_right_one_named(section, orientation):
    image, spots = section
    wrong = misplaced(spots, orientation)
    registration = check_registration(image, wrong, GRID)
    assert registration.best == orientation
    assert registration.another_is_right
    corrected = check_registration(image, wrong, GRID, orientation)
    assert not corrected.another_is_right


def test_after_a_wrong_choice_the_orientation_of_the_table_is_best(section):
    registration = check_registration(*section, GRID, "rows-flipped")
    assert registration.another_is_right
    assert registration.best == "given"


def test_shifted_spots_have_no_contrast_and_are_not_refused(section):
    image, spots = section
    registration = check_registration(image, replace(spots, row=spots.row + 60), GRID)
    assert abs(registration.given.contrast) < 0.05
    assert not registration.another_is_right


def test_genes_of_the_neuropil_have_a_negative_contrast_and_are_accepted(section):
    image, spots = section
    registration = check_registration(image.max() - image, spots, GRID)
    assert registration.given.contrast < 0
    assert registration.visible
    assert not registration.another_is_right


def test_many_spots_in_one_pixel_count_once(section):
    image, spots = section
    repeated = spots.where(np.ones(len(spots), bool))
    twice = replace(
        repeated,
        **{k: np.tile(getattr(spots, k), 5) for k in ("gene", "row", "col", "weight")},
    )
    assert check_registration(image, twice, GRID) == check_registration(image, spots, GRID)


def test_few_spots_and_tiny_slides_are_not_tested(section):
    image, spots = section
    few = spots.where(np.arange(len(spots)) < 20)
    assert not check_registration(image, few, GRID).visible
    tiny = ReferenceGrid.over(PixelGrid((8, 8), PIXEL_UM, (0.0, 0.0)), 2.6)
    assert not check_registration(np.ones(tiny.shape, np.float32), spots, tiny).visible
