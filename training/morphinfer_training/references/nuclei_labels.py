"""Classes of single nuclei, for cell types that are mixed and form no regions.

The table is one of cells: a row contains the expected reads of a gene in the cell at this position, as
estimated by probabilistic cell typing (Qian et al., Nature Methods 2020). A disc around each position
gets the class of the cell. The rest is unlabelled, since it may contain cells that are not in the
table; optionally, what is between the nuclei in a region of interest is background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.densities import (
    BACKGROUND,
    FIRST_GENE,
    PERCENTILE,
    TISSUE,
    count_spots,
)
from morphinfer_training.references.region_labels import Genes, SectionLabels, choose_thresholds
from morphinfer_training.references.roi import count_inside, find_region
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.spots import Spots

ROWS_A_CELL = 1.5
"""Least mean number of rows per position in a table of cells, which has a row per gene and cell."""


def nuclei_labels(
    spots: Spots, genes: Genes, settings: RegionSettings, grid: ReferenceGrid
) -> SectionLabels:
    """Discs around cells, each with the class of the greatest ratio of reads to threshold.

    Parameters
    ----------
    spots : Spots
        Table of cells.
    genes : mapping of str to sequence of str
        Genes of each class by its name.
    settings : RegionSettings
        Radius, thresholds, region of interest and label between nuclei.
    grid : ReferenceGrid
        The reference.

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
    # Cells without reads are part of the region of interest, so rows are counted instead of reads.
    counts = count_spots(spots.row, spots.col, np.ones(len(spots), np.float32), grid)
    interest = find_region(settings.roi, counts, grid)
    labels[~interest] = UNLABELLED
    totals = tuple(int(np.count_nonzero(m)) for m in masks)
    return SectionLabels(
        labels, thresholds, totals, count_inside(masks, spots, interest, grid), None, genes
    )


def _discs(
    centres: NDArray[np.float64],
    classes: NDArray[np.int64],
    settings: RegionSettings,
    grid: ReferenceGrid,
) -> NDArray[np.uint8]:
    """Class of the nearest centre within the radius of a nucleus; background beyond the gap, if set."""
    height, width = grid.shape
    tree = KDTree((centres + 0.5) * grid.slide.pixel_size_um)
    labels = np.full(grid.shape, UNLABELLED, np.uint8)
    cols = (np.arange(width) + 0.5) * settings.cell_um
    for row in range(height):
        points = np.stack([np.full(width, (row + 0.5) * settings.cell_um), cols], axis=1)
        distance, nearest = tree.query(points)
        inside = distance <= settings.nucleus_um
        labels[row, inside] = classes[nearest[inside]]
        if settings.between == "background":
            labels[row, distance > settings.gap_um] = BACKGROUND
    return labels
