"""Discs around the cells of a synthetic table, each of the class of its reads."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.references.densities import ReferenceGrid
from morphinfer_training.references.make import named_classes
from morphinfer_training.references.nuclei_labels import nuclei_labels
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.spots import Spots

PIXEL_UM = 0.5
GRID = ReferenceGrid.over(PixelGrid((200, 300), PIXEL_UM, (0.0, 0.0)), 1.0)
GENES = {"a": ("A", "A2"), "b": ("B",)}


def table(cells):
    """Rows out of (row, col, reads of A, A2, B), in pixels; all genes at each position."""
    gene, row, col, weight = [], [], [], []
    for at_row, at_col, *reads in cells:
        for code, count in enumerate(reads):
            gene.append(code)
            row.append(at_row)
            col.append(at_col)
            weight.append(count)
    return Spots(
        ("A", "A2", "B"), np.array(gene, np.int32), np.array(row, float), np.array(col, float),
        np.array(weight, np.float32), "table",
    )  # fmt: skip


CELLS = table([(50, 50, 6, 6, 0), (50, 150, 0, 0, 9), (50, 250, 0.5, 0, 0.2), (150, 50, 8, 0, 9)])


def labels(spots=CELLS, **told):
    settings = RegionSettings(cell_um=1.0, scale="nuclei", **told)
    return nuclei_labels(spots, GENES, settings, GRID).labels


def test_a_disc_has_the_class_of_its_cell_and_the_radius_of_a_nucleus():
    found = labels(fraction=0.3)
    assert [found[25, 25], found[25, 75], found[25, 125]] == [2, 3, 1]
    assert (found == 2).sum() + (found == 3).sum() + (found == 1).sum() == pytest.approx(
        4 * np.pi * 25, rel=0.1
    )
    assert found[25, 50] == UNLABELLED


def test_reads_of_a_class_are_added_up_and_the_highest_relative_to_its_threshold_wins():
    found = labels(thresholds=(10.0, 3.0))
    assert found[25, 25] == 2  # 12 reads of A and A2 together
    assert found[75, 25] == 3  # 8 of 10, but 9 of 3


def test_what_lies_between_nuclei_is_background_only_inside_the_region_of_interest():
    found = labels(between="background", roi="near-spots:20", gap_um=10.0)
    assert found[25, 25 + 15] == 0
    assert found[25, 25 + 7] == UNLABELLED
    assert found[50, 100] == UNLABELLED


def test_a_cell_without_reads_belongs_to_the_region_of_interest():
    cells = table([(50, 50, 6, 0, 0), (50, 150, 0, 0, 9), (150, 250, 0, 0, 0)])
    found = labels(cells, between="background", roi="near-spots:20")
    assert found[75, 125] == 1
    assert found[75, 125 + 15] == 0


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


def test_a_class_keeps_its_name_and_a_list_gets_that_of_its_genes():
    assert named_classes({"layer": ["A"], "rim": ["B", "C"]}) == {
        "layer": ("A",), "rim": ("B", "C"),
    }  # fmt: skip
    assert named_classes([["A"], ["B", "C"]]) == {"A": ("A",), "B+C": ("B", "C")}
    with pytest.raises(SpotsError, match=r"both called 'A\+B'"):
        named_classes([["A", "B"], ["A+B"]])


def test_a_table_of_cells_may_hold_a_single_gene():
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, 190, (2, 90))
    cells = Spots(("A", "A2", "B"), np.zeros(90, np.int32), row, col,
                  rng.gamma(1, 3, 90).astype(np.float32), "cells.csv")  # fmt: skip
    found = nuclei_labels(cells, {"a": ("A",)}, RegionSettings(cell_um=1.0), GRID).labels
    assert set(np.unique(found)) == {1, 2, UNLABELLED}


def test_a_cell_without_reads_of_any_class_is_tissue():
    cells = table([(50, 50, 6, 0, 0), (50, 150, 0, 0, 9), (150, 150, 0, 0, 0)])
    assert labels(cells)[75, 75] == 1


def test_where_discs_overlap_the_nearest_centre_wins():
    cells = table(
        [(50, 100, 9, 0, 0), (50, 108, 0, 0, 9), (150, 50, 0, 0, 0)]
    )  # 4 micrometres apart
    found = labels(cells)
    assert [found[25, 50], found[25, 51], found[25, 53], found[25, 54]] == [2, 2, 3, 3]


@pytest.mark.parametrize("told", [{"border_um": 3.0}, {"min_area_um2": 50.0}])
def test_settings_of_regions_are_refused_for_nuclei(told):
    with pytest.raises(SpotsError, match="`scale='nuclei'` labels discs"):
        RegionSettings(scale="nuclei", **told)
