import numpy as np
import pytest
from region_section import PIXEL_UM, SHAPE, draw, in_tissue, make_section, nuclei

from morphinfer.errors import SlideError, SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer.images.arrays import slide_from_array
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.densities import count_spots, density
from morphinfer_training.references.roi import find_region
from morphinfer_training.references.tissue import (
    darkest_limit,
    find_tissue,
    nuclei_field,
    read_on_grid,
)

SIGMA = 15.0
CLOSED = 0.95
"""Least agreement; gaps between the tissue and the edge of this small section are filled too."""


@pytest.fixture(scope="module")
def grid():
    return ReferenceGrid.over(PixelGrid(SHAPE, PIXEL_UM, (0.0, 0.0)), 2.6)


@pytest.fixture(scope="module")
def truth(grid):
    rows, cols = ((np.arange(n) + 0.5) * 4 for n in grid.shape)
    return in_tissue(rows[:, None], cols)


@pytest.fixture(scope="module")
def section():
    return make_section()


def spot_fields(spots, grid):
    counts = count_spots(spots.row, spots.col, spots.weight, grid)
    return counts, density(counts, SIGMA, grid)


def agreement(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def test_tissue_is_found_from_the_image_alone(section, grid, truth):
    image = read_on_grid(slide_from_array(section[0], PIXEL_UM), grid.pixels)
    nothing = np.zeros(grid.shape, np.float32)
    tissue = find_tissue(image, nothing, nothing, SIGMA, grid.pixels)
    assert agreement(tissue.mask, truth) > CLOSED


def test_tissue_is_found_from_spots_alone_without_crossing_its_border(section, grid, truth):
    tissue = find_tissue(None, *spot_fields(section[1], grid), SIGMA, grid.pixels)
    assert tissue.image_limit is None
    assert agreement(tissue.mask, truth) > 0.95
    assert (tissue.mask & ~truth).sum() < 0.04 * truth.sum()


def test_exact_black_outside_is_background(section, grid, truth):
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    black = np.where(in_tissue(rows, cols), section[0], 0).astype(np.uint8)
    image = read_on_grid(slide_from_array(black, PIXEL_UM), grid.pixels)
    tissue = find_tissue(image, *spot_fields(section[1], grid), SIGMA, grid.pixels)
    assert agreement(tissue.mask, truth) > CLOSED


def test_stray_nuclei_and_spots_in_the_background_are_not_tissue(section, grid, truth):
    row, col = nuclei()
    image = draw(np.append(row, [60.0, 640.0]), np.append(col, [840.0, 40.0]))
    intensities = read_on_grid(slide_from_array(image, PIXEL_UM), grid.pixels)
    counts, overall = spot_fields(section[1], grid)
    counts[15, 210] += 1
    tissue = find_tissue(intensities, counts, overall, SIGMA, grid.pixels)
    assert not tissue.mask[:25, 200:].any()
    assert not tissue.mask[150:, :20].any()


def test_spots_beyond_the_nuclei_count_only_if_spots_are_a_source(section, grid, truth):
    image = read_on_grid(slide_from_array(section[0], PIXEL_UM), grid.pixels)
    everywhere = np.ones(grid.shape, np.float32)
    fields = everywhere, density(everywhere, SIGMA, grid)
    by_image = find_tissue(image, *fields, SIGMA, grid.pixels)
    assert by_image.spot_limit is None
    assert not by_image.mask.all()
    assert find_tissue(image, *fields, SIGMA, grid.pixels, "either").mask.all()
    by_spots = find_tissue(image, *fields, SIGMA, grid.pixels, "spots")
    assert by_spots.image_limit is None
    assert by_spots.mask.all()


def test_the_dim_half_of_a_slide_full_of_tissue_is_tissue():
    field = np.full((40, 40), 100.0, np.float32)
    field[:, :20] = 50.0
    field[:2, :2] = 1.0
    assert (field[:, :20] > darkest_limit(field)).mean() > 0.9


def test_the_limit_follows_the_brightness_of_the_slide(section, grid):
    image = read_on_grid(slide_from_array(section[0], PIXEL_UM), grid.pixels)
    field = nuclei_field(image, grid.pixels.pixel_size_um)
    assert darkest_limit(field * 7) == pytest.approx(7 * darkest_limit(field), rel=1e-3)


def test_nothing_in_a_constant_field_is_above_the_limit():
    for value in (0.0, 3.0):
        field = np.full((20, 20), value, np.float32)
        assert not (field > darkest_limit(field)).any()


def test_a_constant_slide_is_refused(grid):
    with pytest.raises(SlideError, match="constant, 9 everywhere"):
        read_on_grid(slide_from_array(np.full(SHAPE, 9, np.uint8), PIXEL_UM), grid.pixels)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (701, 13)])
def test_the_grid_is_filled_for_any_slide(shape, noise):
    grid = ReferenceGrid.over(PixelGrid(shape, 0.65, (0.0, 0.0)), 2.6)
    slide = slide_from_array(noise(*shape), 0.65)
    if min(shape) == 1:
        with pytest.raises(SlideError):
            read_on_grid(slide, grid.pixels)
        return
    assert read_on_grid(slide, grid.pixels).shape == grid.shape


def test_without_a_region_of_interest_every_pixel_is_inside(grid):
    assert find_region(None, np.zeros(grid.shape, np.float32), grid).all()


def test_near_spots_is_a_disc_around_each_spot(grid):
    counts = np.zeros(grid.shape, np.float32)
    counts[50, 60] = 1
    rows, cols = np.nonzero(find_region("near-spots:26", counts, grid))
    assert np.hypot(rows - 50, cols - 60).max() == 10
    assert len(rows) == pytest.approx(np.pi * 10**2, rel=0.03)


@pytest.mark.parametrize(
    "roi", ["near-spots:", "near-spots:-3", "near-spots:far", "near-spots:nan"]
)
def test_a_malformed_distance_is_refused(roi, grid):
    with pytest.raises(SpotsError, match="near-spots:30"):
        find_region(roi, np.zeros(grid.shape, np.float32), grid)


def test_a_region_of_interest_is_the_inside_of_polygons(tmp_path, grid):
    (tmp_path / "r.csv").write_text("0,0\n40,0\n40,40\n0,40\n")
    mask = find_region(str(tmp_path / "r.csv"), np.zeros(grid.shape, np.float32), grid)
    assert mask[:10, :10].all()  # 40 pixels of 0.65 are 10 of 2.6 micrometres
    assert mask.sum() == 100
    (tmp_path / "r.csv").write_text("0,0\n1,0\n1,1\n")
    with pytest.raises(SpotsError, match="the centre of no pixel"):
        find_region(str(tmp_path / "r.csv"), np.zeros(grid.shape, np.float32), grid)
