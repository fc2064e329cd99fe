"""Training labels lie where scoring looks for them, whatever the pixel size."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels import create_labels, open_labels
from morphinfer.images.slide import slide_from_array
from morphinfer_training.learning.sections import cell_classes, image_classes

NAMES = ("background", "tissue", "gene A")
AWKWARD_UM = [0.1 * 3, 2.6, 1.3, 0.325 * 16, 0.1086 * 48, 1 / 3]
CORNERS_UM = [(0.0, 0.0), (-0.1625, 1234.5)]


@pytest.fixture
def reference(tmp_path):
    def write(values, size, corner=(0.0, 0.0)):
        grid = PixelGrid(values.shape, size, corner)
        classes = default_classes(NAMES)
        with create_labels(tmp_path / "r.zarr", grid=grid, classes=classes) as writer:
            writer.write(Window(0, 0, *values.shape), values)
        return open_labels(tmp_path / "r.zarr")

    return write


def random_classes(*shape):
    return np.random.default_rng(4).integers(0, len(NAMES), shape).astype(np.uint8)


def majority(quarters):
    """Class that most of the four quarters hold; on a tie that of the quarter behind the centre."""
    votes = np.stack([2 * (quarters == k).sum(axis=(1, 3)) for k in range(len(NAMES))])
    behind = quarters[:, 1, :, 1]
    return (votes + (behind == np.arange(len(NAMES))[:, None, None])).argmax(axis=0)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("corner", CORNERS_UM)
def test_a_reference_on_the_same_grid_is_taken_as_it_is(reference, size, corner):
    values = random_classes(150, 130)
    values[3:7, 5:90] = UNLABELLED
    written = reference(values, size, corner)
    found = cell_classes(written, PixelGrid(values.shape, size, corner), NAMES)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("corner", CORNERS_UM)
def test_of_a_reference_twice_as_fine_the_quarter_behind_the_centre_settles_a_tie(
    reference, size, corner
):
    values = random_classes(512, 300)
    found = cell_classes(
        reference(values, size, corner), PixelGrid((256, 150), size * 2, corner), NAMES
    )
    np.testing.assert_array_equal(found, majority(values.reshape(256, 2, 150, 2)))


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [2, 3])
def test_a_coarser_reference_gives_all_cells_in_a_pixel_its_class(reference, size, times):
    values = random_classes(40, 50)
    grid = PixelGrid((40 * times, 50 * times), size, (0.0, 0.0))
    found = cell_classes(reference(values, size * times), grid, NAMES)
    np.testing.assert_array_equal(found, values.repeat(times, axis=0).repeat(times, axis=1))


@pytest.mark.parametrize("size", AWKWARD_UM)
def test_labels_are_those_that_scoring_compares_with(reference, size):
    written = reference(random_classes(200, 200), size)
    grid = PixelGrid((150, 140), size * 1.3, (size / 2, -3 * size))
    window = grid.window(written.image.grid)
    found = cell_classes(written, grid, NAMES)
    np.testing.assert_array_equal(found[window.slices], written.look_up(grid, window))
    found[window.slices] = UNLABELLED
    assert (found == UNLABELLED).all()


def test_cells_beside_the_reference_are_unlabelled(reference):
    written = reference(random_classes(10, 10), 5.2)
    assert (cell_classes(written, PixelGrid((4, 4), 5.2, (60, 0)), NAMES) == UNLABELLED).all()


@pytest.mark.parametrize("shape", [(37, 50), (38, 51), (40, 52)])
def test_the_classes_of_an_image_have_the_shape_of_the_cells(noise, shape):
    slide = slide_from_array(noise(300, 400), 0.65)
    found = image_classes(slide, PixelGrid(shape, 5.2, (0.0, 0.0)))
    assert found.shape == shape
    assert set(np.unique(found)) <= {0, 1}
