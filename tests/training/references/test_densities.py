import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.densities import (
    assign_regions,
    clean_regions,
    count_spots,
    density,
    near_borders,
    relative_threshold,
    small_pieces,
    smooth,
)

AWKWARD_UM = [0.1 * 3, 2.6, 1.3, 0.325 * 16, 0.1086 * 48, 1 / 3]


def ones(number):
    return np.ones(number, np.float32)


def test_an_integer_coordinate_is_the_centre_of_its_pixel():
    grid = ReferenceGrid.over(PixelGrid((8, 8), 1.0, (0.0, 0.0)), 2.0)
    counts = count_spots(np.array([0.0, 1.4, 1.6]), np.array([-0.4, 3.0, 7.4]), ones(3), grid)
    assert counts.shape == (4, 4)
    assert np.argwhere(counts).tolist() == [[0, 0], [0, 1], [1, 3]]


@pytest.mark.parametrize("size", AWKWARD_UM)
@pytest.mark.parametrize("times", [3, 8, 49])
def test_a_spot_on_a_border_is_counted_in_the_second_pixel_for_any_size(size, times):
    grid = ReferenceGrid.over(PixelGrid((100 * times, 8), size, (13.0, -7.7)), size * times)
    on_borders = np.arange(100) * times - 0.5
    counts = count_spots(on_borders, np.zeros(100), ones(100), grid)
    np.testing.assert_array_equal(counts[:, 0], 1)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(0.2, 2.0),
    st.floats(0.3, 9.0),
    st.integers(0, 2**31),
)
def test_no_spot_on_the_slide_is_lost(shape, slide_um, reference_um, seed):
    grid = ReferenceGrid.over(PixelGrid(shape, slide_um, (0.0, 0.0)), reference_um)
    rng = np.random.default_rng(seed)
    row, col = (rng.uniform(-0.5, n - 0.5, 20) for n in shape)
    counts = count_spots(row, col, ones(20), grid)
    assert counts.shape == grid.shape
    assert counts.sum() == 20


def test_density_is_in_spots_per_hundred_micrometres_squared():
    grid = ReferenceGrid.over(PixelGrid((200, 300), 1.0, (0.0, 0.0)), 2.0)
    counts = np.full(grid.shape, 0.04, np.float32)  # 1 a 100 um^2
    assert density(counts, 15.0, grid) == pytest.approx(100, rel=1e-4)


@pytest.mark.parametrize("shape", [(100, 140), (101, 143), (5, 3)])
def test_values_at_the_edges_are_not_lowered_even_if_the_last_pixel_extends_beyond(shape):
    grid = ReferenceGrid.over(PixelGrid(shape, 1.0, (0.0, 0.0)), 4.0)
    covered = np.outer(grid.coverage(0), grid.coverage(1))
    assert smooth(covered.astype(np.float32), 12.0, grid) == pytest.approx(1, rel=1e-4)


def test_the_threshold_follows_the_detection_efficiency_of_the_method():
    field = np.random.default_rng(1).gamma(1, 1, (50, 50)).astype(np.float32)
    inside = np.ones((50, 50), bool)
    threshold = relative_threshold(field, inside, 0.25)
    assert threshold == pytest.approx(np.percentile(field, 99.5) / 4)
    assert relative_threshold(field * 10, inside, 0.25) == pytest.approx(10 * threshold, rel=1e-5)


def test_the_gene_with_the_greatest_ratio_to_its_threshold_is_chosen():
    a = np.array([[0.5, 2.0, 2.0, 1.0, 9.0]], np.float32)
    b = np.array([[1.0, 50.0, 10.0, 10.0, 90.0]], np.float32)
    tissue = np.array([[True, True, True, True, False]])
    assert assign_regions([a, b], [1.0, 10.0], tissue).tolist() == [[1, 3, 2, 2, 0]]


def test_there_may_be_three_gene_classes():
    fields = [np.array([[v]], np.float32) for v in (1, 2, 3)]
    assert assign_regions(fields, [1.0, 1.0, 1.0], np.ones((1, 1), bool)).tolist() == [[4]]


def test_small_islands_and_holes_are_removed_and_large_ones_kept():
    labels = np.ones((40, 40), np.uint8)
    labels[5:25, 5:25] = 2
    labels[10:12, 10:12] = 1  # a hole of 4 pixels
    labels[30:32, 30:32] = 3  # an island of 4 pixels
    cleaned = clean_regions(labels, 5.0, 1.0)
    assert (cleaned[5:25, 5:25] == 2).all()
    assert 3 not in cleaned
    assert (clean_regions(labels, 4.0, 1.0) == labels).all()


def test_a_hole_between_two_genes_gets_the_nearest_class():
    labels = np.repeat(np.array([[2, 2, 2, 1, 1, 3, 3, 3]], np.uint8), 8, axis=0)
    assert (clean_regions(labels, 16.0, 1.0) == [2, 2, 2, 1, 1, 3, 3, 3]).all()
    assert (clean_regions(labels, 16.1, 1.0) == [2, 2, 2, 2, 3, 3, 3, 3]).all()


def test_a_section_of_one_class_is_not_changed():
    labels = np.ones((3, 3), np.uint8)
    assert (clean_regions(labels, 100.0, 1.0) == labels).all()


def test_pieces_are_connected_by_sides_only():
    assert small_pieces(np.eye(3, dtype=bool), 2.0, 1.0).sum() == 3


def test_a_border_band_has_the_set_width_on_both_sides():
    labels = np.ones((1, 20), np.uint8)
    labels[:, 10:] = 2
    assert np.flatnonzero(near_borders(labels, 6.0, 2.0)[0]).tolist() == [7, 8, 9, 10, 11, 12]
    assert not near_borders(labels, 0.0, 2.0).any()
    assert not near_borders(np.ones((3, 3), np.uint8), 5.0, 1.0).any()


def test_pixels_too_small_for_the_memory_are_refused():
    with pytest.raises(SpotsError, match="larger `cell_um`"):
        ReferenceGrid.over(PixelGrid((10**6, 10**6), 1.0, (0.0, 0.0)), 1.0)
