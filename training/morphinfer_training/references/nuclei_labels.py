"""Classes of single nuclei, where cell types lie mixed and form no regions.

The table is one of cells: a row is a gene's expected reads in the cell whose centre is there, as
probabilistic cell typing yields (Qian et al., Nature Methods 2020). Around each centre a disc gets
the class of its cell; what is nearer to no known cell is unlabelled, since cells that the table does not
know may lie there. If asked, what lies between the nuclei of the region of interest is background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer_training.references.densities import (
    BACKGROUND,
    FIRST_GENE,
    PERCENTILE,
    TISSUE,
    ReferenceGrid,
    count_spots,
)
from morphinfer_training.references.region_labels import Found, Genes, choose_thresholds
from morphinfer_training.references.roi import find_region
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.spots import Spots

ROWS_A_CELL = 1.5
"""Spots of weight 1 have fewer rows at one position on average; cells have one a gene."""

Reads = NDArray[np.float64]


def nuclei_labels(
    spots: Spots, genes: Genes, settings: RegionSettings, grid: ReferenceGrid
) -> Found:
    """Discs around cells, each of the class whose reads are highest relative to its threshold.

    Raises
    ------
    SpotsError
        The table is one of spots, a threshold is 0, or the region of interest is empty.
    """
    centres, cell = np.unique(
        np.stack([spots.row, spots.col], axis=1), axis=0, return_inverse=True
    )  # (K, 2)
    if len(spots) < ROWS_A_CELL * len(centres) and (spots.weight == 1).all():
        raise SpotsError(
            f"{spots.name}: {len(spots)} rows of weight 1 at {len(centres)} positions, which are single "
            f"spots; `scale='nuclei'` needs a table of cells, with the reads of genes at each position"
        )
    masks = [spots.of(each) for each in genes.values()]
    reads = np.stack(
        [np.bincount(cell.ravel()[m], spots.weight[m], len(centres)) for m in masks], axis=1
    )  # (K, genes)
    relative = [settings.fraction * float(np.percentile(r, PERCENTILE)) for r in reads.T]
    thresholds = choose_thresholds(genes, settings, relative)
    ratio = reads / np.array(thresholds)
    classes = np.where(ratio.max(axis=1) >= 1, FIRST_GENE + ratio.argmax(axis=1), TISSUE)
    labels = _discs(centres, classes, settings, grid)
    # A known cell counts as one even where it holds no read.
    counts = count_spots(spots.row, spots.col, np.ones(len(spots), np.float32), grid)
    labels[~find_region(settings.roi, counts, grid)] = UNLABELLED
    return Found(labels, thresholds, tuple(int(np.count_nonzero(m)) for m in masks), None)


def _discs(
    centres: Reads, classes: NDArray[np.int64], settings: RegionSettings, grid: ReferenceGrid
) -> NDArray[np.uint8]:
    """Class of the nearest centre within a nucleus; background farther than the gap, if asked."""
    height, width = grid.shape
    tree = KDTree((centres + 0.5) * grid.slide.pixel_size_um)
    labels = np.full(grid.shape, UNLABELLED, np.uint8)
    cols = (np.arange(width) + 0.5) * settings.cell_um
    for row in range(height):
        places = np.stack([np.full(width, (row + 0.5) * settings.cell_um), cols], axis=1)
        away, nearest = tree.query(places)
        inside = away <= settings.nucleus_um
        labels[row, inside] = classes[nearest[inside]]
        if settings.between == "background":
            labels[row, away > settings.gap_um] = BACKGROUND
    return labels
