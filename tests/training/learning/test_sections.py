"""Training labels have the same place as in scoring, for any pixel size."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer_training.learning.sections import image_classes, reference_classes

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
    """Class of most of the four quarters; on a tie that of the lower right quarter."""
    votes = np.stack([2 * (quarters == k).sum(axis=(1, 3)) for k in range(len(NAMES))])
    lower_right = quarters[:, 1, :, 1]
    return (votes + (lower_right == np.arange(len(NAMES))[:, None, None])).argmax(axis=0)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("corner", CORNERS_UM)
def test_a_reference_on_the_same_grid_is_copied(reference, size, corner):
    values = random_classes(150, 130)
    values[3:7, 5:90] = UNLABELLED
    written = reference(values, size, corner)
    labels = reference_classes(written, PixelGrid(values.shape, size, corner), NAMES)
    np.testing.assert_array_equal(labels, values)


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("corner", CORNERS_UM)
def test_on_a_tie_in_a_reference_twice_as_fine_the_lower_right_quarter_decides(
    reference, size, corner
):
    values = random_classes(512, 300)
    labels = reference_classes(
        reference(values, size, corner), PixelGrid((256, 150), size * 2, corner), NAMES
    )
    np.testing.assert_array_equal(labels, majority(values.reshape(256, 2, 150, 2)))


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [2, 3])
def test_all_positions_in_a_pixel_of_a_coarser_reference_get_its_class(reference, size, times):
    values = random_classes(40, 50)
    grid = PixelGrid((40 * times, 50 * times), size, (0.0, 0.0))
    labels = reference_classes(reference(values, size * times), grid, NAMES)
    np.testing.assert_array_equal(labels, values.repeat(times, axis=0).repeat(times, axis=1))


@pytest.mark.parametrize("size", AWKWARD_UM)
def test_labels_equal_those_used_in_scoring(reference, size):
    written = reference(random_classes(200, 200), size)
    grid = PixelGrid((150, 140), size * 1.3, (size / 2, -3 * size))
    window = grid.window(written.image.grid)
    labels = reference_classes(written, grid, NAMES)
    np.testing.assert_array_equal(labels[window.slices], written.look_up(grid, window))
    labels[window.slices] = UNLABELLED
    assert (labels == UNLABELLED).all()


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("corner", CORNERS_UM)
def test_a_position_half_outside_the_reference_has_the_one_class_of_its_other_half(
    reference, size, corner
):
    values = random_classes(300, 1)
    written = reference(values, size, corner)
    labels = reference_classes(written, PixelGrid((150, 1), size * 2, corner), NAMES)
    upper, lower = values[0:300:2], values[1:300:2]
    np.testing.assert_array_equal(labels, np.where(upper == lower, upper, UNLABELLED))


def test_positions_outside_the_reference_are_unlabelled(reference):
    written = reference(random_classes(10, 10), 5.2)
    assert (reference_classes(written, PixelGrid((4, 4), 5.2, (60, 0)), NAMES) == UNLABELLED).all()


@pytest.mark.parametrize("shape", [(37, 50), (38, 51), (40, 52)])
def test_the_classes_of_an_image_have_the_shape_of_the_grid(noise, shape):
    slide = slide_from_array(noise(300, 400), 0.65)
    labels = image_classes(slide, PixelGrid(shape, 5.2, (0.0, 0.0)))
    assert labels.shape == shape
    assert set(np.unique(labels)) <= {0, 1}
