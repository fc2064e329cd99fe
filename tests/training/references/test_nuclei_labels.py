"""Discs around the cells of a synthetic table, each with the class of its reads."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.make import named_classes
from morphinfer_training.references.nuclei_labels import nuclei_labels
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.spots.spots import Spots

PIXEL_UM = 0.5
GRID = ReferenceGrid.over(PixelGrid((200, 300), PIXEL_UM, (0.0, 0.0)), 1.0)
GENES = {"a": ("A", "A2"), "b": ("B",)}


def table(cells):
    """Table from (row, col, reads of A, A2, B), in pixels, with a row for each gene."""
    gene, row, col, weight = [], [], [], []
    for cell_row, cell_col, *reads in cells:
        for code, count in enumerate(reads):
            gene.append(code)
            row.append(cell_row)
            col.append(cell_col)
            weight.append(count)
    return Spots(
        ("A", "A2", "B"), np.array(gene, np.int32), np.array(row, float), np.array(col, float),
        np.array(weight, np.float32), "table",
    )  # fmt: skip


CELLS = table([(50, 50, 6, 6, 0), (50, 150, 0, 0, 9), (50, 250, 0.5, 0, 0.2), (150, 50, 8, 0, 9)])


def labels(spots=CELLS, **changes):
    settings = RegionSettings(cell_um=1.0, scale="nuclei", **changes)
    return nuclei_labels(spots, GENES, settings, GRID).labels


def test_a_disc_has_the_class_of_its_cell_and_the_radius_of_a_nucleus():
    values = labels(fraction=0.3)
    assert [values[25, 25], values[25, 75], values[25, 125]] == [2, 3, 1]
    assert (values == 2).sum() + (values == 3).sum() + (values == 1).sum() == pytest.approx(
        4 * np.pi * 25, rel=0.1
    )
    assert values[25, 50] == UNLABELLED


def test_reads_are_added_up_and_the_greatest_ratio_to_the_threshold_decides():
    values = labels(thresholds=(10.0, 3.0))
    assert values[25, 25] == 2  # 12 reads of A and A2 together
    assert values[75, 25] == 3  # 8 with a threshold of 10, 9 with a threshold of 3


def test_background_between_nuclei_is_limited_to_the_region_of_interest():
    values = labels(between="background", roi="near-spots:20", gap_um=10.0)
    assert values[25, 25 + 15] == 0
    assert values[25, 25 + 7] == UNLABELLED
    assert values[50, 100] == UNLABELLED


def test_a_cell_without_reads_is_part_of_the_region_of_interest():
    cells = table([(50, 50, 6, 0, 0), (50, 150, 0, 0, 9), (150, 250, 0, 0, 0)])
    values = labels(cells, between="background", roi="near-spots:20")
    assert values[75, 125] == 1
    assert values[75, 125 + 15] == 0


def test_background_may_not_reach_into_nuclei():
    with pytest.raises(SpotsError, match=r"`gap_um=4` with nuclei of 5 micrometres"):
        labels(between="background", roi="near-spots:20", gap_um=4.0)
    assert 2 in labels(gap_um=4.0)


def test_background_between_nuclei_is_refused_for_regions():
    with pytest.raises(SpotsError, match="give `scale='nuclei'`"):
        RegionSettings(between="background", roi="near-spots:20")


def test_background_between_nuclei_needs_a_region_of_interest():
    with pytest.raises(SpotsError, match="`roi='near-spots:30'`"):
        RegionSettings(scale="nuclei", between="background")


def test_a_table_of_single_spots_is_refused():
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, 200, (2, 90))
    spots = Spots(("A", "A2", "B"), np.arange(90, dtype=np.int32) % 3, row, col,
                  np.ones(90, np.float32), "spots.csv")  # fmt: skip
    with pytest.raises(SpotsError, match=r"spots.csv: 90 rows of weight 1 at 90 positions"):
        labels(spots)


def test_a_list_without_a_name_gets_the_names_of_its_genes():
    assert named_classes({"layer": ["A"], "rim": ["B", "C"]}) == {
        "layer": ("A",), "rim": ("B", "C"),
    }  # fmt: skip
    assert named_classes([["A"], ["B", "C"]]) == {"A": ("A",), "B+C": ("B", "C")}
    with pytest.raises(SpotsError, match=r"have the name 'A\+B'"):
        named_classes([["A", "B"], ["A+B"]])


def test_a_table_of_cells_may_contain_a_single_gene():
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, 190, (2, 90))
    cells = Spots(("A", "A2", "B"), np.zeros(90, np.int32), row, col,
                  rng.gamma(1, 3, 90).astype(np.float32), "cells.csv")  # fmt: skip
    values = nuclei_labels(cells, {"a": ("A",)}, RegionSettings(cell_um=1.0), GRID).labels
    assert set(np.unique(values)) == {1, 2, UNLABELLED}


def test_a_cell_without_reads_of_any_class_is_tissue():
    cells = table([(50, 50, 6, 0, 0), (50, 150, 0, 0, 9), (150, 150, 0, 0, 0)])
    assert labels(cells)[75, 75] == 1


def test_in_overlapping_discs_the_nearest_centre_decides():
    cells = table(
        [(50, 100, 9, 0, 0), (50, 108, 0, 0, 9), (150, 50, 0, 0, 0)]
    )  # 4 micrometres apart
    values = labels(cells)
    assert [values[25, 50], values[25, 51], values[25, 53], values[25, 54]] == [2, 2, 3, 3]


@pytest.mark.parametrize("settings", [{"border_um": 3.0}, {"min_area_um2": 50.0}])
def test_settings_of_regions_are_refused_for_nuclei(settings):
    with pytest.raises(SpotsError, match="`scale='nuclei'` labels discs"):
        RegionSettings(scale="nuclei", **settings)
